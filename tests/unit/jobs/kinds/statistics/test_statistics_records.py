"""What a part's records are: all rows of every unit in one order, with labels over known columns alone."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from adapters.snapshot.build import Layout, build
from adapters.snapshot.ref import SnapshotRef
from adapters.source import Input, Manifest, SourceSpec
from jobs.disclosure.gate import Records
from jobs.kinds.base import Limits
from jobs.kinds.statistics import direct, scan
from jobs.kinds.statistics.errors import DataViolatesDeclaration, OutOfLocalMemory
from jobs.kinds.statistics.evidence import LocalResult, merge
from jobs.kinds.statistics.plan.bases import partitions
from jobs.kinds.statistics.plan.compile import compile_sql
from jobs.kinds.statistics.plan.types import Plan
from jobs.kinds.statistics.run import run_local
from jobs.schema import CatalogueView, Dataset, Holding
from jobs.stored import stored_columns
from tests.support.recorded import expected, told

KEY = bytes(range(32))
LIMITS = Limits(memory_bytes=256 << 20, threads=1)
COLUMNS: list[dict[str, Any]] = [
    {"name": "person", "type": "string", "role": "unit", "unit_domain": "person"},
    {"name": "town", "type": "string", "role": "known", "nullable": False, "domain": ["a", "b"]},
    {"name": "place", "type": "int", "role": "known", "nullable": False, "domain": list(range(40))},
    {"name": "ill", "type": "bool", "role": "sensitive", "nullable": False},
]
ARROW = pa.schema([("person", pa.string()), ("town", pa.string()), ("place", pa.int32()), ("ill", pa.bool_())])
ROWS = [
    {"person": f"p{n * 7 % 5}", "town": "ab"[n % 2], "place": n, "ill": n % 3 == 0} for n in range(40)
]  # eight rows of each of five people, no two alike in ``place``


def dataset(profile: str = "standard@2") -> Dataset:
    return Dataset.model_validate(
        {"name": "visits", "unit": "person", "legal_basis": "law", "profile": profile, "columns": COLUMNS,
         "null_units": "exclude"}
    )  # fmt: skip


def plan_of(sql: str, profile: str = "standard@2") -> Plan:
    made = dataset(profile)
    holding = Holding(dataset="visits", owner="o", node="n", provider="p", version_commitment="x", max_rows=1000)
    return compile_sql(sql, CatalogueView(datasets=(made,), holdings=(holding,)))


def snapshot(folder: Path, *tables: Sequence[dict[str, Any]], parts: int = 2) -> SnapshotRef:
    layout = Layout("visits", "d", "person", "person", stored_columns(dataset()), KEY, None)
    ref = None
    for number, rows in enumerate(tables):
        batches = iter(pa.Table.from_pylist(list(rows), schema=ARROW).to_batches(max_chunksize=3))
        ref = build(folder / f"{number}", layout, "v", batches, 10, earlier=ref, parts=parts)
    assert ref is not None
    return ref


def ordered_scan(plan: Plan, ref: SnapshotRef, parts: int = 2) -> LocalResult:
    given = {"visits": Input(SourceSpec(kind="parquet", path="none"), Manifest(files=()), ref)}
    return merge([scan.scan(plan, {}, given, LIMITS, part, parts) for part in range(parts)])


def row_scan(plan: Plan, rows: Sequence[dict[str, Any]], limits: Limits = LIMITS) -> LocalResult:
    table = pa.Table.from_pylist(list(rows), schema=ARROW)
    return run_local(plan, {}, {"visits": lambda names: table.select(list(names)).to_reader(max_chunksize=3)}, limits)


def labels(result: LocalResult) -> list[list[int]]:
    return [label.tolist() for label in result.records[0].labels]


@pytest.mark.parametrize("where", ["town = 'a'", "place NOT IN (3, 8, 13)", "ill", "town = 'b' AND ill"])
@pytest.mark.parametrize("database", [False, True])
def test_a_record_has_its_place_in_every_query(
    where: str, database: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = snapshot(tmp_path, ROWS[:17], ROWS[17:30], ROWS[30:])
    if database:
        monkeypatch.setattr(direct.Direct, "of", lambda *_: None)
    everything = ordered_scan(plan_of("SELECT place, COUNT(*) AS n FROM visits GROUP BY place"), ref).records[0]
    some = ordered_scan(plan_of(f"SELECT place, COUNT(*) AS n FROM visits WHERE {where} GROUP BY place"), ref).records[
        0
    ]
    assert np.array_equal(everything.units, some.units)
    assert np.array_equal(everything.rows, some.rows)
    domain = plan_of(f"SELECT place, COUNT(*) AS n FROM visits WHERE {where} GROUP BY place").dimensions[0].domain
    (whole,), (part,) = everything.labels, some.labels
    inside = part >= 0
    assert [domain[base] for base in part[inside]] == whole[inside].tolist()
    assert inside.sum() == {"town = 'a'": 20, "place NOT IN (3, 8, 13)": 37, "ill": 40}.get(where, 20)


def test_rows_that_are_appended_come_after_those_of_the_same_unit(tmp_path: Path) -> None:
    plan = plan_of("SELECT place, COUNT(*) AS n FROM visits GROUP BY place")
    tables = [ROWS[at : at + 4] for at in range(0, 40, 4)]  # more runs than a part keeps
    before = told(ordered_scan(plan, snapshot(tmp_path / "less", *tables[:5])).records[0], KEY)
    after = told(ordered_scan(plan, snapshot(tmp_path / "more", *tables)).records[0], KEY)
    assert before
    assert all(after[unit][: len(found)] == found for unit, found in before.items())


def test_secret_conditions_and_groups_change_no_label(tmp_path: Path) -> None:
    ref = snapshot(tmp_path, ROWS)
    plain = ordered_scan(plan_of("SELECT town, COUNT(*) AS n FROM visits GROUP BY town"), ref)
    for sql in (
        "SELECT town, COUNT(*) AS n FROM visits WHERE ill GROUP BY town",
        "SELECT town, COUNT(*) FILTER (WHERE NOT ill) AS n FROM visits GROUP BY town",
        "SELECT ill, town, COUNT(*) AS n FROM visits GROUP BY ill, town",
    ):
        assert labels(ordered_scan(plan_of(sql), ref)) == labels(plain), sql


def test_each_known_filter_is_a_partition_of_its_own(tmp_path: Path) -> None:
    sql = (
        "SELECT COUNT(*) AS n, COUNT(*) FILTER (WHERE town = 'a') AS a, "
        "COUNT(*) FILTER (WHERE town = 'a' AND ill) AS b, COUNT(DISTINCT person) AS p FROM visits"
    )
    plan = plan_of(sql)
    assert len(partitions(plan)) == 2
    found = ordered_scan(plan, snapshot(tmp_path, ROWS))
    assert [sum(base == 0 for base in label) for label in labels(found)] == [40, 20]
    assert told(found.records[0], KEY) == expected(plan, KEY, ROWS)[0]
    assert told(row_scan(plan, ROWS).records[0], KEY) == expected(plan, KEY, ROWS)[0]


@pytest.mark.parametrize("way", ["tables", "database", "rows"])
def test_a_base_outside_its_groups_domain_ends_the_scan_although_a_secret_condition_leaves_the_row_out(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the domain is what WHERE leaves of it, so data that breaks it cannot be registered: the plan is changed instead
    plan = plan_of("SELECT town, COUNT(*) AS n FROM visits WHERE ill GROUP BY town")
    plan = plan.model_copy(update={"dimensions": (plan.dimensions[0].model_copy(update={"domain": ("a",)}),)})
    rows = [
        {"person": "p", "town": "a", "place": 0, "ill": True},
        {"person": "q", "town": "b", "place": 1, "ill": False},
    ]
    if way == "database":
        monkeypatch.setattr(direct.Direct, "of", lambda *_: None)
    with pytest.raises(DataViolatesDeclaration):
        row_scan(plan, rows) if way == "rows" else ordered_scan(plan, snapshot(tmp_path, rows))


def test_an_exact_profile_has_no_records(tmp_path: Path) -> None:
    plan = plan_of("SELECT town, COUNT(*) AS n FROM visits GROUP BY town", "open@1")
    for result in (ordered_scan(plan, snapshot(tmp_path, ROWS)), row_scan(plan, ROWS)):
        (records,) = result.records
        assert (len(records.units), records.count, [len(label) for label in records.labels]) == (0, 0, [0])
        assert sum(result.values[0]) == 40


def test_a_part_without_rows_has_no_records(tmp_path: Path) -> None:
    plan = plan_of("SELECT town, COUNT(*) AS n FROM visits GROUP BY town")
    nobody = [{"person": None, "town": "a", "place": 0, "ill": True}]
    empty = pa.Table.from_pylist([], schema=ARROW)
    for result in (
        ordered_scan(plan, snapshot(tmp_path, nobody)),
        row_scan(plan, nobody),
        run_local(plan, {}, {"visits": lambda names: empty.select(list(names)).to_reader()}, LIMITS),
    ):
        (records,) = result.records
        assert (len(records.units), records.count, [len(label) for label in records.labels]) == (0, 0, [0])


def test_records_that_do_not_fit_into_memory_end_the_step() -> None:
    plan = plan_of("SELECT COUNT(*) AS n FROM visits")
    rows = [{"person": "p" * 60_000, "town": "a", "place": 0, "ill": True}] * 250
    with pytest.raises(OutOfLocalMemory):
        row_scan(plan, rows, Limits(memory_bytes=40 << 20, threads=1))


def test_records_travel_between_processes_without_a_copy(tmp_path: Path) -> None:
    plan = plan_of("SELECT town, COUNT(*) AS n FROM visits GROUP BY town")
    for result in (ordered_scan(plan, snapshot(tmp_path, ROWS)), row_scan(plan, ROWS)):
        buffers: list[pickle.PickleBuffer] = []
        data = pickle.dumps(result.records, protocol=5, buffer_callback=buffers.append)
        (records,) = pickle.loads(data, buffers=buffers)  # noqa: S301 - made above
        assert isinstance(records, Records)
        assert told(records, KEY) == told(result.records[0], KEY)
        # units (both halves, or offsets and texts), rows and labels lie outside the pickle
        assert len(buffers) >= 3
        assert sum(buffer.raw().nbytes for buffer in buffers) >= 4 * 40 + 4 * 5
