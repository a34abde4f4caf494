"""Threshold test on a million shared counts, parties as processes on loopback, against spu SEMI2K and ABY3.

Run: ``python -m benchmarks.mpc.comparison [--counts 1000000] [--rounds 5] [--oblivious-counts 10000]``. The peer lives
in an environment of its own; its rows are skipped loudly if it is missing:
    python3.11 -m venv .env-peers/spu && .env-peers/spu/bin/pip install spu==0.9.5

64-bit words on both sides. Ours: from each party's own counts to the opened bits; with two parties the helper deals
new triples each time, over loopback too. spu: shares are made beforehand and the bits stay shared; SEMI2K's triples
come from its default, a trusted first party.
"""

from __future__ import annotations

import argparse
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks import report

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
SPU = REPOSITORY / ".env-peers" / "spu" / "bin" / "python"
THRESHOLD = 15
PAIRS = {
    "three": ("3 parties", 3, "spu 0.9.5 ABY3", "ABY3", 3),
    "two": ("2 parties and a helper for the triples", 3, "spu 0.9.5 SEMI2K", "SEMI2K", 2),
}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--oblivious-counts", type=int, default=10_000)
    options = parser.parse_args(argv)
    rows: list[dict[str, Any]] = []
    for kind, (title, parties, peer, protocol, peers) in PAIRS.items():
        with ExitStack() as stack:
            works = {"ours": stack.enter_context(ours(kind, parties, options.counts))}
            if SPU.exists():
                works["peer"] = stack.enter_context(theirs(protocol, peers, options.counts))
            else:
                sys.stderr.write(f"SKIPPED {peer}: no {SPU.relative_to(REPOSITORY)} (see this script's docstring)\n")
            times = report.alternate(works, options.rounds)
        work = f"threshold test on {options.counts:,} counts, {title}, processes on loopback"
        middle = statistics.median(times["ours"])
        if "peer" not in times:
            rows.append(report.row(work, middle, "s"))
            continue
        ratio = report.median_ratio(times["peer"], times["ours"])
        rows.append(report.row(work, middle, "s", peer, statistics.median(times["peer"]), ratio, 2))
    with ours("oblivious", 2, options.oblivious_counts) as once:
        middle = statistics.median(report.alternate({"ours": once}, options.rounds)["ours"])
    work = f"threshold test on {options.oblivious_counts:,} counts, 2 parties alone (triples by oblivious transfer)"
    rows.append(report.row(work, middle, "s"))
    notes = ["Ours opens the bits and includes sharing and triples; spu's shares are ready and its bits stay shared."]
    report.write("comparison", rows, notes)
    return 0


@contextmanager
def ours(kind: str, parties: int, counts: int) -> Iterator[Callable[[], object]]:
    ports = [str(port) for port in free_ports(parties)]
    commands = [
        [sys.executable, "-m", "benchmarks.mpc._comparison_party", kind, str(rank), str(counts), str(THRESHOLD), *ports]
        for rank in range(parties)
    ]
    with processes(commands) as once:
        yield once


@contextmanager
def theirs(protocol: str, parties: int, counts: int) -> Iterator[Callable[[], object]]:
    script = HERE / "peers" / "comparison_spu.py"
    with processes([[str(SPU), str(script), protocol, str(parties), str(counts), str(THRESHOLD)]]) as once:
        yield once


@contextmanager
def processes(commands: list[list[str]]) -> Iterator[Callable[[], object]]:
    """Processes that compute once per line of input and answer ``=True`` if the bits were right."""
    with ExitStack() as stack:
        started = [
            stack.enter_context(
                subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    text=True,
                    cwd=REPOSITORY,
                )
            )
            for command in commands
        ]

        def once() -> None:
            for process in started:
                assert process.stdin is not None
                process.stdin.write("\n")
                process.stdin.flush()
            for process in started:
                assert process.stdout is not None
                line = process.stdout.readline()
                while line and not line.startswith("="):
                    line = process.stdout.readline()
                assert line.strip() == "=True", f"{process.args!r} answered {line!r}"

        try:
            yield once
        finally:
            for process in started:
                if process.stdin is not None:
                    process.stdin.close()
            time.sleep(0.1)
            for process in started:
                process.terminate()


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


if __name__ == "__main__":
    sys.exit(main())
