"""The key-value store: right answers, a uniform table, and failures as rare as computed."""

import secrets

import numpy as np
import pytest

from mpc.errors import BadParameters
from mpc.psi.cuckoo import positions_of
from mpc.psi.okvs import DENSE_CELLS, decode, encode, encoding_failure_bits, sparse_cells_for


def _words(*shape: int) -> np.ndarray:
    return np.frombuffer(secrets.token_bytes(8 * int(np.prod(shape))), np.uint64).reshape(shape).copy()


@pytest.mark.parametrize("count", [0, 1, 2, 50, 400, 5000, 40_000])
def test_programmed_keys_give_their_values(count: int) -> None:
    size = sparse_cells_for(count)
    cells, dense, values = positions_of(_words(count, 4), size), _words(count), _words(count, 2)
    table = encode(cells, dense, values, size, secrets.token_bytes)
    assert table.shape == (size + DENSE_CELLS, 2)
    assert np.array_equal(decode(cells, dense, table), values)


@pytest.mark.parametrize(("count", "size"), [(2, 3), (40, 20), (30, 4), (300, 290)])
def test_a_core_that_peeling_leaves_is_eliminated(count: int, size: int) -> None:
    """More keys than cells: everything rests on the dense columns and on Gauss."""
    cells, dense, values = positions_of(_words(count, 4), size), _words(count), _words(count, 2)
    table = encode(cells, dense, values, size, secrets.token_bytes)
    assert np.array_equal(decode(cells, dense, table), values)


@pytest.mark.parametrize("count", [2, 200])
def test_dependent_keys_are_refused(count: int) -> None:
    cells, dense = positions_of(_words(count, 4), 300), _words(count)
    cells[-1], dense[-1] = cells[0], dense[0]
    with pytest.raises(BadParameters, match="dependent"):
        encode(cells, dense, _words(count, 2), 300, secrets.token_bytes)


def test_more_keys_than_cells_are_refused() -> None:
    with pytest.raises(BadParameters):
        encode(positions_of(_words(100, 4), 20), _words(100), _words(100, 2), 20, secrets.token_bytes)


@pytest.mark.parametrize("count", [1, 3, 30, 3000, 100_000, 3_000_000])
def test_encoding_fails_below_two_to_the_minus_sixty(count: int) -> None:
    assert encoding_failure_bits(count) > 60


@pytest.mark.parametrize("random", [secrets.token_bytes, bytes])
def test_the_table_is_uniform(random: object) -> None:
    """Share of one bits over cells that no key determines; the positive control fills them with zeros."""
    cells, dense = positions_of(_words(100, 4), 2000), _words(100)
    table = encode(cells, dense, _words(100, 2), 2000, random)  # type: ignore[arg-type]
    share = float(np.bitwise_count(table).sum()) / (64 * table.size)
    assert (abs(share - 0.5) < 0.01) is (random is secrets.token_bytes)  # ten deviations
