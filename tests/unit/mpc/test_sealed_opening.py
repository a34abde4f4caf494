"""Sealed-open: shares add up to the result, one share tells nothing, only the permitted circuit is opened."""

from __future__ import annotations

import pickle
import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mpc.drive import run
from mpc.errors import (
    BadParameters,
    DuplicateMessage,
    IntegrityError,
    KeyPolicyViolation,
    MalformedMessage,
    OutOfRange,
    UnknownParty,
    WrongRound,
    WrongSession,
)
from mpc.party import PartyName
from mpc.sealed import (
    Bench,
    ColumnSum,
    Dense,
    GroupSum,
    InnerProduct,
    JobKey,
    KeyHolder,
    KeyPolicy,
    Layer,
    Opening,
    PublicSealer,
    RealInnerProduct,
    RowWeightedSum,
    Scoring,
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
from mpc.sealed.compute import Result
from mpc.sealed.messages import OpenRequest

JOB, WORKER, HOLDER = b"j" * 16, PartyName("worker"), PartyName("key-holder")


class Job:
    """One job set up to the point where the worker has its result."""

    def __init__(self, circuit: Any, columns: list[Any], compute: Callable[..., Result], **wish: Any) -> None:
        self.circuit, self.parameters = circuit, advise(circuit, **wish)
        self.key = JobKey(self.parameters, KeyPolicy(JOB, circuit))
        public = bool(wish.get("public_key"))
        self.material = self.key.material(public)
        sealer: Any = PublicSealer(self.material, circuit) if public else self.key
        self.sealed = [sealer.seal(i, column) for i, column in enumerate(columns)]
        self.bench = Bench(self.material, circuit)
        self.result = compute(self.bench, self.bench.load_all(self.sealed))
        # the key-holder re-evaluates with objects of its own
        self.replay = replay(Bench(self.material, circuit), self.sealed, compute)
        self.digest = circuit_digest(circuit, [column.digest for column in self.sealed])

    def worker(self, **change: Any) -> Worker:
        return Worker(WORKER, HOLDER, self.bench, change.pop("result", self.result), self.digest, **change)

    def holder(self, **change: Any) -> KeyHolder:
        permitted, again = change.pop("permitted", self.digest), change.pop("replay", self.replay)
        return KeyHolder(HOLDER, WORKER, self.key, permitted, again, **change)

    def open(self) -> Any:
        worker, holder = self.worker(), self.holder()
        run([worker, holder])
        assert worker.result is not None
        assert holder.result is not None
        return combine(self.parameters, self.circuit, worker.result, holder.result)


ROWS = 5000
RNG = np.random.default_rng(5)
X = [RNG.integers(-1000, 1001, ROWS) for _ in range(3)]
LABELS, WEIGHTS = RNG.integers(0, 3, ROWS), RNG.integers(-9, 10, ROWS)
EXACT: list[Any] = [
    (VectorSum(ROWS, 3, 1000), X, vector_sum, sum(X)),
    (ColumnSum(ROWS, 1000), X[:1], lambda b, c: column_sum(b, c[0]), [X[0].sum()]),
    (
        GroupSum(ROWS, 1000, 3),
        X[:1],
        lambda b, c: group_sum(b, c[0], LABELS),
        [X[0][g == LABELS].sum() for g in range(3)],
    ),
    (WeightedSum(ROWS, 3, 1000, 60), X, lambda b, c: weighted_sum(b, c, [-50, 0, 7]), -50 * X[0] + 7 * X[2]),
    (RowWeightedSum(ROWS, 1000, 9), X[:1], lambda b, c: row_weighted_sum(b, c[0], WEIGHTS), [X[0] @ WEIGHTS]),
    (InnerProduct(ROWS, 1000, 1000), X[:2], lambda b, c: inner_product(b, *c), [X[0] @ X[1]]),
]


@pytest.mark.parametrize(
    "wish", [{}, {"public_key": True}, {"opening": Opening.INTEGER}], ids=["modular", "public", "integer"]
)
@pytest.mark.parametrize(("circuit", "columns", "compute", "expected"), EXACT, ids=[type(e[0]).__name__ for e in EXACT])
def test_exact_circuits_open_to_the_plain_result(
    circuit: Any, columns: Any, compute: Any, expected: Any, wish: Any
) -> None:
    assert Job(circuit, columns, compute, **wish).open().tolist() == list(expected)


def test_results_far_beyond_64_bits_are_exact() -> None:
    big = [np.full(10, (1 << 50) - i, dtype=np.int64) for i in range(2)]
    opened = Job(InnerProduct(10, 1 << 50, 1 << 50), big, lambda b, c: inner_product(b, *c)).open()
    assert opened.tolist() == [10 * (1 << 50) * ((1 << 50) - 1)]


REALS = [RNG.uniform(-1, 1, ROWS) for _ in range(4)]
W1, B1 = RNG.uniform(-0.5, 0.5, (3, 4)), RNG.uniform(-1, 1, 3)
W2, B2 = RNG.uniform(-0.6, 0.6, (2, 3)), RNG.uniform(-1, 1, 2)
HIDDEN = np.stack(REALS, 1) @ W1.T + B1


@pytest.mark.parametrize(
    "polynomial", [(0.0, 0.0, 1.0), (0.5, 0.25, -0.125), (0.5, 0.197, 0.0, -0.004), (1.0, 1.0), (0.3, 0.5, 1.0)]
)
def test_a_network_scores_within_its_error(polynomial: tuple[float, ...]) -> None:
    circuit = Scoring(ROWS, 1.0, (Layer(4, 3, 2.0, 1.0, polynomial), Layer(3, 2, 2.0, 1.0)), 1e-2)
    model = [Dense(W1, B1), Dense(W2, B2)]
    opened = Job(circuit, REALS, lambda b, c: score(b, c, model)).open()
    active = sum(c * HIDDEN**i for i, c in enumerate(polynomial))
    assert np.abs(opened - (active @ W2.T + B2).T.reshape(-1)).max() <= circuit.error


@pytest.mark.parametrize("public", [False, True])
def test_linear_scores_and_real_inner_products(public: bool) -> None:
    circuit = Scoring(ROWS, 1.0, (Layer(4, 3, 2.0, 1.0),), 1e-3)
    opened = Job(circuit, REALS, lambda b, c: score(b, c, [Dense(W1, B1)]), public_key=public).open()
    assert np.abs(opened - HIDDEN.T.reshape(-1)).max() <= 1e-3
    product = RealInnerProduct(ROWS, 1.0, 1.0, 0.25)
    opened = Job(product, REALS[:2], lambda b, c: inner_product(b, *c), public_key=public).open()
    assert abs(opened[0] - REALS[0] @ REALS[1]) <= 0.25


def test_ckks_shares_lie_on_the_grid_and_noise_differs_each_time() -> None:
    circuit = Scoring(ROWS, 1.0, (Layer(4, 1, 2.0, 1.0),), 1e-2)
    job = Job(circuit, REALS, lambda b, c: score(b, c, [Dense(W1[:1], B1[:1])]))
    worker, holder = job.worker(), job.holder()
    run([worker, holder])
    assert holder.result is not None
    assert holder.result.dtype == np.int64
    exact = HIDDEN[:, 0] * 2.0**job.parameters.grid_bits
    off = combine(job.parameters, circuit, worker.result, holder.result) * 2.0**job.parameters.grid_bits - exact  # type: ignore[arg-type]
    assert off.std() > 0.25  # rounding alone gives 0.29 steps; without it the encryption noise would show through


def view(job: Job, randomness: Callable[[int], bytes]) -> np.ndarray:
    worker, holder = job.worker(randomness=randomness), job.holder()
    run([worker, holder])
    assert holder.result is not None
    return holder.result.astype(np.float64) / job.parameters.modulus


def chi_square(values: np.ndarray) -> float:
    counts = np.histogram(values, bins=16, range=(0, 1))[0]
    return float(((counts - values.size / 16) ** 2 / (values.size / 16)).sum())


def test_the_key_holders_view_does_not_depend_on_the_data() -> None:
    rows = 20_000
    circuit = VectorSum(rows, 1, 1000)
    for value in (-1000, 0, 777):
        job = Job(circuit, [np.full(rows, value)], vector_sum)
        assert chi_square(view(job, secrets.token_bytes)) < 52  # 15 degrees of freedom: exceeded once in 2e5 runs
    # control: a mask that is always zero shows the constant column
    assert chi_square(view(Job(circuit, [np.full(rows, 777)], vector_sum), bytes)) > 1000


def test_integer_and_ckks_masks_drown_the_data_too() -> None:
    rows = 20_000
    whole = VectorSum(rows, 1, 1000)
    for value in (-1000, 777):
        job = Job(whole, [np.full(rows, value)], vector_sum, opening=Opening.INTEGER)
        assert chi_square(view(job, secrets.token_bytes)) < 52
    model = Scoring(rows, 1.0, (Layer(1, 1, 1.0, 1.0),), 1e-2)
    dense = [Dense(np.array([[1.0]]), np.array([0.5]))]
    for number in (-1.0, 0.9):
        job = Job(model, [np.full(rows, number)], lambda b, c: score(b, c, dense))
        reach = 2.0 ** (job.parameters.mask_bits + 1)
        assert chi_square(view(job, secrets.token_bytes) / reach + 0.5) < 52
    # control: the constant mask that all-zero randomness gives
    job = Job(model, [np.full(rows, 0.9)], lambda b, c: score(b, c, dense))
    assert chi_square(view(job, bytes) / reach + 0.5) > 1000


def off_the_grid(number: float, randomness: Callable[[int], bytes]) -> float:
    """How well what the key-holder decrypts, before rounding, still tells the value modulo one step: 1 fully, 0 not."""
    rows = 2000
    model, dense = Scoring(rows, 1.0, (Layer(1, 1, 1.0, 1.0),), 1e-2), [Dense(np.array([[1.0]]), np.array([0.5]))]
    job = Job(model, [np.full(rows, number)], lambda b, c: score(b, c, dense))
    opened: list[np.ndarray] = []
    decrypt = job.key.decrypt

    def watched(limb: int, ciphertext: Any, slots: int) -> Any:
        opened.append(decrypt(limb, ciphertext, slots))
        return opened[-1]

    job.key.decrypt = watched  # type: ignore[method-assign]
    run([job.worker(randomness=randomness), job.holder()])
    steps = (np.concatenate(opened)[:rows] - number - 0.5) * 2.0**job.parameters.grid_bits
    return float(np.abs(np.exp(2j * np.pi * steps).mean()))


def test_the_key_holder_does_not_see_a_score_modulo_one_step_of_the_grid() -> None:
    for number in (0.1234, -0.777):
        assert off_the_grid(number, secrets.token_bytes) < 0.12  # exceeded once in 3e12 runs if uniform: exp(-n x^2)
    assert off_the_grid(0.1234, bytes) > 0.9  # control: a mask of whole steps, here always the same


def small() -> Job:
    return Job(ColumnSum(100, 50), [np.arange(100) - 50], lambda b, c: column_sum(b, c[0]))


def request(job: Job) -> bytes:
    return next(iter(job.worker().start())).message


def test_only_the_permitted_circuit_is_opened() -> None:
    job = small()
    holder = job.holder(permitted=bytes(32))
    with pytest.raises(KeyPolicyViolation, match="permitted"):
        holder.receive(WORKER, request(job))
    assert holder.result is None
    assert job.key.decryptions_left == 1


def test_a_key_opens_as_often_as_its_policy_says() -> None:
    job = small()
    job.holder().receive(WORKER, request(job))
    with pytest.raises(KeyPolicyViolation, match="a fresh key per job"):
        job.holder().receive(WORKER, request(job))
    circuit = RealInnerProduct(10, 1.0, 1.0, 0.1)
    with pytest.raises(KeyPolicyViolation, match="opens once"):
        JobKey(advise(circuit), KeyPolicy(JOB, circuit, openings=2))


def test_messages_out_of_place() -> None:
    job = small()
    worker, holder = job.worker(), job.holder()
    message = next(iter(worker.start())).message
    with pytest.raises(WrongRound, match="one mask"):
        list(worker.start())
    with pytest.raises(WrongRound):
        worker.receive(HOLDER, message)
    with pytest.raises(UnknownParty):
        holder.receive(PartyName("stranger"), message)
    foreign = replace(OpenRequest.decode(message, job.parameters), job=b"k" * 16).encode()
    with pytest.raises(WrongSession):
        holder.receive(WORKER, foreign)
    other_key = replace(OpenRequest.decode(message, job.parameters), key_id=bytes(16)).encode()
    with pytest.raises(MalformedMessage, match="another key"):
        holder.receive(WORKER, other_key)
    assert not list(holder.receive(WORKER, message))
    with pytest.raises(DuplicateMessage):
        holder.receive(WORKER, message)


def test_a_worker_that_returns_something_else_is_caught() -> None:
    two = Job(ColumnSum(5000, 50), [np.arange(5000) % 50], lambda b, c: column_sum(b, c[0]))
    first_block = Result(two.circuit, [[limb[0]] for limb in two.bench.load(two.sealed[0])])
    with pytest.raises(IntegrityError, match="another ciphertext"):
        two.holder().receive(WORKER, next(iter(two.worker(result=first_block).start())).message)
    assert two.key.decryptions_left == 1
    assert not list(two.holder().receive(WORKER, request(two)))  # control: the honest result passes


def test_the_audited_block_is_drawn_and_not_always_the_first() -> None:
    job = Job(VectorSum(ROWS, 2, 1000), X[:2], vector_sum)
    assert job.parameters.blocks(ROWS) > 1
    alone = job.bench.load(job.sealed[0])  # the second block of the first column, in place of the sum's
    bad = Result(job.circuit, [[*r[:1], c[1], *r[2:]] for r, c in zip(job.result.blocks, alone, strict=True)])
    message = next(iter(job.worker(result=bad).start())).message
    with pytest.raises(IntegrityError, match="another ciphertext"):
        job.holder(randomness=lambda size: b"\1" + bytes(size - 1)).receive(WORKER, message)
    assert not list(job.holder(randomness=bytes).receive(WORKER, message))  # control: a sample that misses it


def test_a_caught_worker_does_not_try_again_until_the_sample_misses() -> None:
    two = Job(ColumnSum(5000, 50), [np.arange(5000) % 50], lambda b, c: column_sum(b, c[0]))
    first_block = Result(two.circuit, [[limb[0]] for limb in two.bench.load(two.sealed[0])])
    holder = two.holder()
    with pytest.raises(IntegrityError, match="another ciphertext"):
        holder.receive(WORKER, next(iter(two.worker(result=first_block).start())).message)
    with pytest.raises(WrongRound, match="over"):
        holder.receive(WORKER, request(two))
    assert holder.result is None
    assert two.key.decryptions_left == 1


def test_a_worker_refuses_a_key_holders_parameters_whose_masks_do_not_hide() -> None:
    real = Scoring(100, 1.0, (Layer(1, 1, 2.0, 1.0),), 1e-2)
    good = JobKey(advise(real), KeyPolicy(JOB, real)).material()
    Bench(good, real)  # control
    with pytest.raises(BadParameters, match="behind its mask"):
        Bench(replace(good, parameters=replace(good.parameters, mask_bits=1)), real)
    for opening in Opening:
        whole = VectorSum(100, 3, 1000)
        fine = JobKey(advise(whole, opening=opening), KeyPolicy(JOB, whole)).material()
        Bench(fine, whole)
        with pytest.raises(BadParameters, match="behind its mask"):
            Bench(fine, VectorSum(100, 3, 1 << 60))
    with pytest.raises(BadParameters, match="behind its mask"):
        Bench(good, whole)


def test_a_scaled_ckks_ciphertext_is_refused() -> None:
    circuit = Scoring(100, 1.0, (Layer(1, 1, 2.0, 1.0),), 1e-2)
    job = Job(circuit, [np.linspace(-1, 1, 100)], lambda b, c: score(b, c, [Dense(np.array([[1.0]]), np.array([0.5]))]))
    block = job.result.blocks[0][0]
    block.scale = block.scale / 1024  # would stretch the key-dependent noise above the flood
    with pytest.raises(MalformedMessage, match="scale"):
        job.holder().receive(WORKER, request(job))


def test_exhausted_noise_is_an_error_and_never_a_number() -> None:
    job = small()
    ring, block = job.bench.context.rings[0], job.result.blocks[0][0]
    for _ in range(60):
        ring.evaluator.add_inplace(block, block)
    with pytest.raises(IntegrityError, match="exhausted"):
        job.holder(replay=lambda i: [block]).receive(WORKER, request(job))


def test_columns_of_other_jobs_keys_and_lengths_do_not_mix() -> None:
    one, two = small(), small()
    with pytest.raises(WrongSession, match="never mix"):
        one.bench.load(two.sealed[0])
    with pytest.raises(MalformedMessage, match="not a column"):
        one.bench.load(replace(one.sealed[0], index=1))
    with pytest.raises(BadParameters, match="once each"):
        one.bench.load_all([])


@pytest.mark.parametrize("bad", [np.array([51] * 100), np.array([-51] * 100)])
def test_values_beyond_the_bound_are_refused(bad: np.ndarray) -> None:
    with pytest.raises(OutOfRange, match="bound"):
        small().key.seal(0, bad)


def test_shapes_kinds_and_numbers_are_checked() -> None:
    job = small()
    for bad in (np.zeros(100), np.zeros(99, dtype=np.int64), np.zeros((10, 10), dtype=np.int64), np.array(["a"] * 100)):
        with pytest.raises(BadParameters):
            job.key.seal(0, bad)
    with pytest.raises(BadParameters, match="columns 0 to 0"):
        job.key.seal(1, np.zeros(100, dtype=np.int64))
    real = RealInnerProduct(2, 1.0, 1.0, 0.1)
    key = JobKey(advise(real), KeyPolicy(JOB, real))
    for values in ([np.nan, 0], [1.5, 0], [np.inf, 0]):
        with pytest.raises(OutOfRange):
            key.seal(0, values)


def test_operands_are_checked_against_the_circuit() -> None:
    job = Job(GroupSum(100, 50, 2), [np.arange(100) % 50], lambda b, c: group_sum(b, c[0], np.arange(100) % 2))
    column = job.bench.load(job.sealed[0])
    for labels in (np.zeros(100, dtype=int), np.arange(100) % 3, np.arange(100) % 2 - 1):
        with pytest.raises(OutOfRange):
            group_sum(job.bench, column, labels)
    with pytest.raises(BadParameters):
        column_sum(job.bench, column)
    with pytest.raises(BadParameters):
        row_weighted_sum(job.bench, column, np.ones(100, int))


def test_keys_stay_secret_in_print_and_pickle() -> None:
    job = small()
    assert "redacted" in repr(job.key)
    with pytest.raises(KeyPolicyViolation):
        pickle.dumps(job.key)
    assert job.material.public_keys == ()
    with pytest.raises(BadParameters, match="public key"):
        PublicSealer(job.material, job.circuit)
