"""Every violation at once, by column, rule and number of rows; and never a value."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import select

from adapters.open import open_source
from adapters.source import Source, SourceSpec
from jobs.documents import RootKeys, SigningKey, verify_threshold
from jobs.schema import Bounds, Column, ColumnType, Dataset, Grade, Role
from sandbox.catalogue.check import CheckedData, DataRefused, check_data
from sandbox.catalogue.register import register
from sandbox.errors import InvalidSpec
from sandbox.keys import Trust
from sandbox.node.state import Held, NodeState
from sandbox.node.tables import datasets

NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)
UNIT = Column(name="unit_id", type=ColumnType.STRING, role=Role.UNIT, unit_domain="person")
NUMBER = 471147114711
TEXT = "canary-4711"


def column(name: str = "x", type_: ColumnType = ColumnType.INT, **fields: Any) -> Column:
    return Column(name=name, type=type_, role=fields.pop("role", Role.MEASURE), **fields)


def dataset(*columns: Column, **fields: Any) -> Dataset:
    return Dataset(name="t", columns=(UNIT, *columns), unit="unit_id", legal_basis="act", **fields)


@pytest.fixture
def source(tmp_path: Path) -> Callable[..., Any]:
    def make(**columns: Any) -> Source:
        length = max(map(len, columns.values()))
        units = columns.pop("unit_id", pa.array([f"u{n}" for n in range(length)]))
        pq.write_table(pa.table({"unit_id": units, **columns}), tmp_path / "t.parquet")
        return open_source(SourceSpec(kind="parquet", path=str(tmp_path / "t.parquet")))

    return make


@pytest.mark.parametrize("blank", ["", '""'])
def test_a_blank_text_in_a_csv_is_a_missing_value(tmp_path: Path, blank: str) -> None:
    """Rows without a unit follow ``null_units``; as texts they would all be one individual."""
    file = tmp_path / "t.csv"
    file.write_text(f"unit_id,place,x\na,north,1\n{blank},north,2\n{blank},{blank},3\nb,{blank},\n")
    place = column("place", ColumnType.STRING, role=Role.KNOWN, domain=("north",))
    data = open_source(SourceSpec(kind="csv", path=str(file)))
    assert (
        check_data(dataset(place, column(bounds=Bounds(low="0", high="9")), null_units="exclude"), data).null_units == 2
    )
    wanted = place.model_copy(update={"nullable": False})
    assert any("place" in item for item in violations(dataset(wanted, column(), null_units="exclude"), data))


def violations(document: Dataset, source: Source) -> list[str]:
    with pytest.raises(DataRefused) as refused:
        check_data(document, source)
    found = refused.value
    assert str(NUMBER) not in str(found)
    assert TEXT not in str(found)
    assert found.code == "data-refused"
    return list(found.violations)


D, S, T = ColumnType.DECIMAL, ColumnType.STRING, ColumnType.TIMESTAMP
DAYS = Bounds(low="2013-01-01", high="2013-12-31")
CASES = {
    "nulls": (
        column(nullable=False),
        pa.array([1, None, None]),
        "x is null although declared not nullable in 2 row(s)",
    ),
    "above the bounds": (
        column(bounds=Bounds(low="0", high="9")),
        pa.array([9, NUMBER]),
        "x is outside its bounds in 1",
    ),
    "below the bounds": (column(bounds=Bounds(low="0", high="9")), pa.array([-1, 0]), "x is outside its bounds in 1"),
    "a date outside": (
        column(type_=ColumnType.DATE, bounds=DAYS),
        pa.array([date(2014, 1, 1), date(2013, 12, 31)]),
        "x is outside its bounds in 1",
    ),
    "a time outside in UTC": (
        column(type_=T, bounds=DAYS),
        pa.array([datetime(2012, 12, 31, 23, tzinfo=UTC)], pa.timestamp("us", "Asia/Shanghai")),
        "x is outside its bounds in 1",
    ),
    "a foreign word": (column(type_=S, domain=("a",)), pa.array([TEXT, "a", TEXT]), "x is outside its domain in 2"),
    "a foreign word in a dictionary": (
        column(type_=S, domain=("a",)),
        pa.array([TEXT, "a"]).dictionary_encode(),
        "x is outside its domain in 1",
    ),
    "a foreign number": (column(domain=(1, 2)), pa.array([1, NUMBER]), "x is outside its domain in 1"),
    "too fine floats": (column(type_=D, decimals=1), pa.array([1.5, 1.25]), "x has more than 1 decimals in 1"),
    "too fine decimals": (
        column(type_=D, decimals=1),
        pa.array([Decimal("1.25"), Decimal("1.50")]),
        "x has more than 1 decimals in 1",
    ),
    "not finite": (column(type_=D), pa.array([1.0, float("nan"), float("inf")]), "x is not finite in 2"),
    "another type": (column(type_=S), pa.array([NUMBER]), "x is declared string, the data has int"),
    "a nested type": (column(), pa.array([[NUMBER]]), "column x has type"),
    "core data": (column(grade=Grade.CORE), pa.array([1]), "core data"),
}


@pytest.mark.parametrize("name", CASES)
def test_each_kind_of_violation_is_named(source: Callable[..., Any], name: str) -> None:
    declared, values, text = CASES[name]
    [found] = violations(dataset(declared), source(x=values))
    assert text in found


def test_a_missing_column_is_named(source: Callable[..., Any]) -> None:
    assert violations(dataset(column("y")), source(x=pa.array([1]))) == ["the data has no column y"]


def test_all_violations_are_listed_at_once(source: Callable[..., Any]) -> None:
    document = dataset(column(bounds=Bounds(low="0", high="9"), nullable=False), column("y", S, domain=("a",)))
    data = source(x=pa.array([NUMBER, None]), y=pa.array([TEXT, "a"]), unit_id=pa.array(["u", None]))
    assert len(violations(document, data)) == 4


def test_a_key_that_repeats_is_refused_and_nulls_repeat_nothing(source: Callable[..., Any]) -> None:
    document = dataset(column("x"), unique_keys=(("unit_id", "x"),))
    repeated = source(unit_id=pa.array([TEXT, TEXT]), x=pa.array([1, 1]))
    assert violations(document, repeated) == ["key (unit_id, x) is declared unique and is not"]
    check_data(document, source(unit_id=pa.array(["a", "a", "b"]), x=pa.array([1, None, 1])))


def test_more_rows_of_one_individual_than_declared_are_refused(source: Callable[..., Any]) -> None:
    rows = {"unit_id": pa.array([TEXT, "b", TEXT, None, None, None]), "x": pa.array([1] * 6)}
    document = dataset(column("x"), rows_per_unit=1, null_units="exclude")
    assert violations(document, source(**rows)) == [
        "unit_id: some individual has more rows than rows_per_unit, which is 1"
    ]
    check_data(document.model_copy(update={"rows_per_unit": 2}), source(**rows))


@pytest.mark.parametrize(
    ("declared", "says"),
    [
        ({}, "profile dp@1 needs rows_per_unit: how many rows one individual has at most"),
        (
            {"rows_per_unit": 1, "colluding_owners": 1},
            "under profile dp@1 noise suffices at each owner alone: leave colluding_owners out",
        ),
        ({"profile": "other@1"}, "there is no disclosure profile 'other@1'; shipped: standard@2, open@1, dp@1"),
    ],
)
def test_what_the_profile_needs_is_declared(source: Callable[..., Any], declared: dict[str, Any], says: str) -> None:
    data = source(x=pa.array([1]))
    assert violations(dataset(column("x"), **({"profile": "dp@1"} | declared)), data) == [says]
    check_data(dataset(column("x"), profile="dp@1", rows_per_unit=1), data)


def test_rows_without_a_unit(source: Callable[..., Any]) -> None:
    data = source(unit_id=pa.array(["a", None]), x=pa.array([1, 2]))
    assert violations(dataset(column()), data) == ["unit_id is a privacy unit and is null in 1 row(s)"]
    assert check_data(dataset(column(), null_units="exclude"), data).null_units == 1


def test_every_unit_column_is_under_the_rule_for_missing_units(source: Callable[..., Any]) -> None:
    second = column("owner_id", S, role=Role.UNIT, unit_domain="owner")
    data = source(owner_id=pa.array(["a", None]))
    assert violations(dataset(second), data) == ["owner_id is a privacy unit and is null in 1 row(s)"]
    check_data(dataset(second, null_units="exclude"), data)


def test_values_at_the_edge_of_what_is_declared_pass(source: Callable[..., Any]) -> None:
    document = dataset(
        column(bounds=Bounds(low="-1", high="9")),
        column("y", D, decimals=2, bounds=Bounds(low="0", high="0.25")),
        column("z", D, rounded=True),
        column("w", D),
    )
    data = source(
        x=pa.array([-1, 9]), y=pa.array([0.25, 0.0]), z=pa.array([0.123456, 2.0]), w=pa.array([1, NUMBER])
    )  # whole numbers may stand for decimals
    assert check_data(document, data).rows == 2


@pytest.fixture
def state(tmp_path: Path) -> Iterator[NodeState]:
    root = RootKeys(keys=(SigningKey.from_seed(bytes(32)).public.text,), threshold=1)
    made = NodeState(tmp_path / "node", Trust(root=root, origin="log.example/x"))
    yield made
    made.close()


KEY = SigningKey.from_seed(bytes(range(32)))


def registered(
    state: NodeState, tmp_path: Path, rng: Callable[[int], bytes], **fields: Any
) -> tuple[Held, CheckedData]:
    spec = SourceSpec(kind="parquet", path=str(tmp_path / "t.parquet"))
    wanted = {"rows_at_most": 10, "label": "2013", "data_until": NOW, **fields}
    return register(state, dataset(column()), spec, "ewr", "node-ewr", [KEY], NOW, rng=rng, **wanted)


def test_registration_keeps_manifest_and_salt_and_signs_a_commitment(
    state: NodeState, source: Callable[..., Any], tmp_path: Path
) -> None:
    source(x=pa.array([1, 2]))
    held, checked = registered(state, tmp_path, lambda size: b"\x07" * size)
    assert checked.rows == 2
    verify_threshold(held.record, [KEY.public], 1, "record")
    assert held.manifest.files[0].sha256.encode() not in held.record.payload
    with state.read() as connection:
        assert state.held(connection) == {"t": held}
        assert connection.execute(select(datasets.c.salt)).scalar_one() == b"\x07" * 32


def test_the_same_data_under_another_salt_is_another_version(
    state: NodeState, source: Callable[..., Any], tmp_path: Path
) -> None:
    source(x=pa.array([1, 2]))
    first, _ = registered(state, tmp_path, lambda size: b"\x01" * size)
    second, _ = registered(state, tmp_path, lambda size: b"\x02" * size)
    assert first.version != second.version
    assert (first.sequence, second.sequence) == (1, 2)
    with state.read() as connection:
        assert state.held(connection)["t"].version == second.version  # earlier grants name the first: void


def test_more_rows_than_declared_or_wrong_data_register_nothing(
    state: NodeState, source: Callable[..., Any], tmp_path: Path
) -> None:
    source(x=pa.array([1, 2]))
    with pytest.raises(InvalidSpec, match="more rows than the declared bound"):
        registered(state, tmp_path, bytes, rows_at_most=1)
    source(x=pa.array([TEXT]))
    with pytest.raises(DataRefused):
        registered(state, tmp_path, bytes)
    with state.read() as connection:
        assert state.held(connection) == {}
