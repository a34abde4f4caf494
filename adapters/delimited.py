"""CSV files, alone or as a (hive-partitioned) folder. Every column is text here: what it stands for is declared above.

Arrow's own guess looks at the first block of a file: codes lose their leading zeros, and what comes late does not fit.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.dataset as pads

from adapters.errors import BadSource
from adapters.files import BATCH_ROWS, found_files
from adapters.text.encoding import Encoding

_BLOCK_BYTES: Final = 4 << 20
"""Parsed at once; a single row may not be larger."""
_UNEVEN: Final = re.compile(r"Expected (\d+) columns, got (\d+)")


class CsvSource:
    """One table of texts in one or more files with one header. A blank is an empty text here."""

    def __init__(
        self,
        path: str,
        encoding: Encoding = "utf-8",
        delimiter: str = ",",
        partitioning: Literal["hive"] | None = None,
        only: frozenset[str] | None = None,
    ) -> None:
        self._encoding, self._delimiter = encoding, delimiter
        self._files, self._folder = found_files(Path(path), "csv", only)
        read = pacsv.ReadOptions(encoding=encoding, block_size=_BLOCK_BYTES)
        parsed = pacsv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
        headers = {file: self._header(file, read, parsed) for file in self._files}
        names = headers[self._files[0]]
        for file, header in headers.items():
            if sorted(header) != sorted(names):
                raise BadSource(f"the files differ in their columns: {file.name} and the first")
        convert = pacsv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False)
        options = pads.CsvFragmentScanOptions(convert_options=convert, read_options=read)
        format_ = pads.CsvFileFormat(parse_options=parsed, default_fragment_scan_options=options)
        base = str(self._folder) if partitioning else None
        with _typed_errors(self._files[0], encoding, delimiter):
            self._dataset = pads.dataset(
                [str(file) for file in self._files],
                format=format_,
                partitioning=partitioning,
                partition_base_dir=base,
            )

    @property
    def schema(self) -> pa.Schema:
        return self._dataset.schema

    def read(self, columns: Sequence[str]) -> pa.RecordBatchReader:
        """Stream batches, file after file, each in the order of its rows."""
        if missing := sorted(set(columns) - set(self.schema.names)):
            raise BadSource(f"the data has no column {missing[0]!r}")
        schema = pa.schema([self.schema.field(name) for name in columns])
        return pa.RecordBatchReader.from_batches(schema, self._batches(schema))

    @property
    def folder(self) -> Path:
        return self._folder

    def files(self) -> tuple[Path, ...]:
        return self._files

    def _batches(self, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        for fragment in self._dataset.get_fragments():
            with _typed_errors(Path(fragment.path), self._encoding, self._delimiter):
                scanner = fragment.scanner(
                    schema=self.schema, columns=schema.names, batch_size=BATCH_ROWS, batch_readahead=4
                )
                for batch in scanner.to_reader():
                    yield batch.cast(schema)

    def _header(self, file: Path, read: pacsv.ReadOptions, parsed: pacsv.ParseOptions) -> list[str]:
        with _typed_errors(file, self._encoding, self._delimiter), pacsv.open_csv(str(file), read, parsed) as reader:
            names: list[str] = reader.schema.names
        if len(set(names)) < len(names):
            raise BadSource(f"{file.name} has two columns of one name: give each its own")
        return names


@contextmanager
def _typed_errors(file: Path, encoding: Encoding, delimiter: str) -> Iterator[None]:
    """Arrow's own texts about a file quote its values, so they stay here."""
    try:
        yield
    except (UnicodeError, pa.ArrowException, OSError) as error:
        text = str(error)
        if isinstance(error, UnicodeError) or "invalid UTF8" in text:
            text = f"is not text in {encoding}: declare its encoding (under source:, or with --encoding)"
        elif uneven := _UNEVEN.search(text):
            row = _uneven_row(file, encoding, delimiter, int(uneven[1]))
            text = f"has {uneven[1]} columns, and {uneven[2]} values {row}: another delimiter, or a quote left open?"
        elif "multiple columns named" in text:
            text = "has two columns of one name: give each its own"
        elif "Empty CSV" in text:
            text = "is empty: a CSV begins with a row of column names"
        else:
            text = "cannot be read as CSV to its end"
        raise BadSource(f"{file.name} {text}") from None


def _uneven_row(file: Path, encoding: Encoding, delimiter: str, columns: int) -> str:
    """Which row, counted from 1 without the header: Arrow counts blocks, so they are counted again."""
    with pa.input_stream(str(file), compression="detect") as stream:
        text = io.TextIOWrapper(io.BufferedReader(stream), encoding, errors="replace", newline="")
        rows = (row for row in csv.reader(text, delimiter=delimiter) if row)
        found = next((number for number, row in enumerate(rows) if len(row) != columns), None)
    return "in some row" if found is None else f"in row {found}"
