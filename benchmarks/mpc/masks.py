"""Pairwise masks of one client against 99 others, a million numbers each: ours against Flower's functions.

Run: ``python -m benchmarks.mpc.masks [--rounds 7]``. From public keys to the finished sum of masks on both sides: ours
X25519, HKDF and AES-CTR; Flower's ECDH, HKDF and a Mersenne twister seeded with 32 bits, which is no mask at all.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import time
from statistics import median
from typing import Any

from benchmarks import report
from benchmarks.mpc._flower import Flower
from mpc.masks import MaskKey, pairwise_masks
from mpc.party import PartyName
from mpc.prg import Signed, StreamCipher, add_streams
from mpc.ring import Z32, Z64, Z128, Ring

CLIENTS, LENGTH, TARGET = 100, 1_000_000, 6.0


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args(argv).rounds
    rows: list[dict[str, Any]] = []
    if Flower.available():
        with Flower() as flower:
            times: dict[str, list[float]] = {"1": [], "2": [], "flower": []}
            for _ in range(rounds + 1):  # the first warms up
                times["1"].append(masks(1))
                times["2"].append(masks(2))
                times["flower"].append(flower.measure("masks", clients=CLIENTS, length=LENGTH)["seconds"])
        peer = [1e3 * t for t in times["flower"][1:]]
        for threads in ("2", "1"):
            ours = [1e3 * t for t in times[threads][1:]]
            work = f"masks of one of {CLIENTS} clients, 1e6 x uint32, {threads} thread(s)"
            target = TARGET if threads == "2" else None
            ratio = report.median_ratio(peer, ours)
            rows.append(report.row(work, median(ours), "ms", "Flower 1.41", median(peer), ratio, target))
    for cipher in StreamCipher:
        for ring in (Z32, Z64, Z128):
            speed = median(stream_speed(ring, cipher) for _ in range(rounds))
            rows.append(report.row(f"add 20 {cipher.value} streams to 1e6 x {ring.bits} bit, 2 threads", speed, "GB/s"))
    report.write("masks", rows)
    return 0


def masks(threads: int, ring: Ring = Z32) -> float:
    names = [PartyName(f"client-{i:03}") for i in range(CLIENTS)]
    keys = {name: MaskKey.generate() for name in names}
    publics = {name: key.public for name, key in keys.items()}
    own = names[CLIENTS // 2]
    start = time.perf_counter()
    pairwise_masks(keys[own], own, publics, bytes(32), "values", ring, LENGTH, threads=threads)
    return time.perf_counter() - start


def stream_speed(ring: Ring, cipher: StreamCipher) -> float:
    total = ring.zeros(LENGTH)
    streams = [Signed(secrets.token_bytes(32), 1) for _ in range(20)]
    start = time.perf_counter()
    add_streams(ring, total, streams, threads=2, cipher=cipher)
    return 20 * total.nbytes / (time.perf_counter() - start) / 1e9


if __name__ == "__main__":
    sys.exit(main())
