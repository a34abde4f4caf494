"""The advisor: smallest safe parameters, checked against SEAL's own noise, and refusals that name what is needed."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from tenseal import sealapi

from mpc.errors import BadParameters, DepthExceeded, OutOfRange
from mpc.sealed import (
    Bench,
    ColumnSum,
    GroupSum,
    InnerProduct,
    JobKey,
    KeyPolicy,
    Layer,
    Opening,
    RealInnerProduct,
    RowWeightedSum,
    Scheme,
    Scoring,
    VectorSum,
    WeightedSum,
    advise,
    column_sum,
    group_sum,
    inner_product,
    row_weighted_sum,
    vector_sum,
    weighted_sum,
)
from mpc.sealed.advisor import _candidates, check_fits, noise_deviation
from mpc.sealed.parameters import Parameters
from mpc.sealed.security import MAX_MODULUS_BITS, TAIL, check_security

NET = (Layer(4, 3, 2.0, 1.0, (0.0, 0.0, 1.0)), Layer(3, 1, 2.0, 1.0))


def test_the_table_is_that_of_the_current_guidelines_and_stricter_than_seals() -> None:
    assert MAX_MODULUS_BITS == {1024: 26, 2048: 53, 4096: 106, 8192: 214, 16384: 430, 32768: 868}
    for degree, bits in MAX_MODULUS_BITS.items():
        assert sealapi.CoeffModulus.MaxBitCount(degree, sealapi.SEC_LEVEL_TYPE.TC128) > bits


@pytest.mark.parametrize("opening", list(Opening))
@pytest.mark.parametrize("public", [False, True])
@pytest.mark.parametrize(
    "circuit",
    [
        VectorSum(10**6, 3, 1 << 20),
        VectorSum(5, 1000, 1 << 61),
        ColumnSum(10**7, 10**9),
        GroupSum(10**5, 10**6, 30),
        WeightedSum(1000, 20, 10**6, 10**4),
        RowWeightedSum(10**5, 10**4, 10**3),
        InnerProduct(10**6, 10**6, 10**6),
    ],
)
def test_exact_parameters_are_safe_and_wide_enough(circuit: VectorSum, public: bool, opening: Opening) -> None:
    found = advise(circuit, public_key=public, opening=opening)
    assert sum(found.chain) <= MAX_MODULUS_BITS[found.degree]
    assert found.scheme is Scheme.BFV
    assert found.rotations == ()
    assert not found.relinearise


def test_integer_openings_leave_room_for_the_mask() -> None:
    circuit = ColumnSum(1000, 1 << 20)
    found = advise(circuit, opening=Opening.INTEGER, statistical_bits=50)
    assert found.modulus >> 51 >= 1000 << 20


def measured_noise_bits(circuit: object, compute: object, columns: int) -> tuple[float, float]:
    found = advise(circuit)  # type: ignore[arg-type]
    key = JobKey(found, KeyPolicy(bytes(16), circuit))  # type: ignore[arg-type]
    bench = Bench(key.material(), circuit)  # type: ignore[arg-type]
    rng = np.random.default_rng(1)
    sealed = [
        key.seal(i, rng.integers(-circuit.bound, circuit.bound + 1, circuit.rows))  # type: ignore[attr-defined]
        for i in range(columns)
    ]
    result = compute(bench, bench.load_all(sealed))  # type: ignore[operator]
    budget = key._openers[0].invariant_noise_budget(result.blocks[0][0])
    data = found.data_bits - len(found.chain[:-1] or found.chain) * 0.01
    used = data - 1 - math.log2(found.plain[0]) - budget
    predicted = math.log2(TAIL * noise_deviation(circuit, found.degree, found.plain[0].bit_length(), False))  # type: ignore[arg-type]
    assert budget >= 1
    return used, predicted


ROWS = 20_000
EXACT = [
    (VectorSum(ROWS, 8, 1000), vector_sum, 8),
    (ColumnSum(ROWS, 1000), lambda b, c: column_sum(b, c[0]), 1),
    (GroupSum(ROWS, 1000, 2), lambda b, c: group_sum(b, c[0], np.arange(ROWS) % 2), 1),
    (WeightedSum(ROWS, 2, 1000, 300), lambda b, c: weighted_sum(b, c, [-150, 150]), 2),
    (RowWeightedSum(ROWS, 1000, 99), lambda b, c: row_weighted_sum(b, c[0], np.arange(ROWS) % 199 - 99), 1),
    (InnerProduct(ROWS, 1000, 1000), lambda b, c: inner_product(b, *c), 2),
]


@pytest.mark.parametrize(("circuit", "compute", "columns"), EXACT, ids=[type(e[0]).__name__ for e in EXACT])
def test_seals_noise_stays_below_the_prediction_and_not_far_below(
    circuit: object, compute: object, columns: int
) -> None:
    used, predicted = measured_noise_bits(circuit, compute, columns)
    assert used <= predicted + 1.5  # SEAL reports whole bits
    assert used >= predicted - 9  # else the advisor wastes bytes


def test_smaller_than_the_usual_defaults() -> None:
    found = advise(VectorSum(10**6, 3, 1 << 20))
    assert found.degree == 2048
    assert found.data_bits / 8 < 4.5  # bytes a value, seeded; the tutorials' chain takes 80


def test_depth_and_keys_follow_the_model() -> None:
    linear = advise(Scoring(100, 1.0, (Layer(4, 1, 2.0, 1.0),), 1e-2))
    square = advise(Scoring(100, 1.0, NET, 1e-2))
    assert not linear.relinearise
    assert square.relinearise
    assert linear.rotations == square.rotations == ()
    assert sum(square.chain) > sum(linear.chain)
    folded = advise(RealInnerProduct(100, 1.0, 1.0, 1e-2))
    assert folded.rotations == tuple(1 << i for i in range(folded.slots.bit_length() - 1))


def test_refusals_say_what_is_needed() -> None:
    deep = (*tuple(Layer(4, 4, 1.0, 0.1, (*(0.0,) * 7, 0.5)) for _ in range(7)), Layer(4, 1, 1.0, 0.1))
    with pytest.raises(DepthExceeded, match="too deep"):
        advise(Scoring(100, 1.0, deep, 1e-2))
    with pytest.raises(DepthExceeded, match=r"an error of .* would do"):
        advise(Scoring(10**6, 1.0, NET, 2e-3), public_key=True)
    with pytest.raises(BadParameters, match=r"need .* bits; a double keeps"):
        advise(Scoring(100, 1.0, NET, 1e-9))
    with pytest.raises(OutOfRange, match="120 bits"):
        advise(InnerProduct(10**8, 1 << 60, 1 << 60))
    with pytest.raises(BadParameters, match="statistical_bits"):
        advise(ColumnSum(10, 10), statistical_bits=39)
    with pytest.raises(BadParameters, match="30 to 64"):
        advise(Scoring(100, 1.0, NET, 1e-2), statistical_bits=29)


def test_a_worker_refuses_masks_that_hide_less_than_promised() -> None:
    """It used to be content with 20 bits, where 40 (30 for reals) are promised."""
    circuit = ColumnSum(1000, 1 << 20)
    check_fits(advise(circuit, opening=Opening.INTEGER), circuit)
    weak = next(_candidates(circuit, False, Opening.INTEGER, 34))
    with pytest.raises(BadParameters, match="behind its mask"):
        check_fits(weak, circuit)
    scores = Scoring(100, 1.0, NET, 1e-2)
    real = advise(scores)
    check_fits(real, scores)
    with pytest.raises(BadParameters, match="behind its mask"):
        check_fits(replace(real, mask_bits=real.mask_bits - 3), scores)


def test_the_error_named_in_a_refusal_does_work() -> None:
    wish = Scoring(10**6, 1.0, NET, 2e-3)
    with pytest.raises(DepthExceeded) as refusal:
        advise(wish, public_key=True)
    named = float(str(refusal.value).split("an error of ")[1].split(" ")[0])
    assert advise(Scoring(10**6, 1.0, NET, named * 1.001), public_key=True).scheme is Scheme.CKKS


@pytest.mark.parametrize(
    "circuit",
    [
        VectorSum(0, 1, 1),
        VectorSum(10, 0, 1),
        ColumnSum(10, -1),
        ColumnSum(10, 1.5),  # type: ignore[arg-type]
        RealInnerProduct(10, math.inf, 1.0, 1.0),
        RealInnerProduct(10, 1.0, 1.0, math.nan),
        Scoring(10, 1.0, (), 0.1),
        Scoring(10, 1.0, (Layer(2, 3, 1.0, 1.0), Layer(4, 1, 1.0, 1.0)), 0.1),
        Scoring(10, 1.0, (Layer(2, 1, 1.0, 1.0, (0.0, 1.0)),), 0.1),
        Scoring(10, 1.0, (Layer(2, 1, math.nan, 1.0),), 0.1),
    ],
)
def test_circuits_that_make_no_sense(circuit: VectorSum) -> None:
    with pytest.raises(BadParameters):
        advise(circuit)


def test_unsafe_or_silly_parameters_cannot_be_built() -> None:
    with pytest.raises(BadParameters, match="unsafe"):
        Parameters(Scheme.BFV, 2048, (55,), plain=(8380417,))
    with pytest.raises(BadParameters, match="1 modulo"):
        Parameters(Scheme.BFV, 2048, (40,), plain=(8380418,))
    with pytest.raises(BadParameters, match="never released without noise"):
        Parameters(Scheme.CKKS, 8192, (60, 60, 30), Opening.INTEGER, (), 40, 20, 10, 40, 0.0)
    with pytest.raises(BadParameters, match="ring degree"):
        check_security(3000, (20,))
