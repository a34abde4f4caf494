"""Parquet and Arrow files, alone or as a (hive-partitioned) folder, through pyarrow datasets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Literal

import pyarrow as pa
import pyarrow.dataset as pads

from adapters.errors import BadSource, SourceNotFound

FileKind = Literal["parquet", "csv", "arrow"]
_SUFFIXES: Final[dict[str, tuple[str, ...]]] = {
    "parquet": (".parquet", ".pq"),
    "csv": (".csv", ".csv.gz", ".tsv"),
    "arrow": (".arrow", ".feather", ".ipc"),
}
BATCH_ROWS: Final = 131_072


class FileSource:
    """One table in one or more files of a kind: a file, all files of a folder, or those that match a pattern.

    All files share a schema; a partitioned folder adds its keys.
    """

    def __init__(
        self,
        kind: Literal["parquet", "arrow"],
        path: str,
        partitioning: Literal["hive"] | None = None,
        only: frozenset[str] | None = None,
    ) -> None:
        self._files, self._folder = found_files(Path(path), kind, only)
        base = str(self._folder) if partitioning else None
        files = [str(file) for file in self._files]
        try:
            self._dataset = pads.dataset(
                files, format=_format(kind), partitioning=partitioning, partition_base_dir=base
            )
            self._check_one_schema(kind)
            self._read_from = self._dataset
            if texts := [field.name for field in self._dataset.schema if pa.types.is_string(field.type)]:
                coded = _format(kind, texts)
                self._read_from = pads.dataset(files, format=coded, partitioning=partitioning, partition_base_dir=base)
        except (pa.ArrowException, OSError):
            raise BadSource(f"{Path(path).name} cannot be read as {kind}") from None

    @property
    def schema(self) -> pa.Schema:
        return self._dataset.schema

    def read(self, columns: Sequence[str]) -> pa.RecordBatchReader:
        """Stream batches of at most 131,072 rows; a few are read ahead, so memory stays bounded.

        Text of Parquet files stays dictionary-coded as it is stored: who counts groups and units counts small numbers.
        """
        if missing := sorted(set(columns) - set(self.schema.names)):
            raise BadSource(f"the data has no column {missing[0]!r}")
        scanner = self._read_from.scanner(
            columns=list(columns), batch_size=BATCH_ROWS, batch_readahead=4, fragment_readahead=1
        )
        return pa.RecordBatchReader.from_batches(scanner.projected_schema, _typed(scanner.to_reader()))

    @property
    def folder(self) -> Path:
        return self._folder

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


def found_files(path: Path, kind: FileKind, only: frozenset[str] | None) -> tuple[tuple[Path, ...], Path]:
    """The files, sorted, and the folder that their names are relative to; raises ``SourceNotFound``, ``BadSource``."""
    files = _find(path, kind)
    folder = files[0].parent if path.is_file() else base_folder(path).resolve()
    if only is not None:
        files = tuple(file for file in files if file.relative_to(folder).as_posix() in only)
        if not files:
            raise SourceNotFound("none of the named files is there")
    return files, folder


def base_folder(path: Path) -> Path:
    """The folder itself, or of a pattern (``sales/2024-*/*.parquet``) the longest part without a wildcard."""
    while any(set("*?[") & set(part) for part in path.parts):
        path = path.parent
    return path


def _typed(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """Arrow's own texts about a file that ends badly quote its values, so they stay here."""
    try:
        yield from reader
    except (pa.ArrowException, OSError) as error:
        raise BadSource(f"a file cannot be read to its end: {type(error).__name__}") from None


def _format(kind: FileKind, texts: Sequence[str] = ()) -> pads.FileFormat | str:
    if kind == "parquet" and texts:
        return pads.ParquetFileFormat(dictionary_columns=list(texts))
    return "feather" if kind == "arrow" else kind


def _find(path: Path, kind: FileKind) -> tuple[Path, ...]:
    suffixes = _SUFFIXES[kind]
    if path.is_file():
        return (path.resolve(),)
    folder = base_folder(path)
    if not folder.is_dir():
        raise SourceNotFound(f"there is no file or folder {path.name}")
    found = path.rglob("*") if folder == path else folder.glob(path.relative_to(folder).as_posix())
    files = sorted(file.resolve() for file in found if file.is_file() and file.name.endswith(suffixes))
    if any(not file.is_relative_to(folder.resolve()) for file in files):
        raise BadSource(f"folder {path.name} links to files outside of it: a version is what lies in one folder")
    if not files:
        raise SourceNotFound(f"folder {path.name} has no {kind} file ({', '.join(suffixes)})")
    return tuple(files)
