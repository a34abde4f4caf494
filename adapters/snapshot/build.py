"""A snapshot's folder, whole or not at all: built under another name, renamed when it is complete.

``build`` writes a new one; given an earlier one of the same table whose rows all stay, it links that one's runs and
writes runs for the new rows only. ``exclude`` links all runs and writes the larger set of exclusions.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from adapters.errors import OutOfDisk
from adapters.snapshot.columns import StoredColumn
from adapters.snapshot.compact import compact
from adapters.snapshot.exclusions import Exclusions
from adapters.snapshot.files import ArrowFileWriter
from adapters.snapshot.index import MAX_RUNS, Index, Run, StoredFile, read_index, write_index
from adapters.snapshot.present import EXCLUSIONS
from adapters.snapshot.prints import PRINT
from adapters.snapshot.ref import SnapshotRef
from adapters.snapshot.write import MEMORY, PartitionedWriter, parts_for


@dataclass(frozen=True)
class Layout:
    """What is stored of a table, and under which keys. ``seal_key``: encrypt at rest. ``printed``: columns that are no
    secret, by which its rows are known (``prints``)."""

    dataset: str
    dataset_digest: str
    unit: str
    unit_domain: str
    columns: tuple[StoredColumn, ...]
    unit_key: bytes = field(repr=False)
    seal_key: bytes | None = field(default=None, repr=False)
    printed: tuple[str, ...] = ()


def build(
    folder: Path,
    layout: Layout,
    data_digest: str,
    batches: Iterable[pa.RecordBatch],
    rows: int,
    exclusions: Exclusions = Exclusions(),
    earlier: SnapshotRef | None = None,
    parts: int | None = None,
    memory: int = MEMORY,
) -> SnapshotRef:
    """Write the snapshot ``folder`` of these batches (and of all rows of ``earlier``, of the same layout and keys).

    ``rows``: about how many there will be, to choose the number of ``parts``. Raises ``BadSource``, ``OutOfDisk``, or
    ``SnapshotDamaged`` of an earlier one; nothing of it is left then.
    """
    base = read_index(Path(earlier.folder), earlier.digest) if earlier is not None else None
    parts = base.parts if base is not None else parts or parts_for(rows)
    with _making(folder) as making:
        writer = PartitionedWriter(
            making, layout.columns, layout.unit, parts, layout.unit_key, layout.seal_key, memory, layout.printed
        )
        fresh = writer.add_all(batches)
        index = Index(
            dataset=layout.dataset,
            dataset_digest=layout.dataset_digest,
            data_digest=data_digest,
            unit=layout.unit,
            unit_domain=layout.unit_domain,
            columns=(*layout.columns, PRINT),
            parts=parts,
            rows=writer.rows + (base.rows if base else 0),
            unitless=writer.unitless + (base.unitless if base else 0),
            runs=tuple(fresh),
            sealed=layout.seal_key is not None,
            exclusions=_write_exclusions(making, exclusions, layout.seal_key),
        )
        index = _compacted(making, index, layout.seal_key, most=1)
        if base is not None and earlier is not None:
            _link(Path(earlier.folder), making, base.runs)
            index = index.model_copy(update={"runs": _sorted((*base.runs, *index.runs))})
            index = _compacted(making, index, layout.seal_key, most=MAX_RUNS)
        digest = write_index(making, index)
    return SnapshotRef(str(folder), digest, index.rows, layout.seal_key)


def exclude(folder: Path, earlier: SnapshotRef, data_digest: str, exclusions: Exclusions) -> SnapshotRef:
    """The same rows under a larger set of exclusions: no row is written again."""
    base = read_index(Path(earlier.folder), earlier.digest)
    with _making(folder) as making:
        _link(Path(earlier.folder), making, base.runs)
        stored = _write_exclusions(making, exclusions, earlier.key)
        index = base.model_copy(update={"data_digest": data_digest, "exclusions": stored})
        digest = write_index(making, index)
    return SnapshotRef(str(folder), digest, index.rows, earlier.key)


@contextmanager
def _making(folder: Path) -> Iterator[Path]:
    """A folder beside the wanted one, which takes its name at the end; removed if anything goes wrong."""
    making = folder.with_name(f"{folder.name}.making-{secrets.token_hex(4)}")
    making.mkdir(parents=True, mode=0o700)
    try:
        yield making
        if folder.exists():
            old = folder.with_name(f"{folder.name}.old-{secrets.token_hex(4)}")
            folder.rename(old)
            making.rename(folder)
            shutil.rmtree(old, ignore_errors=True)
        else:
            making.rename(folder)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise OutOfDisk("no room for the snapshot; nothing was registered: free space and try again") from None
        raise
    finally:
        shutil.rmtree(making, ignore_errors=True)


def _compacted(folder: Path, index: Index, key: bytes | None, most: int) -> Index:
    """Make one run of every part that has more than ``most``."""
    runs = list(index.runs)
    for part, count in Counter(run.part for run in runs).items():
        if count > most:
            several = [run for run in runs if run.part == part]
            one = compact(folder, index, several, key)
            runs = [run for run in runs if run.part != part] + [one]
            for run in several:
                shutil.rmtree(folder / run.name)
    return index.model_copy(update={"runs": _sorted(runs)})


def _sorted(runs: Sequence[Run]) -> tuple[Run, ...]:
    """By part; of one part as they came, so that equal rows of a unit keep their order when others are appended."""
    return tuple(sorted(runs, key=lambda run: run.part))


def _link(source: Path, target: Path, runs: Sequence[Run]) -> None:
    for run in runs:
        (target / run.name).mkdir()
        for name in run.files:
            try:
                os.link(source / run.name / name, target / run.name / name)
            except FileNotFoundError:
                raise
            except OSError:  # a file system without links
                shutil.copyfile(source / run.name / name, target / run.name / name)


def _write_exclusions(folder: Path, exclusions: Exclusions, key: bytes | None) -> StoredFile | None:
    if not exclusions:
        return None
    high, low = exclusions.arrays()
    schema = pa.schema([("high", pa.uint64()), ("low", pa.uint64())])
    writer = ArrowFileWriter(folder / EXCLUSIONS, schema, key, EXCLUSIONS)
    writer.write(pa.RecordBatch.from_arrays([pa.array(high), pa.array(low)], schema=schema))
    return writer.close()
