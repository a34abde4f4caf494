"""A snapshot on a bad disk, or in bad hands: a typed error, never a wrong number. And no snapshot by halves."""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from adapters.errors import BadSource, OutOfDisk, SnapshotDamaged
from adapters.snapshot.build import Layout, build
from adapters.snapshot.columns import StoredColumn
from adapters.snapshot.files import ArrowFile
from adapters.snapshot.index import FILE, MAX_RUNS, read_index
from adapters.snapshot.present import check_present, condemn_if_damaged
from adapters.snapshot.read import Snapshot, SnapshotRows
from adapters.snapshot.ref import SnapshotRef
from adapters.snapshot.sealed import CHUNK

KEY, SEAL = bytes(range(32)), bytes(range(1, 33))
COLUMNS = (StoredColumn(name="who", kind="string"), StoredColumn(name="x", kind="int"))
ROWS = 3000


def layout(seal: bytes | None = None) -> Layout:
    return Layout("t", "d", "who", "person", COLUMNS, KEY, seal)


def table(first: int = 0, rows: int = ROWS) -> pa.Table:
    numbers = range(first, first + rows)
    return pa.table({"who": [f"p{n % 50}" for n in numbers], "x": list(numbers)})


def made(folder: Path, seal: bytes | None = None, rows: int = ROWS, parts: int = 2) -> SnapshotRef:
    return build(folder, layout(seal), "v", table(rows=rows).to_batches(max_chunksize=1000), rows, parts=parts)


def total(ref: SnapshotRef) -> int:
    return sum(sum(batch.column(0).to_pylist()) for batch in SnapshotRows(Snapshot(ref)).read(["x"]))


def a_file(ref: SnapshotRef, name: str = "x.column") -> Path:
    return next(Path(ref.folder).glob(f"*/{name}"))


def flip(file: Path) -> None:
    """Change one value, and put the times back as an ordinary user can."""
    before = file.stat()
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


DAMAGES: dict[str, Callable[[SnapshotRef], object]] = {
    "a flipped bit": lambda ref: flip(a_file(ref)),
    "a cut file": lambda ref: os.truncate(a_file(ref), 100),
    "a longer file": lambda ref: a_file(ref).open("ab").write(b"\0"),
    "a missing file": lambda ref: a_file(ref).unlink(),
    "a missing run": lambda ref: shutil.rmtree(a_file(ref).parent),
    "flipped units": lambda ref: flip(a_file(ref, "units.arrow")),
    "another index": lambda ref: (Path(ref.folder) / FILE).write_text("{}"),
    "no index": lambda ref: (Path(ref.folder) / FILE).unlink(),
    "no folder": lambda ref: shutil.rmtree(ref.folder),
}


@pytest.mark.parametrize("seal", [None, SEAL], ids=["plain", "encrypted"])
@pytest.mark.parametrize("read_before", [False, True])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_changed_snapshot_is_an_error(tmp_path: Path, damage: str, read_before: bool, seal: bytes | None) -> None:
    ref = made(tmp_path / "s", seal)
    if read_before:
        assert total(ref) == sum(range(ROWS))
    DAMAGES[damage](ref)
    with pytest.raises(SnapshotDamaged):
        total(ref)
    condemn_if_damaged(ref)
    with pytest.raises(SnapshotDamaged):
        check_present(ref)


def test_the_control_without_the_check_a_flipped_bit_is_a_wrong_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = made(tmp_path / "s")
    flip(a_file(ref))
    monkeypatch.setattr(ArrowFile, "check", lambda self: None)
    assert total(ref) != sum(range(ROWS))


def test_a_sound_snapshot_is_not_condemned(tmp_path: Path) -> None:
    ref = made(tmp_path / "s")
    condemn_if_damaged(ref)
    check_present(ref)
    assert total(ref) == sum(range(ROWS))


@pytest.fixture
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Encryption must hold alone: digests are not looked at."""
    monkeypatch.setattr(ArrowFile, "check", lambda self: None)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("what", ["flip", "cut", "swap files", "swap chunks", "another key"])
def test_encrypted_files_are_bound_to_their_key_and_place(tmp_path: Path, what: str) -> None:
    ref = made(tmp_path / "s", SEAL, rows=400_000, parts=1)
    assert total(ref) == sum(range(400_000))
    file = a_file(ref)
    data = file.read_bytes()
    piece = CHUNK + 16
    assert len(data) > 32 + 2 * piece
    match what:
        case "flip":
            flip(file)
        case "cut":
            file.write_bytes(data[: 32 + 2 * piece])
        case "swap files":
            file.write_bytes(a_file(made(tmp_path / "other", SEAL, rows=400_000, parts=1)).read_bytes())
        case "swap chunks":
            file.write_bytes(
                data[:32] + data[32 + piece : 32 + 2 * piece] + data[32 : 32 + piece] + data[32 + 2 * piece :]
            )
        case "another key":
            ref = SnapshotRef(ref.folder, ref.digest, ref.rows, bytes(32))
    with pytest.raises(SnapshotDamaged):
        total(ref)


def test_no_value_lies_in_the_clear_where_the_owner_asks_for_encryption(tmp_path: Path) -> None:
    def found(ref: SnapshotRef) -> bool:
        return any(b"p49" in file.read_bytes() for file in Path(ref.folder).rglob("*") if file.is_file())

    assert found(made(tmp_path / "plain"))  # the control
    assert not found(made(tmp_path / "sealed", SEAL))
    assert repr(SEAL)[2:-1] not in repr(made(tmp_path / "other", SEAL))


def test_a_source_that_ends_badly_leaves_nothing(tmp_path: Path) -> None:
    bad = [*table().to_batches(), pa.record_batch({"who": ["p"], "x": ["no number"]})]
    with pytest.raises(BadSource):
        build(tmp_path / "s", layout(), "v", bad, ROWS)
    assert list(tmp_path.iterdir()) == []


def test_no_room_is_a_typed_error_and_leaves_nothing(tmp_path: Path) -> None:
    """A limit on the size of files stands for a full disk: the same call fails in the same place."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(OutOfDisk):
            made(tmp_path / "s")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []
    assert total(made(tmp_path / "s")) == sum(range(ROWS))


def test_appends_add_runs_that_are_made_one_in_time(tmp_path: Path) -> None:
    ref = made(tmp_path / "0")
    first = {run.name for run in read_index(Path(ref.folder), ref.digest).runs}
    for number in range(1, MAX_RUNS + 2):
        earlier = ref
        rows = table(first=ROWS * number).to_batches()
        ref = build(tmp_path / f"{number}", layout(), f"v{number}", rows, ROWS, earlier=earlier)
        index = read_index(Path(ref.folder), ref.digest)
        runs = [len(index.runs_of(part)) for part in range(2)]
        assert runs == ([number + 1] * 2 if number < MAX_RUNS else [number - MAX_RUNS + 1] * 2)
        if number == 1:
            linked = next(run for run in index.runs if run.name in first)
            assert (Path(ref.folder) / linked.name / "x.column").stat().st_nlink == 2
        assert total(earlier) == sum(range(ROWS * number))
    shutil.rmtree(tmp_path / "0")
    assert total(ref) == sum(range(ROWS * (MAX_RUNS + 2)))
