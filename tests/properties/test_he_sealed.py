"""Sealed == plain, over random circuits, sizes, bounds and openings: parameters always come from the advisor."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mpc.drive import run
from mpc.integers import is_prime
from mpc.party import PartyName
from mpc.sealed import (
    Bench,
    ColumnSum,
    Dense,
    GroupSum,
    InnerProduct,
    JobKey,
    KeyHolder,
    KeyMaterial,
    KeyPolicy,
    Layer,
    Opening,
    PublicSealer,
    RowWeightedSum,
    Scoring,
    SealedColumn,
    VectorSum,
    WeightedSum,
    Worker,
    advise,
    circuit_digest,
    column_sum,
    combine,
    group_sum,
    inner_product,
    replay,
    row_weighted_sum,
    score,
    vector_sum,
    weighted_sum,
)

JOB, WORKER, HOLDER = bytes(16), PartyName("w"), PartyName("k")


def sealed_result(circuit: Any, columns: list[Any], compute: Any, public: bool, opening: Opening) -> Any:
    parameters = advise(circuit, public_key=public, opening=opening)
    key = JobKey(parameters, KeyPolicy(JOB, circuit))
    material = KeyMaterial.decode(key.material(public).encode(), JOB)
    sealer: Any = PublicSealer(material, circuit) if public else key
    sealed = [SealedColumn.decode(sealer.seal(i, c).encode(), parameters, JOB) for i, c in enumerate(columns)]
    bench = Bench(material, circuit)
    digest = circuit_digest(circuit, [column.digest for column in sealed])
    worker = Worker(WORKER, HOLDER, bench, compute(bench, bench.load_all(sealed)), digest)
    holder = KeyHolder(HOLDER, WORKER, key, digest, replay(Bench(material, circuit), sealed, compute), sample=2)
    run([worker, holder])
    assert worker.result is not None
    assert holder.result is not None
    return combine(parameters, circuit, worker.result, holder.result)


@given(st.data(), st.booleans(), st.sampled_from(list(Opening)), st.integers(1, 9000), st.integers(1, 40))
@settings(max_examples=40, deadline=None)
def test_exact_circuits(data: st.DataObject, public: bool, opening: Opening, rows: int, bits: int) -> None:
    bound = (1 << bits) - data.draw(st.integers(0, (1 << bits) - 1))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    number = data.draw(st.integers(1, 4))
    x = [rng.integers(-bound, bound + 1, rows) for _ in range(number)]
    for column in x:
        column[rng.integers(0, rows)] = data.draw(st.sampled_from([-bound, 0, bound]))
    big = [column.astype(object) for column in x]
    kind = data.draw(st.sampled_from(["vector", "column", "group", "weighted", "row-weighted", "inner"]))
    circuit: Any
    compute: Any
    expected: Any
    if kind == "vector":
        circuit, compute, expected = VectorSum(rows, number, bound), vector_sum, sum(big)
    elif kind == "column":
        x = x[:1]
        circuit, compute, expected = ColumnSum(rows, bound), lambda b, c: column_sum(b, c[0]), [big[0].sum()]
    elif kind == "group":
        x, groups = x[:1], min(rows, data.draw(st.integers(1, 4)))
        labels = rng.permutation(np.arange(rows) % groups)
        circuit, compute = GroupSum(rows, bound, groups), lambda b, c: group_sum(b, c[0], labels)
        expected = [big[0][labels == g].sum() for g in range(groups)]
    elif kind == "weighted":
        weights = data.draw(
            st.lists(st.integers(-999, 999), min_size=number, max_size=number).filter(any)  # all zero is refused
        )
        circuit = WeightedSum(rows, number, bound, sum(map(abs, weights)))
        compute = lambda b, c: weighted_sum(b, c, weights)  # noqa: E731
        expected = sum(w * column for w, column in zip(weights, big, strict=True))
    elif kind == "row-weighted":
        x, per_row = x[:1], rng.integers(-50, 51, rows)
        per_row[0] = 50
        circuit, compute = RowWeightedSum(rows, bound, 50), lambda b, c: row_weighted_sum(b, c[0], per_row)
        expected = [(big[0] * per_row).sum()]
    else:
        x = [x[0], rng.integers(0, 2, rows)]  # a masked sum under a sealed 0/1 column
        circuit, compute = InnerProduct(rows, bound, 1), lambda b, c: inner_product(b, *c)
        expected = [(big[0] * x[1]).sum()]
    assert sealed_result(circuit, x, compute, public, opening).tolist() == list(expected)


@given(st.data(), st.integers(1, 3000), st.integers(1, 5), st.integers(1, 3), st.sampled_from([0.1, 0.02]))
@settings(max_examples=12, deadline=None)
def test_scores_stay_within_the_promised_error(
    data: st.DataObject, rows: int, inputs: int, units: int, error: float
) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    polynomial = data.draw(st.sampled_from([(), (0.0, 0.0, 1.0), (0.5, 0.2), (0.1, -0.5, 0.25)]))
    x = [rng.uniform(-1, 1, rows) for _ in range(inputs)]
    w1, b1 = rng.uniform(0.1, 0.5, (units, inputs)), rng.uniform(-1, 1, units)
    w2, b2 = rng.uniform(-0.5, -0.1, (1, units)), rng.uniform(-1, 1, 1)
    hidden = np.stack(x, 1) @ w1.T + b1
    layers: tuple[Layer, ...] = (Layer(inputs, units, 2.5, 1.0),)
    model = [Dense(w1, b1)]
    expected = hidden.T.reshape(-1)
    if polynomial:
        layers = (Layer(inputs, units, 2.5, 1.0, polynomial), Layer(units, 1, 1.5, 1.0))
        model = [Dense(w1, b1), Dense(w2, b2)]
        expected = (sum(c * hidden**i for i, c in enumerate(polynomial)) @ w2.T + b2)[:, 0]
    circuit = Scoring(rows, 1.0, layers, error)
    opened = sealed_result(circuit, x, lambda b, c: score(b, c, model), False, Opening.MODULAR)
    assert np.abs(opened - expected).max() <= error


@given(st.integers(0, 5000))
def test_small_primes(number: int) -> None:
    assert is_prime(number) == (number > 1 and all(number % d for d in range(2, int(number**0.5) + 1)))
