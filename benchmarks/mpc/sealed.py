"""Sealed columns: sum of 3 x 1e6 values and linear scoring, against TenSEAL used as its tutorials do.

Run: ``python -m benchmarks.mpc.sealed``. The naive peer takes the tutorials' chain (8192, [60, 40, 40, 60], CKKS) or
the default chain (BFV), one context per vector sent along, and no masks. Ours includes masks, the re-evaluation of a
block by the key-holder, range checks and the rounding of shares. All times run end to end: plain column to plain
result, with bytes on both ways.
"""

from __future__ import annotations

import contextlib
import io
import secrets
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import tenseal as ts

from benchmarks.report import median_ratio, row, write
from mpc.drive import run
from mpc.party import PartyName
from mpc.sealed import (
    Bench,
    Dense,
    JobKey,
    KeyHolder,
    KeyMaterial,
    KeyPolicy,
    Layer,
    PublicSealer,
    Scoring,
    SealedColumn,
    VectorSum,
    Worker,
    advise,
    circuit_digest,
    combine,
    replay,
    score,
    vector_sum,
)

ROWS, PARTIES, BOUND, ROUNDS = 1_000_000, 3, 1 << 20, 5
SCORED, FEATURES = 100_000, 10
WORKER, HOLDER = PartyName("worker"), PartyName("key-holder")
CHAIN = [60, 40, 40, 60]


def ours(circuit: Any, columns: list[Any], compute: Callable[..., Any], public: bool) -> tuple[Any, int]:
    """Result, and bytes of one party's upload."""
    job = secrets.token_bytes(16)
    parameters = advise(circuit, public_key=public)
    key = JobKey(parameters, KeyPolicy(job, circuit))
    material = KeyMaterial.decode(key.material(public).encode(), job)
    if public:
        sent = [PublicSealer(material, circuit).seal(i, column).encode() for i, column in enumerate(columns)]
    else:
        sent = [key.seal(i, column).encode() for i, column in enumerate(columns)]
    sealed = [SealedColumn.decode(message, parameters, job) for message in sent]
    bench = Bench(material, circuit)
    result = compute(bench, bench.load_all(sealed))
    digest = circuit_digest(circuit, [column.digest for column in sealed])
    # the key-holder re-evaluates one block of its own copies; evaluation is deterministic
    worker = Worker(WORKER, HOLDER, bench, result, digest)
    holder = KeyHolder(HOLDER, WORKER, key, digest, replay(Bench(material, circuit), sealed, compute))
    run([worker, holder])
    return combine(parameters, circuit, worker.result, holder.result), len(sent[0])


def naive_ckks(columns: list[Any]) -> tuple[Any, int]:
    context = ts.context(ts.SCHEME_TYPE.CKKS, 8192, coeff_mod_bit_sizes=CHAIN)
    context.global_scale = 2.0**40
    return _naive(context, columns, ts.ckks_vector, ts.ckks_vector_from)


def naive_bfv(columns: list[Any]) -> tuple[Any, int]:
    context = ts.context(ts.SCHEME_TYPE.BFV, 4096, 8380417)
    return _naive(context, columns, ts.bfv_vector, ts.bfv_vector_from)


def _naive(context: Any, columns: list[Any], seal: Any, load: Any) -> tuple[Any, int]:
    public = context.serialize(save_secret_key=False)
    sent = []
    for column in columns:  # each party has its own context and sends it with its vector
        own = ts.context_from(public)
        sent.append((public, seal(own, column.tolist()).serialize()))
    loaded = [load(ts.context_from(its_context), vector) for its_context, vector in sent]
    total = loaded[0]
    for vector in loaded[1:]:
        total = total + vector
    back = load(context, total.serialize())
    return np.array(back.decrypt()), sum(map(len, sent[0]))


def naive_scoring(columns: list[Any], weights: Any, bias: float) -> tuple[Any, int]:
    context = ts.context(ts.SCHEME_TYPE.CKKS, 8192, coeff_mod_bit_sizes=CHAIN)
    context.global_scale = 2.0**40
    sent = [ts.ckks_vector(context, column.tolist()).serialize() for column in columns]
    public = ts.context_from(context.serialize(save_secret_key=False))
    loaded = [ts.ckks_vector_from(public, message) for message in sent]
    total = loaded[0] * float(weights[0])
    for vector, weight in zip(loaded[1:], weights[1:], strict=True):
        total += vector * float(weight)
    total += bias
    return np.array(ts.ckks_vector_from(context, total.serialize()).decrypt()), len(sent[0])


def measure(works: dict[str, Callable[[], tuple[Any, int]]], expected: Any, error: float) -> tuple[Any, dict[str, int]]:
    """Seconds per round of each, alternating, every result checked; and bytes."""
    times: dict[str, list[float]] = {name: [] for name in works}
    sizes: dict[str, int] = {}
    for _ in range(ROUNDS):
        for name, work in works.items():
            with contextlib.redirect_stdout(io.StringIO()):  # TenSEAL warns on every vector longer than one ciphertext
                start = time.perf_counter()
                result, sizes[name] = work()
                times[name].append(time.perf_counter() - start)
            assert np.abs(result - expected).max() <= error, name
    return times, sizes


def compare(work: str, times: Any, sizes: Any, mine: str, peer: str, label: str, target: float | None) -> list[Any]:
    middle = statistics.median(times[mine]), statistics.median(times[peer])
    ratio = median_ratio(times[peer], times[mine])
    share = sizes[peer] / sizes[mine]
    mega = sizes[mine] / 1e6, sizes[peer] / 1e6
    return [
        row(f"{work}, end to end", middle[0], "s", label, middle[1], ratio, target),
        row(f"{work}, one party's upload", mega[0], "MB", label, mega[1], share, target),
    ]


def main() -> None:
    rng = np.random.default_rng(3)
    columns = [rng.integers(-BOUND, BOUND + 1, ROWS) for _ in range(PARTIES)]
    circuit = VectorSum(ROWS, PARTIES, BOUND)
    times, sizes = measure(
        {
            "symmetric": lambda: ours(circuit, columns, vector_sum, False),
            "public": lambda: ours(circuit, columns, vector_sum, True),
            "ckks": lambda: naive_ckks(columns),
            "bfv": lambda: naive_bfv(columns),
        },
        sum(columns),
        0.5,
    )
    ckks, bfv = f"TenSEAL CKKS, 8192 {CHAIN}", "TenSEAL BFV, 4096, default chain"
    work = f"sealed sum of {PARTIES} x 1e6"
    rows = compare(f"{work}, owner's key", times, sizes, "symmetric", "ckks", ckks, 3)
    rows += compare(f"{work}, public key", times, sizes, "public", "ckks", ckks, 3)
    rows += compare(f"{work}, owner's key", times, sizes, "symmetric", "bfv", bfv, None)
    features = [rng.uniform(-1, 1, SCORED) for _ in range(FEATURES)]
    weights, bias = rng.uniform(-0.4, 0.4, FEATURES), 0.25
    model = Scoring(SCORED, 1.0, (Layer(FEATURES, 1, 4.0, 1.0),), 1e-3)
    dense = [Dense(weights[None, :], np.array([bias]))]
    times, sizes = measure(
        {
            "ours": lambda: ours(model, features, lambda b, c: score(b, c, dense), False),
            "peer": lambda: naive_scoring(features, weights, bias),
        },
        np.stack(features, 1) @ weights + bias,
        1e-3,
    )
    work = f"linear scores of 1e5 rows x {FEATURES} features within 1e-3"
    rows += compare(work, times, sizes, "ours", "peer", f"{ckks}, no mask and no release noise", None)
    sums, public, scored = advise(circuit), advise(circuit, public_key=True), advise(model)
    notes = [
        f"Chosen by the advisor: sum {sums.degree} {list(sums.chain)}, with a public key {public.degree} "
        f"{list(public.chain)}, scores {scored.degree} {list(scored.chain)} (room for masks and for the noise that "
        "hides the key: the peer releases exact decryptions, from which the key can be recovered).",
        "The peer generates no Galois keys here, which its tutorials do and which would cost it tens of megabytes.",
    ]
    write("sealed", rows, notes)


if __name__ == "__main__":
    main()
