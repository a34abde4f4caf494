"""Decoders refuse what no honest party sends, before anything is computed from it."""

import secrets
from dataclasses import replace

import numpy as np
import pytest

from mpc.errors import BadParameters, MalformedMessage, MpcError
from mpc.pir import Hint, Keys, Prepared, index_table, keyword_table, prepare
from mpc.pir.messages import Answer, Ask, Query

SESSION = bytes(range(16))


def index() -> Prepared:
    return prepare(index_table(np.zeros((10, 3), np.uint8), secrets.token_bytes, columns=4))


def keyword() -> Prepared:
    return prepare(keyword_table({b"%d" % i: b"value" for i in range(30)}, Keys.OPEN, secrets.token_bytes, columns=20))


def refused(table: Prepared, error: type[MpcError] = MalformedMessage, **changes: object) -> bool:
    layout = replace(table.layout, **changes)  # type: ignore[arg-type]
    shape = (max(layout.rows, 1), layout.profile.dimension)
    message = Hint(SESSION, layout, np.zeros(shape, np.uint32)).encode()
    with pytest.raises(error):
        Hint.decode(message, SESSION)
    return True


def test_layouts_that_no_builder_makes() -> None:
    table = index()
    assert table.layout.blocks == 3
    assert refused(table, records=0)
    assert refused(table, records=13)
    assert refused(table, records=8)  # the last block would be empty
    assert refused(table, kind=3)
    assert refused(table, segment=1)
    assert refused(table, attempts=b"\x00\x00\x00")
    assert refused(table, hash_seed=b"\x01" * 32)
    assert refused(table, BadParameters, filled=0)
    assert refused(table, BadParameters, answers=0)
    assert refused(table, BadParameters, item_bytes=0)
    assert refused(table, BadParameters, filled=(1 << 18) + 1)
    assert refused(table, BadParameters, answers=1 << 17)


def test_keyword_layouts_that_no_builder_makes() -> None:
    table = keyword()
    layout = table.layout
    assert refused(table, segment=0)
    assert refused(table, segment=3)
    assert refused(table, segment=layout.segment * 64)
    assert refused(table, filled=layout.filled + 1)
    assert refused(table, filled=2 * layout.segment)
    assert refused(table, attempts=layout.attempts + b"\x00")
    assert refused(table, attempts=b"")
    assert refused(table, item_bytes=8)
    assert refused(table, records=layout.blocks * layout.filled + 1)


def test_a_hint_of_another_shape_than_its_layout() -> None:
    table = index()
    for matrix in (table.hint.T, table.hint[:-1], table.hint[:, :-1], np.vstack([table.hint, table.hint])):
        with pytest.raises(MalformedMessage):
            Hint.decode(Hint(SESSION, table.layout, matrix).encode())


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (1025, 1), (1, (1 << 18) + 1)])
def test_lookups_beyond_the_bounds(shape: tuple[int, int]) -> None:
    words = np.zeros(shape, np.uint32)
    with pytest.raises(MalformedMessage):
        Query.decode(Query(SESSION, bytes(32), words).encode())
    with pytest.raises(MalformedMessage):
        Answer.decode(Answer(SESSION, bytes(32), words).encode())


def test_truncated_and_trailing_bytes() -> None:
    table = index()
    query = Query(SESSION, bytes(32), np.zeros((1, 4), np.uint32)).encode()
    for kind, message in (
        (Ask, Ask(SESSION).encode()),
        (Hint, Hint(SESSION, table.layout, table.hint).encode()),
        (Query, query),
    ):
        for edited in (message[:-1], message + b"\x00", message[:10], b""):
            with pytest.raises(MalformedMessage):
                kind.decode(edited)
