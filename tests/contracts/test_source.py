"""What every ``Source`` must do: one suite for files, folders and databases. Another kind joins by one line in KINDS."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import duckdb
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from adapters.errors import AdapterError, BadSource, SourceChanged, SourceNotFound
from adapters.open import open_source
from adapters.postgresql import PostgresTable, copy_table
from adapters.source import ReadColumn, SourceSpec, check_unchanged, take_manifest
from sandbox.local.postgres import Server

CANARY = "canary-4711"
TABLE = pa.table(
    {
        "carrier": pa.array(["AA", "UA", None, CANARY] * 25),
        "delay": pa.array([*range(99), None], pa.int64()),
        "year": pa.array([2012, 2013] * 50, pa.int32()),
    }
)
COLUMNS = ("carrier", "delay", "year")


def parquet_file(folder: Path) -> SourceSpec:
    pq.write_table(TABLE, folder / "t.parquet")
    return SourceSpec(kind="parquet", path=str(folder / "t.parquet"))


def parquet_folder(folder: Path) -> SourceSpec:
    (folder / "deep").mkdir()
    pq.write_table(TABLE.slice(0, 60), folder / "a.parquet")
    pq.write_table(TABLE.slice(60), folder / "deep" / "b.parquet")
    return SourceSpec(kind="parquet", path=str(folder))


def hive_folder(folder: Path) -> SourceSpec:
    for year in (2012, 2013):
        part = TABLE.filter(pa.compute.equal(TABLE["year"], year)).drop_columns(["year"])
        (folder / f"year={year}").mkdir()
        pq.write_table(part, folder / f"year={year}" / "part.parquet")
    return SourceSpec(kind="parquet", path=str(folder), partitioning="hive")


def csv_file(folder: Path) -> SourceSpec:
    pa.csv.write_csv(TABLE, folder / "t.csv")
    return SourceSpec(kind="csv", path=str(folder / "t.csv"))


def csv_folder(folder: Path) -> SourceSpec:
    pa.csv.write_csv(TABLE.slice(0, 60), folder / "a.csv")
    pa.csv.write_csv(TABLE.slice(60), folder / "b.csv")
    return SourceSpec(kind="csv", path=str(folder))


def arrow_file(folder: Path) -> SourceSpec:
    with pa.OSFile(str(folder / "t.arrow"), "wb") as sink, pa.ipc.new_file(sink, TABLE.schema) as writer:
        writer.write_table(TABLE)
    return SourceSpec(kind="arrow", path=str(folder / "t.arrow"))


def feather_file(folder: Path) -> SourceSpec:
    pa.feather.write_feather(TABLE, str(folder / "t.feather"))
    return SourceSpec(kind="arrow", path=str(folder / "t.feather"))


def duckdb_file(folder: Path, name: str = "t") -> SourceSpec:
    with duckdb.connect(str(folder / "t.duckdb")) as connection:
        connection.register("source", TABLE)
        quoted = name.replace('"', '""')
        connection.execute(f'CREATE TABLE "{quoted}" AS SELECT * FROM source')
    return SourceSpec(kind="duckdb", path=str(folder / "t.duckdb"), table=name)


def odd_duckdb_file(folder: Path) -> SourceSpec:
    return duckdb_file(folder, 'odd "name"; DROP TABLE t')


def postgresql_table(folder: Path, server: Server) -> SourceSpec:
    """The copy that registration makes and reads from then on."""
    values = [tuple(row.values()) for row in TABLE.to_pylist()]
    server.sql("DROP TABLE IF EXISTS t", "CREATE TABLE t (carrier text, delay bigint, year integer)")
    with server.connect() as connection:
        connection.cursor().executemany("INSERT INTO t VALUES (%s, %s, %s)", values)
    table = PostgresTable(host=str(server.socket), port=server.port, database="postgres", user="owner", table="t")
    return copy_table(table, folder / "t.parquet")


KINDS: dict[str, Callable[[Path], SourceSpec]] = {
    "parquet file": parquet_file,
    "parquet folder": parquet_folder,
    "hive folder": hive_folder,
    "csv file": csv_file,
    "csv folder": csv_folder,
    "arrow file": arrow_file,
    "feather file": feather_file,
    "duckdb table": duckdb_file,
    "duckdb table of an odd name": odd_duckdb_file,
}


@dataclass(frozen=True)
class Made:
    spec: SourceSpec
    folder: Path

    @property
    def file(self) -> Path:
        return open_source(self.spec).files()[0]


@pytest.fixture(params=[*KINDS, "postgresql table"])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Made:
    folder = tmp_path / "data"
    folder.mkdir()
    if request.param == "postgresql table":
        return Made(postgresql_table(folder, request.getfixturevalue("postgresql")), folder)
    return Made(KINDS[request.param](folder), folder)


def rows(reader: pa.RecordBatchReader) -> list[tuple[object, ...]]:
    columns = [[str(value) for value in column.to_pylist()] for column in reader.read_all().columns]
    return sorted(zip(*columns, strict=True))


def expected(*columns: str) -> list[tuple[object, ...]]:
    return rows(TABLE.select(list(columns)).to_reader())


def test_the_schema_names_all_columns(made: Made) -> None:
    assert sorted(open_source(made.spec).schema.names) == list(COLUMNS)


@pytest.mark.parametrize("columns", [COLUMNS, COLUMNS[::-1], ("delay",), ("year", "carrier")])
def test_columns_come_as_asked_in_that_order(made: Made, columns: tuple[str, ...]) -> None:
    reader = open_source(made.spec).read(columns)
    assert tuple(reader.schema.names) == columns
    assert rows(reader) == expected(*columns)


def test_each_read_is_a_fresh_pass(made: Made) -> None:
    source = open_source(made.spec)
    half_read = source.read(["delay"])
    next(iter(half_read))
    first, second = source.read(["delay"]), source.read(["delay"])
    assert rows(first) == rows(second) == expected("delay")


def test_a_reader_outlives_its_source(made: Made) -> None:
    reader = open_source(made.spec).read(["delay"])
    assert rows(reader) == expected("delay")


def test_a_database_can_stream_from_it(made: Made) -> None:
    with duckdb.connect() as connection:
        connection.register("t", open_source(made.spec).read(["carrier", "delay"]))
        assert connection.execute("SELECT count(*), sum(delay) FROM t").fetchone() == (100, sum(range(99)))


def test_an_unknown_column_is_refused_by_name(made: Made) -> None:
    with pytest.raises(BadSource, match="no column 'wind'"):
        open_source(made.spec).read(["delay", "wind"])


def test_reading_changes_nothing(made: Made) -> None:
    source = open_source(made.spec)
    manifest = take_manifest(source)
    source.read(["delay"]).read_all()
    check_unchanged(source, manifest)
    check_unchanged(open_source(made.spec), manifest)
    assert sorted(path.name for path in made.folder.rglob("*.wal")) == []


def test_a_missing_file_is_said_without_its_folder(made: Made) -> None:
    shutil.rmtree(made.folder)
    with pytest.raises(SourceNotFound) as error:
        open_source(made.spec)
    assert str(made.folder.parent) not in str(error.value)


def test_a_file_of_another_kind_is_refused(made: Made) -> None:
    if made.spec.kind == "csv":
        return  # nearly every text is a CSV file
    for file in open_source(made.spec).files():
        file.write_bytes(CANARY.encode() * 100)
    with pytest.raises(BadSource) as error:
        open_source(made.spec)
    assert CANARY not in str(error.value)


def test_the_manifest_is_stable_and_covers_every_file(made: Made) -> None:
    source = open_source(made.spec)
    manifest = take_manifest(source)
    assert manifest == take_manifest(open_source(made.spec))
    assert len(manifest.files) == len(source.files())
    assert manifest.content() == take_manifest(source).content()


def test_the_manifests_content_survives_a_copy_and_its_identity_does_not(made: Made, tmp_path: Path) -> None:
    manifest = take_manifest(open_source(made.spec))
    shutil.copytree(made.folder, tmp_path / "copy")
    spec = made.spec.model_copy(update={"path": made.spec.path.replace(str(made.folder), str(tmp_path / "copy"))})
    copied = take_manifest(open_source(spec))
    assert copied.content() == manifest.content()
    with pytest.raises(SourceChanged):
        check_unchanged(open_source(spec), manifest)


def edit(file: Path) -> None:
    """One byte in place, same size, the old time stamp set back."""
    status = file.stat()
    with file.open("r+b") as stream:
        stream.seek(-2, os.SEEK_END)
        byte = stream.read(1)
        stream.seek(-2, os.SEEK_END)
        stream.write(bytes([byte[0] ^ 1]))
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


def replace(file: Path) -> None:
    """Another file with the same bytes under the same name."""
    fresh = file.with_name("fresh.tmp")
    shutil.copy2(file, fresh)
    fresh.replace(file)


def touch(file: Path) -> None:
    os.utime(file, ns=(1, 1))


@pytest.mark.parametrize("what", [edit, replace, touch, Path.unlink])
def test_a_change_behind_an_open_source_is_caught(made: Made, what: Callable[[Path], None]) -> None:
    source = open_source(made.spec)
    manifest = take_manifest(source)
    what(made.file)
    with pytest.raises(SourceChanged):
        check_unchanged(source, manifest)


def test_an_edit_changes_the_manifests_content(made: Made) -> None:
    source = open_source(made.spec)
    before = take_manifest(source).content()
    edit(made.file)
    assert take_manifest(source).content() != before


@pytest.mark.parametrize("build", [parquet_folder, hive_folder, csv_folder])
@pytest.mark.parametrize("change", ["added", "removed", "renamed"])
def test_a_folder_with_other_files_is_another_version(
    tmp_path: Path, build: Callable[[Path], SourceSpec], change: str
) -> None:
    spec = build(tmp_path)
    files = open_source(spec).files()
    manifest = take_manifest(open_source(spec))
    if change == "added":
        shutil.copy(files[0], files[0].with_name("zz" + files[0].suffix))
    elif change == "removed":
        files[-1].unlink()
    else:
        files[0].rename(files[0].with_name("zz" + files[0].suffix))
    with pytest.raises(SourceChanged):
        check_unchanged(open_source(spec), manifest)


def test_a_renamed_partition_is_another_version(tmp_path: Path) -> None:
    """The folder's name is data: with it the value of every row changes, and no file does."""
    folder = tmp_path / "year=2012"
    folder.mkdir()
    pq.write_table(TABLE.drop_columns(["year"]), folder / "part.parquet")
    spec = SourceSpec(kind="parquet", path=str(tmp_path), partitioning="hive")
    manifest = take_manifest(open_source(spec))
    folder.rename(tmp_path / "year=2013")
    changed = open_source(spec)
    with pytest.raises(SourceChanged):
        check_unchanged(changed, manifest)
    assert take_manifest(changed).content() != manifest.content()


MIXED = {
    "another type": TABLE.set_column(1, "delay", TABLE["delay"].cast(pa.float64())),
    "a column less": TABLE.drop_columns(["delay"]),
    "a column more": TABLE.append_column("wind", TABLE["delay"]),
    "another name": TABLE.rename_columns(["carrier", "late", "year"]),
}


@pytest.mark.parametrize(
    ("kind", "how"),
    # a CSV has texts only: of another type it cannot be, and what is no number is told with its row
    [(kind, how) for kind in ("parquet", "csv", "arrow") for how in MIXED if (kind, how) != ("csv", "another type")],
)
def test_mixed_schemas_are_refused(tmp_path: Path, kind: Literal["parquet", "csv", "arrow"], how: str) -> None:
    other = MIXED[how]
    for name, table in (("a", TABLE), ("b", other)):
        file = str(tmp_path / f"{name}.{kind}")
        if kind == "parquet":
            pq.write_table(table, file)
        elif kind == "csv":
            pa.csv.write_csv(table, file)
        else:
            pa.feather.write_feather(table, file)
    with pytest.raises(BadSource, match=r"differ in their columns( or types)?: b\."):
        open_source(SourceSpec(kind=kind, path=str(tmp_path)))


def test_a_value_that_does_not_fit_late_in_a_csv_is_a_typed_error_without_the_value(tmp_path: Path) -> None:
    lines = ["delay", *("1" for _ in range(2_000_000)), CANARY]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    columns = (ReadColumn(name="delay", column="delay", type="int"),)
    source = open_source(SourceSpec(kind="csv", path=str(tmp_path / "t.csv"), columns=columns))
    with pytest.raises(AdapterError, match=r"column delay: row 2000001 is no whole number") as error:
        source.read(["delay"]).read_all()
    assert CANARY not in str(error.value)


def test_an_empty_folder_has_no_source(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(SourceNotFound, match="no parquet file"):
        open_source(SourceSpec(kind="parquet", path=str(tmp_path)))


@pytest.mark.parametrize("table", [None, "missing"])
def test_a_database_without_the_table_is_refused(tmp_path: Path, table: str | None) -> None:
    duckdb_file(tmp_path)
    with pytest.raises(BadSource, match="table"):
        open_source(SourceSpec(kind="duckdb", path=str(tmp_path / "t.duckdb"), table=table))


def test_a_database_reaches_no_file_but_its_own(tmp_path: Path) -> None:
    """A view stored in the owner's database could read any file: the lock holds for it too."""
    (tmp_path / "secret.csv").write_text(f"x\n{CANARY}\n")
    with duckdb.connect(str(tmp_path / "t.duckdb")) as connection:
        connection.execute(f"CREATE VIEW v AS SELECT * FROM read_csv('{tmp_path / 'secret.csv'}')")
        assert connection.execute("SELECT * FROM v").fetchall() == [(CANARY,)]  # the view works where nothing is locked
    with pytest.raises(BadSource) as error:
        open_source(SourceSpec(kind="duckdb", path=str(tmp_path / "t.duckdb"), table="v")).read(["x"]).read_all()
    assert CANARY not in str(error.value)


def test_a_folder_that_links_out_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    pq.write_table(TABLE, tmp_path / "other.parquet")
    (tmp_path / "data" / "a.parquet").symlink_to(tmp_path / "other.parquet")
    with pytest.raises(BadSource, match="links to files outside"):
        open_source(SourceSpec(kind="parquet", path=str(tmp_path / "data")))
