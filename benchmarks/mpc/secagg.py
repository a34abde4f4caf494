"""A full SecAgg+ round in one process: 100 clients, 1e6 numbers each, 10% dropouts, against Flower's functions.

Run: ``python -m benchmarks.mpc.secagg [--rounds 3] [--length 1000000]``. Both sides start from float64 updates,
quantise, run every stage of every client and unmask at the server; same graph degree and threshold. Flower's side is
semi-honest, without signatures; ours is shown without and with them. Each side measures itself in its own process.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import secrets
import subprocess
import sys
import time
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks import report
from benchmarks.mpc._flower import Flower
from mpc.fixed import FixedPoint
from mpc.party import PartyName
from mpc.ring import Z32
from mpc.secagg import Client, Parameters, Server, simulate
from mpc.secagg.messages import MaskedInput

CLIENTS, DROPOUTS, DEGREE, THRESHOLD, TARGET = 100, 10, 34, 18, 5.0


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--length", type=int, default=1_000_000)
    parser.add_argument("--ours", choices=["plain", "signed"], help="measure our side once, print JSON, stop")
    options = parser.parse_args(argv)
    if options.ours:
        sys.stdout.write(json.dumps(ours(options.length, options.ours == "signed")) + "\n")
        return 0
    variants = ("plain", "signed")
    mine: dict[str, list[dict[str, float]]] = {variant: [] for variant in variants}
    peer: list[dict[str, float]] = []
    available = Flower.available()
    for _ in range(options.rounds):
        for variant in variants:
            mine[variant].append(in_own_process(variant, options.length))
        if available:
            request = {"clients": CLIENTS, "length": options.length, "degree": DEGREE, "threshold": THRESHOLD}
            with Flower() as flower:
                peer.append(flower.measure("round", **request, dropouts=DROPOUTS))
    report.write("secagg", rows(mine, peer, options.length), notes(mine, peer))
    return 0


def rows(mine: dict[str, list[dict[str, float]]], peer: list[dict[str, float]], length: int) -> list[dict[str, Any]]:
    made = []
    for variant, runs in mine.items():
        work = f"SecAgg+ round, {CLIENTS} clients x {length:,}, {DROPOUTS} dropouts, degree {DEGREE}, {variant}"
        seconds = [run["seconds"] for run in runs]
        made.append(compare(work, seconds, [run["seconds"] for run in peer], "s", TARGET))
        peaks = [run["peak_mib"] for run in runs]
        made.append(compare(f"peak memory of that process, {variant}", peaks, [run["peak_mib"] for run in peer], "MiB"))
        made.append(report.row(f"bytes sent by all parties, {variant}", runs[0]["bytes"] / 1e6, "MB"))
    return made


def notes(mine: dict[str, list[dict[str, float]]], peer: list[dict[str, float]]) -> list[str]:
    own = median(run["quantizing"] for run in mine["plain"])
    lines = [f"Quantising is inside both sides' figures: ours {own:.2f} s of the round."]
    if peer:
        theirs = median(run["quantizing"] for run in peer)
        core = [p["seconds"] - p["quantizing"] for p in peer]
        ratio = report.median_ratio(core, [run["seconds"] - run["quantizing"] for run in mine["plain"]])
        lines[0] += f" Flower's {theirs:.2f} s. Without it the ratio of the plain variant is {ratio:.1f}."
    return [*lines, "In both drivers one client at a time quantises and masks, and its vector is added as it arrives."]


def compare(
    work: str, ours: list[float], peer: list[float], unit: str, at_least: float | None = None
) -> dict[str, Any]:
    if not peer:
        return report.row(work, median(ours), unit)
    return report.row(work, median(ours), unit, "Flower 1.41", median(peer), report.median_ratio(peer, ours), at_least)


def in_own_process(variant: str, length: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.mpc.secagg", "--ours", variant, "--length", str(length)]
    run = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    measured: dict[str, float] = json.loads(run.stdout)
    return measured


def ours(length: int, signed: bool) -> dict[str, float]:
    names = tuple(PartyName(f"client-{i:03}") for i in range(CLIENTS))
    identities = {name: Ed25519PrivateKey.generate() for name in names} if signed else {}
    encoding = FixedPoint.binary(16, -8, 8)
    parameters = Parameters(
        session=secrets.token_bytes(16),
        clients=names,
        length=length,
        values=encoding.range,
        ring=encoding.ring(CLIENTS, smallest=Z32),
        degree=DEGREE,
        threshold=THRESHOLD,
        survivors=max(67, CLIENTS - DEGREE // 2 if signed else 0),
        model_digest=hashlib.sha256(b"model").digest(),
        graph_seed=secrets.token_bytes(16),
        identities={name: key.public_key().public_bytes_raw() for name, key in identities.items()},
    )
    update = np.linspace(-1, 1, length)
    quantizing = 0.0

    def quantize() -> npt.NDArray[np.int64]:
        nonlocal quantizing
        before = time.perf_counter()
        values = np.asarray(encoding.to_integers(update))
        quantizing += time.perf_counter() - before
        return values

    lost = dict.fromkeys(names[:: CLIENTS // DROPOUTS], MaskedInput.KIND)
    start = time.perf_counter()
    clients = [Client(parameters, name, quantize, identities.get(name), threads=2) for name in names]
    server = Server(parameters, threads=2)
    sent = simulate.run(server, clients, lost)
    result = encoding.decode(server.result[:1], parameters.ring)
    seconds = time.perf_counter() - start
    if len(server.survivors) != CLIENTS - DROPOUTS or result != [-len(server.survivors)]:
        raise SystemExit("the sum is wrong")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": seconds, "quantizing": quantizing, "peak_mib": peak, "bytes": float(sent)}


if __name__ == "__main__":
    sys.exit(main())
