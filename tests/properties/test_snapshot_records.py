"""The records of a scan are what reading row by row finds, whichever way it takes: by tables, by the database, by rows.

Random tables with nulls and rows without a unit; known and secret conditions, filters and groups; joins; several parts,
appended runs, blocks of a few rows, excluded units.
"""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from adapters.snapshot.build import Layout, build, exclude
from adapters.snapshot.exclusions import Exclusions
from adapters.snapshot.ref import SnapshotRef
from adapters.source import Input, Manifest, SourceSpec
from jobs.kinds.base import Limits
from jobs.kinds.statistics import direct, ordered, scan
from jobs.kinds.statistics.evidence import LocalResult, merge
from jobs.kinds.statistics.plan.compile import compile_sql
from jobs.kinds.statistics.plan.types import Plan
from jobs.kinds.statistics.run import run_local
from jobs.kinds.statistics.way import decide_way
from jobs.schema import Bounds, CatalogueView, Column, ColumnType, Dataset, Holding, Role
from jobs.stored import stored_columns
from tests.support.recorded import expected, told

KEY = bytes(range(32))
PERSONS = [f"p{i}" for i in range(9)] + ["", "ü"]
DOCTORS = [f"d{i}" for i in range(4)]


def visits(doctor: Role) -> Dataset:
    """``doctor``: another privacy unit, or what a table of doctors is joined by."""
    domain = "doctor" if doctor is Role.UNIT else None
    return Dataset(
        name="visits",
        unit="person",
        null_units="exclude",
        legal_basis="test",
        columns=(
            Column(name="person", type=ColumnType.STRING, role=Role.UNIT, unit_domain="person"),
            Column(name="doctor", type=ColumnType.STRING, role=doctor, unit_domain=domain),
            Column(name="town", type=ColumnType.STRING, role=Role.KNOWN, domain=("a", "b's", "c")),
            Column(name="age", type=ColumnType.INT, role=Role.KNOWN, domain=tuple(range(10)),
                   bounds=Bounds(low="0", high="9")),
            Column(name="day", type=ColumnType.DATE, role=Role.KNOWN, cut_points=("2024-05-01",),
                   bounds=Bounds(low="2024-01-01", high="2024-12-31")),
            Column(name="flag", type=ColumnType.BOOL, role=Role.SENSITIVE),
            Column(name="score", type=ColumnType.INT, role=Role.MEASURE, cut_points=("10",),
                   bounds=Bounds(low="-50", high="90")),
        ),
    )  # fmt: skip


PEOPLE = Dataset(
    name="people",
    unit="id",
    legal_basis="test",
    unique_keys=(("id",),),
    columns=(
        Column(name="id", type=ColumnType.STRING, role=Role.UNIT, unit_domain="person", nullable=False),
        Column(name="sex", type=ColumnType.STRING, role=Role.KNOWN, domain=("f", "m")),
    ),
)
STAFF = Dataset(
    name="staff",
    unit="id",
    legal_basis="test",
    unique_keys=(("id",),),
    columns=(
        Column(name="id", type=ColumnType.STRING, role=Role.UNIT, unit_domain="doctor", nullable=False),
        Column(name="ward", type=ColumnType.STRING, role=Role.KNOWN, domain=("x", "y")),
    ),
)
ARROW = pa.schema(
    [("person", pa.string()), ("doctor", pa.string()), ("town", pa.string()), ("age", pa.int32()), ("day", pa.date32()),
     ("flag", pa.bool_()), ("score", pa.int32())]
)  # fmt: skip
ROW = st.fixed_dictionaries(
    {
        "person": st.none() | st.sampled_from(PERSONS),
        "doctor": st.none() | st.sampled_from(DOCTORS),
        "town": st.none() | st.sampled_from(["a", "b's", "c"]),
        "age": st.none() | st.integers(0, 9),
        "day": st.none() | st.dates(dt.date(2024, 1, 1), dt.date(2024, 12, 31)),
        "flag": st.none() | st.booleans(),
        "score": st.none() | st.integers(-50, 90),
    }
)
ROWS = st.lists(ROW, max_size=30)
PEOPLE_ROWS = [{"id": p, "sex": s} for p, s in zip(PERSONS[1:], ["f", None, "m", "f", "m"] * 2, strict=True)]
STAFF_ROWS = [{"id": d, "ward": w} for d, w in zip(DOCTORS[1:], ["x", "y", None], strict=True)]
KNOWN = ["town IN ('a', 'b''s')", "town <> 'c' OR age = 3", "NOT (age BETWEEN 2 AND 6)", "day >= '2024-05-01'",
         "age IS NULL", "age IN (1, 2, 3) AND town <> 'a'"]  # fmt: skip
SECRET = ["flag", "flag IS NULL", "score > 10"]
GROUPS = [[], ["town"], ["flag"], ["flag", "town"], ["town", "flag", "MONTH(day)"], ["FLOOR(age / 5)"],
          ["CASE WHEN age < 3 THEN 'low' WHEN age > 6 THEN 'high' END"]]  # fmt: skip
STATISTICS = ["COUNT(*)", "COUNT(age)", "SUM(score)", "VAR_POP(score)"]


def sql_of(where: Sequence[str | None], filtered: Sequence[str | None], groups: Sequence[str], source: str) -> str:
    conditions = [f"({part})" for part in where if part]
    filters = [f"({part})" for part in filtered if part]
    outputs = [*groups, *STATISTICS]
    if filters:
        outputs += [f"{what} FILTER (WHERE {' AND '.join(filters)})" for what in ("SUM(score)", "COUNT(age)")]
    sql = f"SELECT {', '.join(f'{o} AS o{i}' for i, o in enumerate(outputs))} FROM {source}"
    sql += f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return sql + (f" GROUP BY {', '.join(groups)}" if groups else "")


def plan_of(sql: str, *datasets: Dataset) -> Plan:
    holdings = tuple(
        Holding(dataset=d.name, owner="o", node="n", provider="p", version_commitment="x", max_rows=1000)
        for d in datasets
    )
    plan = compile_sql(sql, CatalogueView(datasets=datasets, holdings=holdings))
    assert plan.profile == "standard@2"
    return plan


def layout(dataset: Dataset) -> Layout:
    domain = str(dataset.column(dataset.unit).unit_domain)
    return Layout(dataset.name, "d", dataset.unit, domain, stored_columns(dataset), KEY, None)


def table_of(rows: Sequence[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=ARROW)


def batches(table: pa.Table) -> Iterator[pa.RecordBatch]:
    return iter(table.to_batches(max_chunksize=7))


def inputs(**refs: SnapshotRef) -> dict[str, Input]:
    return {name: Input(SourceSpec(kind="parquet", path="none"), Manifest(files=()), ref) for name, ref in refs.items()}


def by_parts(plan: Plan, given: dict[str, Input], parts: int) -> LocalResult:
    assert decide_way(plan, "person").name == "ordered"
    limits = Limits(memory_bytes=256 << 20, threads=1)
    return merge([scan.scan(plan, {}, given, limits, part, parts) for part in range(parts)])


def by_rows(plan: Plan, **tables: pa.Table) -> LocalResult:
    def opener(table: pa.Table) -> Any:
        return lambda names: table.select(list(names)).to_reader(max_chunksize=7)

    return run_local(plan, {}, {name: opener(table) for name, table in tables.items()}, Limits(threads=4))


def check(plan: Plan, found: LocalResult, rows: Sequence[dict[str, Any]], *joined: Sequence[dict[str, Any]]) -> None:
    assert [told(records, KEY) for records in found.records] == expected(plan, KEY, rows, *joined)


@pytest.fixture
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of four rows: units that are larger, and blocks in several runs, in a table of thirty rows."""
    monkeypatch.setattr(direct.Direct, "block_rows", 4)
    monkeypatch.setattr(ordered.Rendered, "block_rows", 5)


@pytest.mark.usefixtures("_small_blocks")
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    tables=st.lists(ROWS, min_size=1, max_size=3),
    where=st.tuples(st.none() | st.sampled_from(KNOWN), st.none() | st.sampled_from(SECRET)),
    filtered=st.tuples(st.none() | st.sampled_from(KNOWN), st.none() | st.sampled_from(SECRET)),
    groups=st.sampled_from(GROUPS),
    parts=st.sampled_from([1, 2, 8]),
    memory=st.sampled_from([1, 1 << 20]),
    left_out=st.frozensets(st.sampled_from(PERSONS), max_size=3),
)
def test_every_way_over_a_snapshot_finds_the_records_that_reading_row_by_row_finds(
    tables: list[list[dict[str, Any]]], where: tuple[str | None, str | None],
    filtered: tuple[str | None, str | None], groups: list[str], parts: int, memory: int, left_out: frozenset[str],
) -> None:  # fmt: skip
    dataset = visits(Role.IDENTIFIER)
    plan = plan_of(sql_of(where, filtered, groups, "visits"), dataset)
    kept = [row for rows in tables for row in rows if row["person"] not in left_out]
    with tempfile.TemporaryDirectory() as name:
        folder, ref = Path(name), None
        for number, rows in enumerate(tables):
            ref = build(folder / f"{number}", layout(dataset), "v", batches(table_of(rows)), 10,
                        earlier=ref, parts=parts, memory=memory)  # fmt: skip
        assert ref is not None
        ref = exclude(folder / "less", ref, "v", Exclusions.of(pa.array(sorted(left_out), pa.large_utf8()), KEY))
        given = inputs(visits=ref)
        ways = [by_parts(plan, given, parts), scan._rows(plan, {}, given, Limits(threads=4))]
        with mock.patch.object(direct.Direct, "of", return_value=None):
            ways.append(by_parts(plan, given, parts))
    for found in (*ways, by_rows(plan, visits=table_of(kept))):
        check(plan, found, kept)
        assert found.values == ways[0].values


@pytest.mark.usefixtures("_small_blocks")
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    rows=ROWS,
    side=st.sampled_from(["JOIN", "LEFT JOIN"]),
    where=st.tuples(st.none() | st.sampled_from([*KNOWN, "sex = 'f'", "sex IS NULL"]), st.none() | st.just("flag")),
    filtered=st.tuples(st.none() | st.sampled_from(["sex = 'm'", "age < 5"]), st.none() | st.just("flag")),
    groups=st.sampled_from([[], ["sex"], ["flag", "sex"], ["town", "flag"]]),
    ours=st.sampled_from([1, 8]),
)
@example(rows=[], side="JOIN", where=(None, None), filtered=(None, None), groups=[], ours=2)
def test_a_row_that_a_join_drops_stays_a_record(
    rows: list[dict[str, Any]], side: str, where: tuple[str | None, str | None],
    filtered: tuple[str | None, str | None], groups: list[str], ours: int,
) -> None:  # fmt: skip
    dataset = visits(Role.IDENTIFIER)
    source = f"visits {side} people ON visits.person = people.id"
    plan = plan_of(sql_of(where, filtered, groups, source), dataset, PEOPLE)
    people = pa.Table.from_pylist(PEOPLE_ROWS)
    with tempfile.TemporaryDirectory() as name:
        left = build(Path(name) / "v", layout(dataset), "v", batches(table_of(rows)), 10, parts=ours)
        right = build(Path(name) / "p", layout(PEOPLE), "v", batches(people), 10, parts=4)
        found = by_parts(plan, inputs(visits=left, people=right), ours)
    for result in (found, by_rows(plan, visits=table_of(rows), people=people)):
        check(plan, result, rows, PEOPLE_ROWS)
        assert result.values == found.values


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    rows=ROWS,
    where=st.tuples(st.none() | st.sampled_from(KNOWN), st.none() | st.sampled_from(SECRET)),
    groups=st.sampled_from(GROUPS),
)
def test_a_row_is_a_record_of_each_of_its_units(
    rows: list[dict[str, Any]], where: tuple[str | None, str | None], groups: list[str]
) -> None:
    dataset = visits(Role.UNIT)
    plan = plan_of(sql_of(where, ("age < 5", None), groups, "visits"), dataset)
    assert [unit.column.name for unit in plan.unit_columns] == ["person", "doctor"]
    with tempfile.TemporaryDirectory() as name:
        ref = build(Path(name) / "v", layout(dataset), "v", batches(table_of(rows)), 10, parts=4)
        found = scan.scan(plan, {}, inputs(visits=ref), Limits(threads=4), 0, 1)
    # the snapshot's order is another one between units, and the same within each person; a doctor's rows follow it
    people, doctors = (told(records, KEY) for records in found.records)
    wanted = expected(plan, KEY, rows)
    assert people == wanted[0]
    assert {unit: sorted(labels) for unit, labels in doctors.items()} == {u: sorted(n) for u, n in wanted[1].items()}
    check(plan, by_rows(plan, visits=table_of(rows)), rows)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    rows=ROWS,
    side=st.sampled_from(["JOIN", "LEFT JOIN"]),
    where=st.tuples(st.none() | st.sampled_from([*KNOWN, "ward = 'x'"]), st.none() | st.just("flag")),
    groups=st.sampled_from([[], ["ward"], ["flag", "ward"]]),
)
def test_a_joined_unit_is_recorded_where_it_is_joined(
    rows: list[dict[str, Any]], side: str, where: tuple[str | None, str | None], groups: list[str]
) -> None:
    source = f"visits {side} staff ON visits.doctor = staff.id"
    plan = plan_of(sql_of(where, ("ward = 'y'", None), groups, source), visits(Role.IDENTIFIER), STAFF)
    assert [unit.column.table for unit in plan.unit_columns] == [0, 1]
    check(plan, by_rows(plan, visits=table_of(rows), staff=pa.Table.from_pylist(STAFF_ROWS)), rows, STAFF_ROWS)
