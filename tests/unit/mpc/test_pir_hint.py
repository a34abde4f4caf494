"""What a client can take from a hint and from an answer that it asked for as it liked."""

import secrets

import numpy as np
import pytest

from mpc.errors import KeyPolicyViolation
from mpc.party import PartyName
from mpc.pir import WIDE, Client, Hint, Keys, Server, hiding_columns, index_table, keyword_table, prepare
from mpc.pir.matrix import hint, public_matrix
from mpc.pir.messages import Answer, Query
from mpc.pir.security import primal_attack

SESSION = bytes(16)
ALICE, BOB = PartyName("alice"), PartyName("bob")
RECORDS = np.random.default_rng(5).integers(0, 256, (40, 3), dtype=np.uint8)


def matrix(seed: bytes, columns: int, dimension: int) -> np.ndarray:
    return np.vstack([rows for _, rows in public_matrix(seed, columns, dimension)])


def solve(known: np.ndarray, products: np.ndarray) -> np.ndarray:
    """X with X known = products modulo 2^32, for known (unknowns, equations): Gaussian elimination over odd pivots."""
    left, right = known.T.astype(np.uint64), products.T.astype(np.uint64)
    mask = np.uint64(2**32 - 1)
    for column in range(left.shape[1]):
        pivot = column + int(np.flatnonzero(left[column:, column] & np.uint64(1))[0])
        left[[column, pivot]], right[[column, pivot]] = left[[pivot, column]], right[[pivot, column]]
        inverse = np.uint64(pow(int(left[column, column]), -1, 2**32))
        left[column], right[column] = left[column] * inverse & mask, right[column] * inverse & mask
        others = np.arange(len(left)) != column
        factor = left[others, column][:, None]
        left[others] = (left[others] - factor * left[column]) & mask
        right[others] = (right[others] - factor * right[column]) & mask
    return right[: left.shape[1]].T


def test_a_hint_tells_nothing_of_the_table_and_without_random_columns_all_of_it() -> None:
    table = index_table(RECORDS, secrets.token_bytes, columns=40, answers=1)
    cells, seed, filled, n = table.cells, table.layout.seed, table.layout.filled, WIDE.dimension
    known = matrix(seed, table.layout.columns, n)[:filled]
    bare = hint(np.ascontiguousarray(cells[:, :filled]), seed, n)
    assert (solve(known, bare) == cells[:, :filled]).all()
    guessed = solve(known, prepare(table).hint)
    assert (guessed == cells[:, :filled]).mean() < 0.05


def test_random_columns_are_enough_for_the_hint_and_all_answers() -> None:
    """As LWE (Micciancio and Mol 2011): unknowns are what is left of them beyond the hint's equations."""
    for answers in (1, 1024, 40_000):
        unknowns = hiding_columns(WIDE, answers) - 4 * answers - WIDE.dimension
        deviation = np.arange(256).std()
        assert primal_attack(unknowns, 32, float(deviation)).core_svp >= WIDE.security_core_svp


def test_random_columns_are_random_and_not_the_same_twice() -> None:
    for table in (
        index_table(np.zeros((4, 2), np.uint8), secrets.token_bytes),
        keyword_table({b"%d" % i: b"v" for i in range(9)}, Keys.OPEN, secrets.token_bytes),
    ):
        hiding = table.cells[:, table.layout.filled :]
        assert hiding.shape[1] == hiding_columns(WIDE, table.layout.answers)
        assert abs(hiding.mean() - 127.5) < 6 * hiding.std() / np.sqrt(hiding.size)
        assert (hiding[0] != hiding[1]).mean() > 0.9


def test_one_answer_gives_four_columns_to_a_client_that_asks_for_four_and_is_charged_for_more() -> None:
    prepared = prepare(index_table(RECORDS, secrets.token_bytes, columns=20))
    layout = prepared.layout
    wanted = (3, 7, 11, 19)
    vector = np.zeros((1, layout.columns), np.uint32)
    for place, column in enumerate(wanted):
        vector[0, column] = 1 << 8 * place
    query = Query(SESSION, layout.version, vector).encode()
    (sent,) = Server(BOB, ALICE, SESSION, prepared, at_most=1).receive(ALICE, query)
    sums = Answer.decode(sent.message).sums[0]
    for place, column in enumerate(wanted):
        assert ((sums >> 8 * place).astype(np.uint8) == prepared.cells[:, column]).all()
    assert len(wanted) * layout.blocks <= layout.readable(1) == 40
    assert layout.readable(0) == 0
    wide = index_table(np.zeros((5000, 1), np.uint8), secrets.token_bytes, columns=2500).layout
    assert wide.readable(3) == 3 * 32 * 2


def test_a_table_version_answers_as_often_as_its_random_columns_hide() -> None:
    prepared = prepare(index_table(RECORDS, secrets.token_bytes, answers=3))
    kept = Hint(SESSION, prepared.layout, prepared.hint)

    def look_up(*wanted: int) -> None:
        client = Client(ALICE, BOB, SESSION, list(wanted), secrets.token_bytes, hint=kept)
        server = Server(BOB, ALICE, SESSION, prepared, at_most=9)
        client.receive(BOB, server.receive(ALICE, client.start()[0].message)[0].message)
        assert client.result == tuple(RECORDS[i].tobytes() for i in wanted)

    look_up(1, 2)
    with pytest.raises(KeyPolicyViolation, match="build the table anew"):
        look_up(3, 4)
    look_up(5)
    with pytest.raises(KeyPolicyViolation):
        look_up(6)
