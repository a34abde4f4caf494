"""Parquet, CSV and Arrow files, alone or as a (hive-partitioned) folder, through pyarrow datasets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

import pyarrow as pa
import pyarrow.dataset as pads

from adapters.errors import BadSource, SourceNotFound

FileKind = Literal["parquet", "csv", "arrow"]
_SUFFIXES: Final[dict[str, tuple[str, ...]]] = {
    "parquet": (".parquet", ".pq"),
    "csv": (".csv", ".csv.gz"),
    "arrow": (".arrow", ".feather", ".ipc"),
}
_BATCH_ROWS: Final = 131_072


class FileSource:
    """One table in one or more files of a kind. All files share a schema; a partitioned folder adds its keys."""

    def __init__(self, kind: FileKind, path: str, partitioning: Literal["hive"] | None = None) -> None:
        self._files = _find(Path(path), kind)
        format_: str = "feather" if kind == "arrow" else kind
        try:
            self._dataset = pads.dataset(
                [str(file) for file in self._files],
                format=format_,
                partitioning=partitioning,
                partition_base_dir=str(Path(path).resolve()) if partitioning else None,
            )
            self._check_one_schema(kind)
        except (pa.ArrowInvalid, pa.ArrowTypeError, OSError):
            raise BadSource(f"{Path(path).name} cannot be read as {kind}") from None

    @property
    def schema(self) -> pa.Schema:
        return self._dataset.schema

    def read(self, columns: Sequence[str]) -> pa.RecordBatchReader:
        """Stream batches of at most 131,072 rows; a few are read ahead, so memory stays bounded."""
        if missing := sorted(set(columns) - set(self.schema.names)):
            raise BadSource(f"the data has no column {missing[0]!r}")
        scanner = self._dataset.scanner(
            columns=list(columns), batch_size=_BATCH_ROWS, batch_readahead=4, fragment_readahead=1
        )
        return scanner.to_reader()

    def files(self) -> tuple[Path, ...]:
        return self._files

    def _check_one_schema(self, kind: FileKind) -> None:
        """Mixed schemas would be read as nulls without a word; so every fragment must have the first one's."""
        first: pa.Schema | None = None
        for fragment in self._dataset.get_fragments():
            physical = fragment.physical_schema.remove_metadata()
            if first is not None and not physical.equals(first):
                raise BadSource(f"the files differ in their columns or types: {Path(fragment.path).name} and the first")
            first = physical


def _find(path: Path, kind: FileKind) -> tuple[Path, ...]:
    suffixes = _SUFFIXES[kind]
    if path.is_file():
        return (path.resolve(),)
    if not path.is_dir():
        raise SourceNotFound(f"there is no file or folder {path.name}")
    files = sorted(file.resolve() for file in path.rglob("*") if file.is_file() and file.name.endswith(suffixes))
    if not files:
        raise SourceNotFound(f"folder {path.name} has no {kind} file ({', '.join(suffixes)})")
    return tuple(files)
