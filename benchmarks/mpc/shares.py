"""Sharing: one 32-byte seed with t = 66 of n = 100 against Flower's functions; and many secrets at once.

Run: ``python -m benchmarks.mpc.shares [--rounds 15]``.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from benchmarks import report
from benchmarks.mpc._flower import Flower
from mpc import field
from mpc.ring import Z64
from mpc.sharing import additive, shamir

THRESHOLD, NUMBER, TARGET = 66, 100, 50.0
POINTS = range(1, NUMBER + 1)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args(argv).rounds
    rows: list[dict[str, Any]] = []
    if Flower.available():
        with Flower() as flower:
            ours, peer = [], []
            for _ in range(rounds + 1):
                ours.append(seed())
                peer.append(flower.measure("shares", threshold=THRESHOLD, number=NUMBER))
        rows += [compare(ours[1:], peer[1:], part) for part in ("seconds", "split", "combine")]
    rows.append(rate("split 1,000 seeds, t=66 of 100", 1000, many_seeds, rounds, "seeds/s"))
    numbers = field.random((1_000_000,), secrets.token_bytes)
    rows.append(rate("split 1e6 numbers, t=2 of 3", len(numbers), lambda: split(numbers), rounds, "numbers/s"))
    shares = split(numbers)[1:]
    combine = rate("combine 1e6 numbers, t=2", len(numbers), lambda: shamir.combine(shares), rounds, "numbers/s")
    rows.append(combine)
    vector = Z64.random(1_000_000, secrets.token_bytes)
    work = "additive sharing of 1e6 x 64 bit among 3, seeds and one vector"
    rows.append(
        rate(
            work, len(vector), lambda: additive.split_compact(Z64, vector, 3, secrets.token_bytes), rounds, "numbers/s"
        )
    )
    report.write("shares", rows)
    return 0


def seed() -> dict[str, float]:
    secret = secrets.token_bytes(32)
    shamir.lagrange_weights.cache_clear()  # as for the first secret that these parties combine
    start = time.perf_counter()
    shares = shamir.split_bytes([secret], THRESHOLD, POINTS, secrets.token_bytes)
    middle = time.perf_counter()
    recovered = shamir.combine_bytes(shares[NUMBER - THRESHOLD :], 32)
    end = time.perf_counter()
    if recovered != [secret]:
        raise SystemExit("the secret was not recovered")
    return {"split": middle - start, "combine": end - middle, "seconds": end - start}


def compare(ours: list[dict[str, float]], peer: list[dict[str, float]], part: str) -> dict[str, Any]:
    own, other = [1e3 * x[part] for x in ours], [1e3 * x[part] for x in peer]
    what = "share and combine" if part == "seconds" else part
    target = TARGET if part == "seconds" else None
    work = f"{what} one 32-byte seed, t={THRESHOLD} of n={NUMBER}"
    ratio = report.median_ratio(other, own)
    return report.row(work, median(own), "ms", "Flower 1.41", median(other), ratio, target)


def rate(work: str, items: int, run: Callable[[], object], rounds: int, unit: str) -> dict[str, Any]:
    times = report.alternate({work: run}, max(3, rounds // 3))[work]
    return report.row(work, items / median(times), unit)


def many_seeds() -> object:
    return shamir.split_bytes([secrets.token_bytes(32) for _ in range(1000)], THRESHOLD, POINTS, secrets.token_bytes)


def split(numbers: field.Elements) -> list[shamir.Share]:
    return shamir.split(numbers, 2, [1, 2, 3], secrets.token_bytes)


if __name__ == "__main__":
    sys.exit(main())
