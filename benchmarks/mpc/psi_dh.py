"""DH-based PSI cardinality, sums over the intersection, union cardinality and OPRF, against openmined.psi cardinality.

Run: ``python -m benchmarks.mpc.psi_dh [--items 100000] [--rounds 3] [--paillier-items 5000]``. All parties are in one
process with two threads, lists in memory to the number out; openmined.psi likewise, in an environment of its own:
    python3.11 -m venv .env-peers/openmined-psi && .env-peers/openmined-psi/bin/pip install openmined.psi==2.0.6
"""

from __future__ import annotations

import argparse
import secrets
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import report
from mpc.drive import run
from mpc.oprf.keys import Mode, generate_key
from mpc.oprf.modes import blind, evaluate, finalize
from mpc.paillier import EncryptionPool, Encryptor, generate_keypair
from mpc.party import PartyName
from mpc.psi_dh.cardinality import Receiver, Sender
from mpc.psi_dh.curve25519 import Scalar, encode, multiply
from mpc.psi_dh.elgamal import ElGamalEvaluator, ElGamalKeyHolder
from mpc.psi_dh.join import PartyOne, PartyTwo
from mpc.psi_dh.paillier_scheme import PaillierEvaluator, PaillierKeyHolder, fixed_base
from mpc.union_cardinality.ring import Counter, Member

REPOSITORY = Path(__file__).resolve().parent.parent.parent
PEER = REPOSITORY / ".env-peers" / "openmined-psi" / "bin" / "python"
PEER_NAME = "openmined.psi 2.0.6 cardinality (ECDH, raw data structure)"
A, B = PartyName("a"), PartyName("b")
VALUE_BITS = 20


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--paillier-items", type=int, default=5_000)
    options = parser.parse_args(argv)
    with ThreadPoolExecutor(2) as pool:
        rows = against_openmined(options.items, options.rounds, pool)
        rows += alone(options.items, options.paillier_items, pool)
    report.write("psi_dh", rows, ["Half of the items are shared. Two threads; the peer uses what threads it likes."])
    return 0


def against_openmined(items: int, rounds: int, pool: Executor) -> list[dict[str, Any]]:
    left, right = sets(items)
    works: dict[str, Callable[[], object]] = {
        "cardinality": lambda: cardinality(left, right, pool),
        "sum": lambda: elgamal_sum(left, right, pool),
    }
    with ExitStack() as stack:
        if PEER.exists():
            works["peer"] = stack.enter_context(peer(items))
        else:
            sys.stderr.write(f"SKIPPED {PEER_NAME}: no {PEER.relative_to(REPOSITORY)} (see this script's docstring)\n")
        times = report.alternate(works, rounds)
    rows = []
    for name, work in (
        ("cardinality", f"PSI cardinality {items:,} x {items:,}, one process, two threads"),
        ("sum", f"PSI-sum {items:,} x {items:,}, signed {VALUE_BITS}-bit values, lifted ElGamal, two threads"),
    ):
        ours = statistics.median(times[name])
        if "peer" not in times:
            rows.append(report.row(work, ours, "s"))
            continue
        ratio = report.median_ratio(times["peer"], times[name])
        rows.append(report.row(work, ours, "s", PEER_NAME, statistics.median(times["peer"]), ratio, 4))
    return rows


def alone(items: int, paillier_items: int, pool: Executor) -> list[dict[str, Any]]:
    """Figures without a peer: union, sums on Paillier, and rates of the primitives on one core."""
    left, right = sets(items)
    rows = [
        report.row(f"union cardinality, 3 parties x {items:,}, two threads", seconds(lambda: union(items, pool)), "s"),
        report.row(
            f"PSI-sum {paillier_items:,} x {paillier_items:,}, Paillier of 3072 bits, fixed base, two processes",
            seconds(lambda: paillier_sum(paillier_items, pool)),
            "s",
        ),
    ]
    scalar, points = Scalar(secrets.token_bytes), encode(left, b"bench")
    rows.append(report.row("X25519 in batches, one core", items / seconds(lambda: multiply(points, scalar)), "1/s"))
    rows.append(report.row("hash to Curve25519, one core", items / seconds(lambda: encode(right, b"b")), "1/s"))
    key, batch = generate_key(secrets.token_bytes), left[:5000]
    for mode in (Mode.OPRF, Mode.VOPRF):
        whole = seconds(lambda mode=mode: oprf(mode, key, batch))  # type: ignore[misc]
        rows.append(report.row(f"{mode.name}: client and server, one core", len(batch) / whole, "outputs/s"))
    return rows


def sets(items: int) -> tuple[list[bytes], list[bytes]]:
    half = items // 2
    return [b"user%d" % i for i in range(items)], [b"user%d" % i for i in range(half, half + items)]


def cardinality(left: list[bytes], right: list[bytes], pool: Executor) -> None:
    session = secrets.token_bytes(16)
    receiver = Receiver(A, B, session, left, secrets.token_bytes, pool)
    run([receiver, Sender(B, A, session, right, 10, len(left), secrets.token_bytes, pool)])
    assert receiver.result == len(left) - len(left) // 2


def union(items: int, pool: Executor) -> None:
    session, names = secrets.token_bytes(16), [PartyName(f"m{i}") for i in range(3)]
    counter = Counter(PartyName("hub"), names, session)
    members = [
        Member(
            name,
            names,
            counter.name,
            session,
            [b"u%d" % n for n in range(i * 10, i * 10 + items)],
            secrets.token_bytes,
            pool,
        )
        for i, name in enumerate(names)
    ]
    run([*members, counter])
    assert counter.result == items + 20


def elgamal_sum(left: list[bytes], right: list[bytes], pool: Executor) -> None:
    session, most = secrets.token_bytes(16), (1 << VALUE_BITS) - 1
    values = np.random.default_rng(len(right)).integers(-most, most, (len(right), 1), endpoint=True)
    keys = ElGamalKeyHolder(1, VALUE_BITS, len(right), secrets.token_bytes, signed=True, executor=pool)
    evaluator = partial(ElGamalEvaluator, executor=pool)
    one = PartyOne(A, B, session, [left], evaluator, 1, secrets.token_bytes, pool)
    two = PartyTwo(B, A, session, right, values, keys, 1, secrets.token_bytes, pool)
    run([one, two])
    assert two.result == ((int(values[: len(left) - len(left) // 2].sum()),),)


def paillier_sum(items: int, pool: Executor) -> None:
    left, right = sets(items)
    session, private = secrets.token_bytes(16), generate_keypair()
    encryptor = Encryptor(private.public)
    with EncryptionPool(encryptor, 2) as processes:
        encrypt = fixed_base(encryptor, secrets.token_bytes, processes.blind)
        keys = PaillierKeyHolder(private.phe(), 1, 40, items, secrets.token_bytes, encrypt)
        one = PartyOne(A, B, session, [left], PaillierEvaluator, 1, secrets.token_bytes, pool)
        two = PartyTwo(B, A, session, right, np.ones((items, 1), np.int64), keys, 1, secrets.token_bytes, pool)
        run([one, two])
    assert two.result == ((items - items // 2,),)


def oprf(mode: Mode, key: Any, batch: list[bytes]) -> None:
    blinded = blind(batch, mode, secrets.token_bytes)
    evaluated, proof = evaluate(blinded.elements, key, mode, secrets.token_bytes)
    finalize(blinded, evaluated, proof, key.public, mode)


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


@contextmanager
def peer(items: int) -> Iterator[Callable[[], object]]:
    """A process that computes once per line of input and answers with a line that starts with '='."""
    script = Path(__file__).resolve().parent / "peers" / "psi_dh_openmined.py"
    with subprocess.Popen(
        [str(PEER), str(script), str(items)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        stdin, stdout = process.stdin, process.stdout

        def once() -> None:
            stdin.write("\n")
            stdin.flush()
            answer = stdout.readline().strip()
            assert answer == f"={items - items // 2}", answer

        yield once
        stdin.close()


if __name__ == "__main__":
    sys.exit(main())
