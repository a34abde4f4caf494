"""From Arrow values to stored integers and back: exact, bounded, and never a value in an error."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from adapters.errors import BadSource
from adapters.snapshot.columns import StoredColumn
from adapters.snapshot.order import by_rank, isin, ranks
from adapters.snapshot.units import _hashed, hash_units
from jobs.schema import Bounds, Column, ColumnType, Role
from jobs.stored import stored_column

CANARY = 4711


def column(kind: str, **fields: Any) -> StoredColumn:
    return StoredColumn(name="x", kind=kind, **fields)  # type: ignore[arg-type]


CENTS = column("decimal", decimals=2, low=-999, high=99999)
DAYS = column("date", low=0, high=20000)
TOWN = column("string", values=("a", "b's", ""))


@pytest.mark.parametrize(
    ("stored", "array", "wanted"),
    [
        (CENTS, pa.array([1.25, None, -9.99, 0.07]), [125, None, -999, 7]),
        (CENTS, pa.array([1.25, 0.5], pa.float32()), [125, 50]),
        (CENTS, pa.array([Decimal("1.2500"), None, Decimal("-9.99")], pa.decimal128(12, 4)), [125, None, -999]),
        (CENTS, pa.array([3, None]), [300, None]),
        (column("decimal", decimals=1, rounded=True), pa.array([0.25, -0.25, 1e15]), [3, -3, 10**16]),
        (column("int", low=0, high=200), pa.array([200, 0], pa.uint64()), [200, 0]),
        (column("int"), pa.array([-(2**63), 2**63 - 1]), [-(2**63), 2**63 - 1]),
        (TOWN, pa.array(["b's", None, ""]), [1, None, 2]),
        (TOWN, pa.array(["a", None, "a"]).dictionary_encode(), [0, None, 0]),
        (TOWN, pa.DictionaryArray.from_arrays(pa.array([0, 0]), pa.array(["a", "unused"])), [0, 0]),
        (DAYS, pa.array([dt.date(1970, 1, 3), None]), [dt.date(1970, 1, 3), None]),
        (DAYS, pa.array([dt.datetime(1970, 1, 3)], pa.timestamp("ns")), [dt.date(1970, 1, 3)]),
        (column("bool"), pa.array([True, None, False]), [True, None, False]),
        (column("timestamp"), pa.array([1_500_999], pa.timestamp("ns")), [dt.datetime(1970, 1, 1, 0, 0, 0, 1500)]),
        (column("timestamp"), pa.array([0], pa.timestamp("s", "Europe/Berlin")), [dt.datetime(1970, 1, 1)]),
    ],
)  # fmt: skip
def test_values_are_stored_exactly(stored: StoredColumn, array: pa.Array, wanted: list[Any]) -> None:
    assert stored.store(array).to_pylist() == wanted
    assert stored.store(array).type == stored.type


@pytest.mark.parametrize(
    ("stored", "array"),
    [
        (CENTS, pa.array([0.125])),
        (CENTS, pa.array([float("nan")])),
        (CENTS, pa.array([float("inf")])),
        (CENTS, pa.array([1000.0])),
        (CENTS, pa.array([Decimal("0.125")], pa.decimal128(12, 3))),
        (CENTS, pa.array(["1.25"])),
        (column("decimal", decimals=9), pa.array([2**62])),
        (column("int", low=0, high=9), pa.array([CANARY])),
        (column("int"), pa.array([2**64 - 1], pa.uint64())),
        (column("int", nullable=False), pa.array([1, None])),
        (TOWN, pa.array([f"a{CANARY}"])),
        (TOWN, pa.array([f"a{CANARY}"]).dictionary_encode()),
        (DAYS, pa.array([dt.date(1969, 12, 31)])),
        (DAYS, pa.array([dt.datetime(1970, 1, 3, 1)], pa.timestamp("us"))),
        (column("bool"), pa.array(["true?"])),
    ],
)
def test_a_value_outside_its_declaration_is_refused_without_being_named(stored: StoredColumn, array: pa.Array) -> None:
    with pytest.raises(BadSource, match="column x") as refused:
        stored.store(array)
    assert str(CANARY) not in str(refused.value)


def test_types_are_as_narrow_as_the_declaration_allows() -> None:
    ends = [(0, 255), (-1, 127), (0, 256), (-129, 0), (0, 1 << 16), (0, 1 << 32), (None, None)]
    types = [column("int", low=low, high=high).type for low, high in ends]
    assert types == [pa.uint8(), pa.int8(), pa.uint16(), pa.int16(), pa.uint32(), pa.int64(), pa.int64()]


@pytest.mark.parametrize(
    ("declared", "wanted"),
    [
        (Column(name="x", type=ColumnType.INT, role=Role.KNOWN, domain=(3, 1)), (1, 3)),
        (Column(name="x", type=ColumnType.DECIMAL, decimals=1, role=Role.MEASURE, bounds=Bounds(low="-0.55", high="0.55")), (-5, 5)),
        (Column(name="x", type=ColumnType.DATE, role=Role.KNOWN, bounds=Bounds(low="1970-01-02", high="1970-02-01")), (1, 31)),
        (Column(name="x", type=ColumnType.TIMESTAMP, role=Role.KNOWN, bounds=Bounds(low="1970-01-01", high="1970-01-01")),
         (0, 86_400_000_000 - 1)),
        (Column(name="x", type=ColumnType.INT, role=Role.MEASURE), (None, None)),
    ],
)  # fmt: skip
def test_bounds_in_stored_integers(declared: Column, wanted: tuple[int, int]) -> None:
    found = stored_column(declared)
    assert (found.low, found.high) == wanted


def test_siphash_known_answers() -> None:
    """Reference vectors of SipHash-2-4 (key 00..0f; messages of 0, 1, 8, 15 and 63 bytes 00, 01, ...)."""
    wanted = {
        0: 0x726FDB47DD0E0E31,
        1: 0x74F839C593DC67FD,
        8: 0x93F5F5799A932462,
        15: 0xA129CA6149BE45E5,
        63: 0x958A324CEB064572,
    }
    first, second = np.frombuffer(bytes(range(16)), dtype="<u8")
    for length, value in wanted.items():
        data = np.arange(length, dtype=np.uint8)
        assert int(_hashed(data, np.array([0, length], dtype=np.int64), first, second)[0]) == value


def test_units_are_told_apart_by_their_whole_value_and_the_key() -> None:
    texts = pa.array(["", "a", "a ", "a\0", "A", "é", "e\u0301"], pa.large_utf8())
    high, low = hash_units(texts, bytes(range(32)))
    assert len(set(zip(high.tolist(), low.tolist(), strict=True))) == len(texts)
    other, _ = hash_units(texts, bytes(32))
    assert not set(high.tolist()) & set(other.tolist())
    sliced, _ = hash_units(texts.slice(2, 3), bytes(range(32)))
    assert sliced.tolist() == high[2:5].tolist()
    for equal in ([pa.array([7], pa.int8()), pa.array([7], pa.int64())], [pa.array([7], pa.int32()).cast(pa.date32())]):
        assert len({hash_units(array, bytes(32))[0][0] for array in equal}) == 1


def test_ranks_where_halves_of_hashes_are_equal() -> None:
    high = np.array([5, 5, 1, 5, 5], dtype=np.uint64)
    low = np.array([9, 2, 7, 9, 3], dtype=np.uint64)
    found, holder = ranks(high, low)
    assert found.tolist() == [3, 1, 0, 3, 2]
    assert [(int(high[i]), int(low[i])) for i in holder] == [(1, 7), (5, 2), (5, 3), (5, 9)]
    assert isin(high, low, high[:2], low[:2]).tolist() == [True, True, False, True, False]
    order, counts = by_rank(np.array([1, 0, 1, 0]), 3)
    assert (order.tolist(), counts.tolist()) == ([1, 3, 0, 2], [2, 2, 0])
