"""Registration writes the snapshot with the version: appended files add runs, exclusions make a version of their own."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError

from adapters.errors import OutOfDisk, SnapshotDamaged, SourceChanged
from adapters.open import open_source
from adapters.snapshot.index import FILE, Index, read_index
from adapters.source import Input, SourceSpec, take_manifest
from jobs.documents import DatasetRecord, RootKeys, SigningKey
from jobs.documents.data import check_follows
from jobs.errors import OutOfScope
from jobs.kinds.base import Limits
from jobs.kinds.statistics.plan.compile import compile_sql
from jobs.kinds.statistics.scan import scan
from jobs.schema import Bounds, CatalogueView, Column, ColumnType, Dataset, Holding, Role
from sandbox.catalogue.check import DataRefused
from sandbox.catalogue.register import leave_out, register
from sandbox.errors import InvalidSpec
from sandbox.keys import Trust
from sandbox.node.snapshots import SnapshotPlace, inputs
from sandbox.node.state import Held, NodeState
from sandbox.node.tables import exclusions

NOW = datetime(2026, 1, 2, tzinfo=UTC)
KEY = SigningKey.from_seed(bytes(range(32)))
SALES = Dataset(
    name="sales",
    unit="who",
    null_units="exclude",
    legal_basis="test",
    columns=(
        Column(name="who", type=ColumnType.STRING, role=Role.UNIT, unit_domain="person"),
        Column(name="x", type=ColumnType.INT, role=Role.MEASURE, bounds=Bounds(low="0", high="1000")),
    ),
)
OWNER = ("ewr", "node-ewr", [KEY], NOW)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[NodeState]:
    root = RootKeys(keys=(SigningKey.from_seed(bytes(32)).public.text,), threshold=1)
    made = NodeState(tmp_path / "node", Trust(root=root, origin="log.example/x"))
    yield made
    made.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def write(folder: Path, name: str, first: int, rows: int = 100) -> None:
    numbers = range(first, first + rows)
    who = [None if n % 10 == 9 else f"p{n % 7}" for n in numbers]
    pq.write_table(pa.table({"who": who, "x": [n % 500 for n in numbers]}), folder / f"{name}.parquet")


def registered(state: NodeState, path: Path, **options: Any) -> Held:
    wanted = {"rows_at_most": 10_000, "label": "v", "data_until": NOW, **options}
    return register(state, SALES, SourceSpec(kind="parquet", path=str(path)), *OWNER, **wanted)[0]


def index_of(held: Held) -> Index:
    assert held.snapshot is not None
    return read_index(Path(held.snapshot.folder), held.snapshot.digest)


def runs_of(held: Held) -> set[str]:
    return {run.name for run in index_of(held).runs}


def summed(given: dict[str, Input]) -> tuple[int, int]:
    holding = Holding(dataset="sales", owner="o", node="n", provider="p", version_commitment="x", max_rows=10_000)
    plan = compile_sql(
        "SELECT COUNT(*) AS n, SUM(x) AS s FROM sales", CatalogueView(datasets=(SALES,), holdings=(holding,))
    )
    found = scan(plan, {}, given, Limits(threads=1), 0, 1)
    return found.values[0][0], found.values[-1][0]


def truth(*names: str, folder: Path, without: str = "") -> tuple[int, int]:
    rows = [row for name in names for row in pq.read_table(folder / f"{name}.parquet").to_pylist()]
    kept = [row["x"] for row in rows if row["who"] is not None and row["who"] != without]
    return len(kept), sum(kept)


def test_a_job_reads_the_snapshot_and_not_the_files(state: NodeState, folder: Path) -> None:
    write(folder, "a", 0)
    wanted = truth("a", folder=folder)
    held = registered(state, folder)
    assert (index_of(held).rows, index_of(held).unitless) == (90, 10)
    (folder / "a.parquet").unlink()
    assert summed(inputs(state, {"sales": held})) == wanted


@pytest.mark.parametrize("pattern", ["", "*.parquet", "[ab].parquet"])
def test_appended_files_add_runs_and_nothing_else_is_written(state: NodeState, folder: Path, pattern: str) -> None:
    write(folder, "a", 0)
    first = registered(state, folder / pattern)
    write(folder, "b", 1000, rows=50)
    second = registered(state, folder / pattern)
    assert second.version != first.version
    assert runs_of(first) < runs_of(second)
    assert len(index_of(second).runs) == 2
    assert (index_of(second).rows, index_of(second).unitless) == (135, 15)
    assert summed(inputs(state, {"sales": second})) == truth("a", "b", folder=folder)
    assert summed(inputs(state, {"sales": first})) == truth("a", folder=folder)  # a job that has begun goes on
    write(folder, "a", 5)  # a file that changed: everything is written anew
    third = registered(state, folder / pattern)
    assert not runs_of(third) & runs_of(second)
    assert summed(inputs(state, {"sales": third})) == truth("a", "b", folder=folder)


def test_a_pattern_takes_only_what_matches(state: NodeState, folder: Path) -> None:
    for name in ("2023-a", "2024-a", "2024-b"):
        write(folder, name, 0)
    held = registered(state, folder / "2024-*")
    assert [file.name for file in held.manifest.files] == ["2024-a.parquet", "2024-b.parquet"]
    assert summed(inputs(state, {"sales": held})) == truth("2024-a", "2024-b", folder=folder)


def test_bad_appended_rows_register_nothing(state: NodeState, folder: Path) -> None:
    write(folder, "a", 0)
    first = registered(state, folder)
    pq.write_table(pa.table({"who": ["p"], "x": [5000]}), folder / "b.parquet")
    with pytest.raises(DataRefused, match="x is outside its bounds"):
        registered(state, folder)
    with state.read() as connection:
        assert state.held(connection) == {"sales": first}


def test_no_room_registers_nothing(state: NodeState, folder: Path) -> None:
    write(folder, "a", 0, rows=500_000)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # the database's files are smaller than this, a column of the snapshot is not
    resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, hard))
    try:
        with pytest.raises(OutOfDisk):
            registered(state, folder, rows_at_most=500_000, place=SnapshotPlace(folder.parent / "elsewhere"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with state.read() as connection:
        assert state.held(connection) == {}
    assert list((folder.parent / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("encrypt", [False, True])
def test_a_lost_snapshot_is_written_anew_from_the_registered_files(
    state: NodeState, folder: Path, encrypt: bool
) -> None:
    write(folder, "a", 0)
    held = registered(state, folder, place=SnapshotPlace(encrypt=encrypt))
    assert held.snapshot is not None
    assert (held.snapshot.key is not None) is encrypt
    for _ in range(2):
        (Path(held.snapshot.folder) / FILE).unlink()
        assert summed(inputs(state, {"sales": held})) == truth("a", folder=folder)
    with state.read() as connection:
        again = state.held(connection)["sales"].snapshot
    assert again is not None
    assert again != held.snapshot
    (Path(again.folder) / FILE).unlink()
    write(folder, "a", 1)
    with pytest.raises(SourceChanged):
        inputs(state, {"sales": held})


def test_excluded_units_make_a_version_that_leaves_them_out_for_good(state: NodeState, folder: Path) -> None:
    write(folder, "a", 0)
    first = registered(state, folder)
    (second,) = leave_out(state, "person", ["p3", "nobody"], *OWNER).held
    assert (second.version != first.version, second.sequence) == (True, 2)
    assert second.manifest == first.manifest
    assert index_of(second).runs == index_of(first).runs
    assert summed(inputs(state, {"sales": second})) == truth("a", folder=folder, without="p3")
    assert summed(inputs(state, {"sales": first})) == truth("a", folder=folder)
    write(folder, "b", 500)
    third = registered(state, folder)  # new data does not bring them back
    assert summed(inputs(state, {"sales": third})) == truth("a", "b", folder=folder, without="p3")
    assert third.snapshot is not None
    (Path(third.snapshot.folder) / FILE).unlink()  # nor does writing it anew
    assert summed(inputs(state, {"sales": third})) == truth("a", "b", folder=folder, without="p3")


def test_exclusions_only_grow_and_name_nobody(state: NodeState, folder: Path) -> None:
    write(folder, "a", 0)
    registered(state, folder)
    leave_out(state, "person", ["p3"], *OWNER)
    leave_out(state, "person", ["p3", "p4"], *OWNER)
    with state.read() as connection:
        rows = list(connection.execute(select(exclusions)))
    assert len(rows) == 2
    assert b"p3" not in b"".join(row.unit_hash for row in rows)
    for statement in (delete(exclusions), update(exclusions).values(at="never")):
        with pytest.raises(IntegrityError, match="append only"), state.write() as connection:
            connection.execute(statement)
    with pytest.raises(InvalidSpec, match="unit domain"):
        leave_out(state, "aircraft", ["p3"], *OWNER)


def test_an_exclusion_keeps_the_lineage_and_tells_a_class_of_numbers_only(state: NodeState, folder: Path) -> None:
    write(folder, "a", 0)
    first = record_of(registered(state, folder))
    assert (first.lineage, first.changed_below) == (first.version, None)
    (second,) = leave_out(state, "person", ["p3"], *OWNER).held
    (third,) = leave_out(state, "person", ["p3", "p4"], *OWNER).held
    (nobody,) = leave_out(state, "person", ["not here"], *OWNER).held
    rows = {who: sum(n % 10 != 9 and n % 7 == who for n in range(100)) for who in (3, 4)}
    assert (second.changed_rows, third.changed_rows, nobody.changed_rows) == (rows[3], rows[4], 0)
    for held, bound in ((second, 100), (third, 100), (nobody, 10)):
        record = record_of(held)
        assert (record.lineage, record.changed_below) == (first.lineage, bound)
        assert record.version == held.version != first.version
        assert str(held.changed_rows) not in {str(value) for value in record.model_dump().values()}
        check_follows(record, first)
    again = record_of(registered(state, folder))  # the control: new data begins a lineage of its own
    assert (again.lineage, again.changed_below) == (again.version, None)
    assert again.lineage != first.lineage


def test_whoever_was_left_out_before_changes_nothing(state: NodeState, folder: Path) -> None:
    write(folder, "a", 0)
    registered(state, folder)
    (second,) = leave_out(state, "person", ["p3"], *OWNER).held
    (same,) = leave_out(state, "person", ["p3"], *OWNER).held
    assert (same.version, same.record) == (second.version, second.record)


def test_the_set_grows_with_all_its_versions_or_not_at_all(state: NodeState, folder: Path) -> None:
    """No room for the second dataset's snapshot: nobody is excluded, and both datasets are as they were."""
    write(folder, "a", 0)
    before = registered(state, folder)
    other = SALES.model_copy(update={"name": "visits"})
    spec = SourceSpec(kind="parquet", path=str(folder))
    visits, _ = register(state, other, spec, *OWNER, rows_at_most=10_000, label="v", data_until=NOW)
    assert visits.snapshot is not None
    index = Path(visits.snapshot.folder) / FILE
    whole = index.read_bytes()
    index.write_bytes(b"{}")
    with pytest.raises(SnapshotDamaged):
        leave_out(state, "person", ["p3"], *OWNER)
    with state.read() as connection:
        assert list(connection.execute(select(exclusions))) == []
        assert {name: held.version for name, held in state.held(connection).items()} == {
            "sales": before.version,
            "visits": visits.version,
        }
    names = {path.name for path in (state.folder / "snapshots").iterdir()}
    assert names == {held.version.removeprefix("sha256:") for held in (before, visits)}
    index.write_bytes(whole)
    assert len(leave_out(state, "person", ["p3"], *OWNER).held) == 2  # the control


EXCLUSIONS: dict[str, dict[str, Any]] = {
    "of data that is not here": {"lineage": "sha256:" + "0" * 64},
    "of more rows": {"rows_at_most": 20_000},
    "of other columns": {"schema_digest": "sha256:" + "0" * 64},
    "of other declarations": {"dataset_digest": "sha256:" + "0" * 64},
    "until later": {"data_until": datetime(2027, 1, 2, tzinfo=UTC)},
}


@pytest.mark.parametrize("name", EXCLUSIONS)
def test_what_calls_itself_an_exclusion_and_is_more_is_refused(state: NodeState, folder: Path, name: str) -> None:
    """It would keep grants for data that their owner never agreed to, or carry another bound into range proofs."""
    write(folder, "a", 0)
    first = record_of(registered(state, folder))
    (second,) = leave_out(state, "person", ["p3"], *OWNER).held
    check_follows(record_of(second), first)  # the control
    bent = DatasetRecord.model_validate(record_of(second).model_dump() | EXCLUSIONS[name])
    with pytest.raises(OutOfScope):
        check_follows(bent, first)
    with pytest.raises(OutOfScope):
        check_follows(record_of(second), None)


def record_of(held: Held) -> DatasetRecord:
    return DatasetRecord.open(held.record)


def test_old_versions_folders_go_and_the_last_two_stay(state: NodeState, folder: Path) -> None:
    write(folder, "a", 0)
    made = [registered(state, folder) for _ in range(3)]
    names = {path.name for path in (state.folder / "snapshots").iterdir()}
    assert names == {held.version.removeprefix("sha256:") for held in made[1:]}


def test_a_manifest_reads_only_files_that_are_not_known(folder: Path) -> None:
    write(folder, "a", 0)
    spec = SourceSpec(kind="parquet", path=str(folder))
    first = take_manifest(open_source(spec))
    known = first.model_copy(update={"files": (first.files[0].model_copy(update={"sha256": "0" * 64}),)})
    assert take_manifest(open_source(spec), known) == known  # the control: it was not read
    write(folder, "a", 1)
    assert take_manifest(open_source(spec), known).files[0].sha256 not in ("0" * 64, first.files[0].sha256)
