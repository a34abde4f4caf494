"""Two-party set intersection of a million rows each: both parties on this machine, against spu and openmined.psi.

Run: ``python -m benchmarks.mpc.psi [--items 1000000] [--three-items 1000000] [--openmined-items 100000 ...]``.
Above 100,000 items openmined.psi runs once: a million take it about ten minutes.
Peers live in environments of their own; a row whose environment is missing is skipped loudly:
    python3.11 -m venv .env-peers/spu && .env-peers/spu/bin/pip install spu==0.9.5
    python3.11 -m venv .env-peers/openmined-psi && .env-peers/openmined-psi/bin/pip install openmined.psi==2.0.6

Against spu: two processes joined by loopback TCP on both sides, each reading its CSV file and the receiver writing the
matching rows, after one warm-up (which compiles or loads our code). Against openmined.psi: lists in one process.
"""

from __future__ import annotations

import argparse
import resource
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks import report
from mpc.drive import run
from mpc.party import PartyName
from mpc.psi.kkrt import Receiver, Sender
from mpc.psi.multi import Leader, Member

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
PEERS = REPOSITORY / ".env-peers"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--openmined-items", type=int, nargs="+", default=[100_000])
    parser.add_argument("--openmined-rounds", type=int, default=3)
    parser.add_argument("--three-items", type=int, default=1_000_000)
    parser.add_argument("--three-rounds", type=int, default=3)
    options = parser.parse_args(argv)
    rows, notes = against_spu(options.items, options.rounds)
    report.write("psi", rows + of_three(options.three_items, options.three_rounds), notes)
    for items in options.openmined_items:
        rounds = options.openmined_rounds if items <= 100_000 else 1
        name = "psi-openmined" if items == options.openmined_items[0] else f"psi-openmined-{items}"
        report.write(name, against_openmined(items, rounds), ["Rounds: " + str(rounds) + "; ECDH over P-256."])
    return 0


def against_spu(items: int, rounds: int) -> tuple[list[dict[str, Any]], list[str]]:
    python = PEERS / "spu" / "bin" / "python"
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        files = write_inputs(folder, items)
        ours = [sys.executable, "-m", "benchmarks.mpc._psi_party"]
        works = {"ours": stack.enter_context(party_processes(ours, files))}
        if python.exists():
            for protocol in ("KKRT", "RR22"):
                command = [str(python), str(HERE / "peers" / "psi_spu.py"), protocol]
                works[protocol] = stack.enter_context(party_processes(command, files, folder))
        else:
            sys.stdout.write("SKIPPED: the rows against spu; see the head of this script for its environment\n")
        replies: dict[str, list[str]] = {}

        def once(name: str) -> None:
            replies[name] = works[name]()

        times = report.alternate({name: lambda name=name: once(name) for name in works}, rounds)
    own = statistics.median(times["ours"])
    work = f"PSI {items:,} x {items:,}, two processes on loopback, CSV to CSV"
    rows = [report.row(work, own, "s")]
    for name, least in (("KKRT", 1.0), ("RR22", 1 / 1.5)):
        if name in times:
            ratio, peer = report.median_ratio(times[name], times["ours"]), statistics.median(times[name])
            rows.append(report.row(work, own, "s", f"spu 0.9.5 {name}", peer, ratio, round(least, 3)))
            check_matches(items, [int(reply.split()[0]) for reply in replies[name]])
    # a party answers: matches (receiver only, else 0), bytes sent, peak resident memory in bytes
    receiver, sender = ([int(field) for field in reply.split()] for reply in replies["ours"])
    check_matches(items, [receiver[0]])
    rows.append(report.row(f"{work}: sent by the receiver", receiver[1] / 1e6, "MB"))
    rows.append(report.row(f"{work}: sent by the sender", sender[1] / 1e6, "MB"))
    rows.append(report.row(f"{work}: peak memory of the receiver's process", receiver[2] / 2**20, "MiB"))
    rows.append(report.row(f"{work}: peak memory of the sender's process", sender[2] / 2**20, "MiB"))
    return rows, [
        "Half of the rows match. Ours: semi-honest KKRT, base transfers included. spu: keys_unique and"
        " disable_alignment set, its fastest options; its own input hash check cannot be switched off from Python.",
        "Three parties: spu's KKRT_NPC, tried with the same worker, never ended with three processes on loopback.",
        "Loopback costs nothing per byte: on a slow network the bytes sent decide, and RR22 is built to send fewer.",
    ]


def against_openmined(items: int, rounds: int) -> list[dict[str, Any]]:
    work = f"PSI {items:,} x {items:,}, one process, lists in memory"
    x, y = inputs(items)
    sender, receiver = PartyName("sender"), PartyName("receiver")

    def ours() -> None:
        session = secrets.token_bytes(16)
        parties = Sender(sender, receiver, session, x), Receiver(receiver, sender, session, y)
        run(parties)
        check_matches(items, [int(parties[1].result.sum())])

    python = PEERS / "openmined-psi" / "bin" / "python"
    if not python.exists():
        sys.stdout.write("SKIPPED: the row against openmined.psi; see the head of this script for its environment\n")
        times = report.alternate({"ours": ours}, rounds)
        return [report.row(work, statistics.median(times["ours"]), "s")]
    worker = start([str(python), str(HERE / "peers" / "psi_openmined.py"), str(items)])
    ours()
    own, peers = [], []
    for _ in range(rounds):
        own.append(timed(ours))
        ask(worker)
        peers.append(timed(lambda: check_matches(items, [int(answer(worker))])))
    stop(worker)
    ratio = report.median_ratio(peers, own)
    name, unit = "openmined.psi 2.0.6 (ECDH, raw data structure)", "s"
    return [report.row(work, statistics.median(own), unit, name, statistics.median(peers), ratio, 60.0)]


def of_three(items: int, rounds: int) -> list[dict[str, Any]]:
    """Three parties; each holds all but a tenth of the next one's items."""
    work = f"PSI of three parties, {items:,} items each"
    sets = [[b"user%d" % i for i in range(number * items // 10, number * items // 10 + items)] for number in range(3)]
    leader_name, names = PartyName("leader"), [PartyName("second"), PartyName("third")]
    sent = 0

    def ours() -> None:
        nonlocal sent
        session = secrets.token_bytes(16)
        leader = Leader(leader_name, names, session, sets[0])
        members = [Member(name, leader_name, names, session, held) for name, held in zip(names, sets[1:], strict=True)]
        sent = run([leader, *members])
        if int(leader.result.sum()) != items - 2 * items // 10:
            raise SystemExit("a wrong number of matches")

    times = report.alternate({"ours": ours}, rounds)["ours"]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    return [
        report.row(f"{work}, one process, lists in memory", statistics.median(times), "s"),
        report.row(f"{work}: sent by all", sent / 1e6, "MB"),
        report.row(f"{work}: peak memory of the one process", peak, "MiB"),
    ]


def inputs(items: int) -> tuple[list[bytes], list[bytes]]:
    half = items // 2
    return [b"user%d" % i for i in range(half, half + items)], [b"user%d" % i for i in range(items)]


def check_matches(items: int, counts: list[int]) -> None:
    if items - items // 2 not in counts:
        raise SystemExit("a party found a wrong number of matches: the times would mean nothing")


def write_inputs(folder: Path, items: int) -> tuple[Path, Path]:
    """Return the files of the receiver and of the sender."""
    paths = folder / "receiver.csv", folder / "sender.csv"
    for path, names in zip(paths, reversed(inputs(items)), strict=True):
        path.write_bytes(b"id\n" + b"\n".join(names) + b"\n")
    return paths


@contextmanager
def party_processes(
    command: list[str], files: Sequence[Path], folder: Path | None = None
) -> Iterator[Callable[[], list[str]]]:
    """Start a process per file, the first being the receiver; yield a function that runs all once and their replies."""
    ports = [str(port) for port in free_ports(len(files))]
    workers = [
        start([*command, str(rank), str(path), str(path.with_name(f"out{rank}-{ports[0]}.csv")), *ports], folder)
        for rank, path in enumerate(files)
    ]

    def once() -> list[str]:
        for worker in workers:
            ask(worker)
        return [answer(worker) for worker in workers]

    try:
        yield once
    finally:
        for worker in workers:
            stop(worker)


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        listeners = [stack.enter_context(socket.socket()) for _ in range(count)]
        for listener in listeners:
            listener.bind(("127.0.0.1", 0))
        return [int(listener.getsockname()[1]) for listener in listeners]


def start(command: list[str], folder: Path | None = None) -> subprocess.Popen[str]:
    """A worker reads a line, runs once, and answers with one line that begins with ``=``."""
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True, cwd=folder or REPOSITORY
    )


def ask(worker: subprocess.Popen[str]) -> None:
    assert worker.stdin is not None
    worker.stdin.write("go\n")
    worker.stdin.flush()


def answer(worker: subprocess.Popen[str]) -> str:
    assert worker.stdout is not None
    for line in worker.stdout:
        if line.startswith("="):
            return line[1:].strip()
    raise SystemExit("a worker ended without an answer: run its script by hand to see why")


def stop(worker: subprocess.Popen[str]) -> None:
    worker.terminate()
    worker.wait()


def timed(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


if __name__ == "__main__":
    sys.exit(main())
