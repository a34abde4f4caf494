"""A scan of a snapshot in the order of units finds what the step over the files finds, for whatever was registered.

Under a profile that lets conditions mix known and secret columns; records are compared in ``test_snapshot_records``.
Random tables with nulls, rows without a unit, negatives, decimals and dates; random plans; 1 to 16 parts; appended runs,
full buffers, blocks of a few rows, encrypted files, excluded units.
"""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from adapters.snapshot.build import Layout, build, exclude
from adapters.snapshot.exclusions import Exclusions
from adapters.snapshot.read import Snapshot, SnapshotRows
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

BIG = 10**9
VISITS = Dataset(
    name="visits",
    unit="person",
    null_units="exclude",
    legal_basis="test",
    profile="open@1",
    columns=(
        Column(name="person", type=ColumnType.STRING, role=Role.UNIT, unit_domain="person"),
        Column(name="town", type=ColumnType.STRING, role=Role.KNOWN, domain=("a", "b's", "c")),
        Column(name="street", type=ColumnType.STRING, role=Role.KNOWN),
        Column(name="flag", type=ColumnType.BOOL, role=Role.SENSITIVE),
        Column(name="score", type=ColumnType.INT, role=Role.MEASURE, bounds=Bounds(low="-50", high="90")),
        Column(
            name="cost",
            type=ColumnType.DECIMAL,
            role=Role.MEASURE,
            decimals=2,
            bounds=Bounds(low="-9.99", high="999.99"),
        ),
        Column(name="large", type=ColumnType.INT, role=Role.MEASURE, bounds=Bounds(low=str(-BIG), high=str(BIG))),
        Column(name="day", type=ColumnType.DATE, role=Role.KNOWN, bounds=Bounds(low="2024-01-01", high="2024-12-31")),
        Column(
            name="at", type=ColumnType.TIMESTAMP, role=Role.KNOWN, bounds=Bounds(low="2024-01-01", high="2024-12-31")
        ),
    ),
)
PEOPLE = Dataset(
    name="people",
    unit="id",
    legal_basis="test",
    profile="open@1",
    unique_keys=(("id",),),
    columns=(
        Column(name="id", type=ColumnType.STRING, role=Role.UNIT, unit_domain="person", nullable=False),
        Column(name="age", type=ColumnType.INT, role=Role.KNOWN, bounds=Bounds(low="0", high="120")),
        Column(name="sex", type=ColumnType.STRING, role=Role.KNOWN, domain=("f", "m")),
    ),
)
ARROW = pa.schema(
    [("person", pa.string()), ("town", pa.string()), ("street", pa.string()), ("flag", pa.bool_()), ("score", pa.int32()),
     ("cost", pa.float64()), ("large", pa.int64()), ("day", pa.date32()), ("at", pa.timestamp("ms"))]
)  # fmt: skip
PERSONS = [f"p{i}" for i in range(9)] + ["", "ü"]
PEOPLE_ROWS = pa.table(
    {"id": PERSONS[1:], "age": [7, 30, None, 120, 18, 65, 66, 2, 40, 41], "sex": ["f", "m", None, "f"] + ["m", "f"] * 3}
)
ROW = st.fixed_dictionaries(
    {
        "person": st.none() | st.sampled_from(PERSONS),
        "town": st.none() | st.sampled_from(["a", "b's", "c"]),
        "street": st.none() | st.sampled_from(["x", "y street", ""]),
        "flag": st.none() | st.booleans(),
        "score": st.none() | st.integers(-50, 90),
        "cost": st.none() | st.integers(-999, 99999).map(lambda cents: cents / 100),
        "large": st.none() | st.integers(-BIG, BIG),
        "day": st.none() | st.dates(dt.date(2024, 1, 1), dt.date(2024, 12, 31)),
        "at": st.none() | st.datetimes(dt.datetime(2024, 1, 1), dt.datetime(2024, 12, 31)).map(lambda t: t.replace(microsecond=0, fold=0)),
    }
)  # fmt: skip
ROWS = st.lists(ROW, max_size=30)
TABLES = ["score > 3", "NOT (score BETWEEN 0 AND 40)", "town IN ('a', 'b''s')", "town <> 'c' OR flag", "flag IS NULL",
          "flag AND NOT score = 7", "town LIKE 'b%' OR cost >= 12.34", "score NOT IN (1, 2, 3)", "large < 12",
          "FLOOR(score / 7) = -2 OR score + 1 = 5", "day >= '2024-05-01'", "at < '2024-06-01T12:00:00'", "large IS NULL",
          "MONTH(day) IN (1, 7) OR large <= -3", "cost IN (1.5, 2)", "NOT (large = 5)", "LEFT(town, 1) = 'b'",
          "COALESCE(score, 9) > 3", "DATEDIFF('day', DATE '2024-03-01', at) > 5", "(score > 3 OR flag) IS NOT TRUE"]  # fmt: skip
RENDERED = [
    "cost * 2 - score < 100.5",
    "score < large",
    "street = 'y street'",
    "HOUR(at) < 7 AND score > 0",
    "DATEDIFF('day', day, at) > 3",
]
GROUPS = [[], ["town"], ["town", "flag"], ["FLOOR(score / 20) * 20"], ["MONTH(day)"], ["YEAR(at)", "town"], ["COALESCE(town, 'none')", "score > 7"],
          ["CASE WHEN score < 10 THEN 'low' WHEN score < 50 THEN 'high' END", "flag"]]  # fmt: skip
STATISTICS = [
    "SUM(score * cost)",
    "CORR(score, cost)",
    "COUNT(*)",
    "COUNT(score)",
    "SUM(score)",
    "AVG(cost)",
    "VAR_SAMP(score)",
    "VAR_POP(cost)",
    "SUM(large)",
]
KEY = bytes(range(32))


def plan_of(sql: str, rows: int = 1000) -> Plan:
    holdings = tuple(
        Holding(dataset=name, owner="o", node="n", provider="p", version_commitment="x", max_rows=rows)
        for name in ("visits", "people")
    )
    return compile_sql(sql, CatalogueView(datasets=(VISITS, PEOPLE), holdings=holdings))


def layout(dataset: Dataset, seal: bool = False) -> Layout:
    return Layout(dataset.name, "d", dataset.unit, "person", stored_columns(dataset), KEY, bytes(32) if seal else None)


def batches(table: pa.Table, size: int = 7) -> Iterator[pa.RecordBatch]:
    return iter(table.to_batches(max_chunksize=size))


def inputs(**refs: SnapshotRef) -> dict[str, Input]:
    return {name: Input(SourceSpec(kind="parquet", path="none"), Manifest(files=()), ref) for name, ref in refs.items()}


def by_parts(plan: Plan, given: dict[str, Input], parts: int) -> LocalResult:
    limits = Limits(memory_bytes=256 << 20, threads=1)
    return merge([scan.scan(plan, {}, given, limits, part, parts) for part in range(parts)])


def from_files(plan: Plan, **tables: pa.Table) -> LocalResult:
    def opener(table: pa.Table) -> Any:
        return lambda names: table.select(list(names)).to_reader(max_chunksize=7)

    return run_local(plan, {}, {name: opener(table) for name, table in tables.items()})


def check_same(found: LocalResult, wanted: LocalResult) -> None:
    assert found.values == wanted.values
    assert found.rows_scanned == wanted.rows_scanned
    for ours, theirs in zip(found.evidence, wanted.evidence, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            assert (a.units.tolist(), a.top1, a.top2, a.total) == (b.units.tolist(), b.top1, b.top2, b.total)
            assert (a.unit, a.measure) == (b.unit, b.measure)


def table_of(rows: Sequence[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=ARROW)


@pytest.fixture
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of four rows: units that are larger, and blocks in several runs, in a table of thirty rows."""
    monkeypatch.setattr(direct.Direct, "block_rows", 4)
    monkeypatch.setattr(ordered.Rendered, "block_rows", 5)


@pytest.mark.usefixtures("_small_blocks")
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    parts_of_rows=st.lists(ROWS, min_size=1, max_size=3),
    where=st.none() | st.sampled_from(TABLES + RENDERED),
    filtered=st.none() | st.sampled_from(TABLES + RENDERED),
    groups=st.sampled_from(GROUPS),
    parts=st.sampled_from([1, 2, 4, 16]),
    memory=st.sampled_from([1, 1 << 20]),
    seal=st.booleans(),
    left_out=st.frozensets(st.sampled_from(PERSONS), max_size=3),
)
def test_the_ordered_scan_finds_what_the_step_over_the_files_finds(
    parts_of_rows: list[list[dict[str, Any]]], where: str | None, filtered: str | None, groups: list[str], parts: int,
    memory: int, seal: bool, left_out: frozenset[str],
) -> None:  # fmt: skip
    outputs = [*groups, *STATISTICS, *([f"SUM(score) FILTER (WHERE {filtered})"] if filtered else [])]
    sql = f"SELECT {', '.join(f'{o} AS o{i}' for i, o in enumerate(outputs))} FROM visits"
    sql += f" WHERE {where}" if where else ""
    plan = plan_of(sql + (f" GROUP BY {', '.join(groups)}" if groups else ""))
    assert decide_way(plan, "person").name == "ordered"
    with tempfile.TemporaryDirectory() as name:
        folder, ref = Path(name), None
        for number, rows in enumerate(parts_of_rows):
            ref = build(folder / f"{number}", layout(VISITS, seal), "v", batches(table_of(rows)), 10,
                        earlier=ref, parts=parts, memory=memory)  # fmt: skip
        assert ref is not None
        whole = table_of([row for rows in parts_of_rows for row in rows])
        check_same(by_parts(plan, inputs(visits=ref), parts), from_files(plan, visits=whole))
        without = table_of([r for rows in parts_of_rows for r in rows if r["person"] not in left_out])
        less = exclude(folder / "less", ref, "v", Exclusions.of(pa.array(sorted(left_out), pa.large_utf8()), KEY))
        found = by_parts(plan, inputs(visits=less), parts)
        check_same(replace(found, rows_scanned=0), replace(from_files(plan, visits=without), rows_scanned=0))


@pytest.mark.usefixtures("_small_blocks")
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=ROWS, side=st.sampled_from(["JOIN", "LEFT JOIN"]), ours=st.sampled_from([1, 2, 8]),
       theirs=st.sampled_from([1, 4, 8]))  # fmt: skip
@example(rows=[], side="JOIN", ours=2, theirs=8)
def test_tables_of_one_unit_domain_join_part_by_part(
    rows: list[dict[str, Any]], side: str, ours: int, theirs: int
) -> None:
    plan = plan_of(
        f"SELECT sex, COUNT(*) AS n, SUM(score) AS s, COUNT(age) FILTER (WHERE age > 20 AND score > 0) AS a "
        f"FROM visits {side} people ON visits.person = people.id GROUP BY sex"
    )
    with tempfile.TemporaryDirectory() as name:
        left = build(Path(name) / "v", layout(VISITS), "v", batches(table_of(rows)), 10, parts=ours)
        right = build(Path(name) / "p", layout(PEOPLE), "v", batches(PEOPLE_ROWS), 10, parts=theirs)
        found = by_parts(plan, inputs(visits=left, people=right), ours)
        check_same(found, from_files(plan, visits=table_of(rows), people=PEOPLE_ROWS))


@settings(max_examples=20, deadline=None)
@given(rows=st.lists(ROW, max_size=40))
def test_sums_beyond_64_bits_keep_every_digit(rows: list[dict[str, Any]]) -> None:
    plan = plan_of("SELECT town, VAR_POP(large) AS v, SUM(large) AS s FROM visits GROUP BY town", rows=1 << 20)
    assert plan.ring_bits == 128
    with tempfile.TemporaryDirectory() as name:
        ref = build(Path(name) / "v", layout(VISITS), "v", batches(table_of(rows)), 10, parts=4)
        check_same(by_parts(plan, inputs(visits=ref), 4), from_files(plan, visits=table_of(rows)))


@settings(max_examples=20, deadline=None)
@given(rows=ROWS, parts=st.sampled_from([1, 4]), memory=st.sampled_from([1, 1 << 20]))
def test_a_snapshot_holds_the_rows_that_have_a_unit(rows: list[dict[str, Any]], parts: int, memory: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        ref = build(Path(name) / "v", layout(VISITS), "v", batches(table_of(rows)), 10, parts=parts, memory=memory)
        names = [field.name for field in ARROW if field.name != "cost"]
        found = SnapshotRows(Snapshot(ref), block_rows=3).read(names).read_all()
    wanted = [{key: row[key] for key in names} for row in rows if row["person"] is not None]
    assert sorted(map(repr, found.to_pylist())) == sorted(map(repr, wanted))
