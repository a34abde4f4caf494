"""How one owner's files are read: the ``source:`` section of its dataset file. It stays at the node; nobody signs it.

The declaration that all holders sign says what columns mean; in which encoding, under which headers and with which
dates they lie in one owner's files is that owner's own.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Annotated, Any, Final

import pyarrow as pa
from pydantic import Field, model_validator

from adapters.source import ReadColumn, SourceSpec
from adapters.text.dates import Format, check_unambiguous
from adapters.text.encoding import Encoding
from jobs.schema import Column, ColumnType, Dataset, Model, Name
from sandbox.errors import InvalidSpec

_DELIMITERS: Final = (",", ";", "\t", "|")
_HEADER_BYTES: Final = 1 << 16


class ColumnReading(Model):
    """How one column lies in this owner's files, where that is not what its name and type say."""

    column: Annotated[str, Field(min_length=1, max_length=400)] | None = None
    """The header in the file, where it is not the column's name; a header may be any text."""
    formats: Annotated[tuple[Format, ...], Field(max_length=8)] = ()
    """Of dates and times in texts: %Y %m %d %H %M %S, all else stands for itself; tried in order. Without it, ISO."""

    @model_validator(mode="after")
    def _one_meaning(self) -> ColumnReading:
        check_unambiguous(self.formats)
        return self


class Reading(Model):
    """How this owner's files are read. What it leaves out is UTF-8, commas, headers that are names, ISO dates."""

    encoding: Encoding = "utf-8"
    """Of a CSV."""
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    """What stands between the values of a CSV."""
    columns: dict[Name, ColumnReading] = Field(default_factory=dict)
    """Columns whose header or dates are others, under their names."""


class DatasetFile(Dataset):
    """What all holders of one table declare and sign, and under ``source`` what is this owner's own."""

    source: Reading = Field(default_factory=Reading)
    """How this owner's files are read: it stays at the node, nobody signs it, and it may differ between holders."""

    @property
    def signed(self) -> Dataset:
        """What all holders sign."""
        return Dataset.model_validate({name: getattr(self, name) for name in Dataset.model_fields})


def read_as(dataset: Dataset, spec: SourceSpec, reading: Reading) -> SourceSpec:
    """The source under the names and types that the dataset declares; raises ``InvalidSpec`` for other columns."""
    known = {column.name for column in dataset.columns}
    if foreign := sorted(set(reading.columns) - known):
        raise InvalidSpec(f"source: columns: {foreign[0]} is no column of {dataset.name}")
    made: dict[str, Any] = {"encoding": reading.encoding, "delimiter": reading.delimiter}
    columns = [_column(column, reading.columns.get(column.name, ColumnReading()), spec) for column in dataset.columns]
    made["columns"] = [column.model_dump() for column in columns if column is not None]
    return SourceSpec.model_validate(spec.model_dump() | made)


def headers_of(dataset: Dataset, reading: Reading) -> list[str]:
    """The declared columns as the source calls them."""
    given = {name: how.column for name, how in reading.columns.items()}
    return [given.get(column.name) or column.name for column in dataset.columns]


def _column(column: Column, reading: ColumnReading, spec: SourceSpec) -> ReadColumn | None:
    """``None`` for one that is read as it stands. Of typed files texts become dates only where formats say so."""
    if reading.formats and column.type not in (ColumnType.DATE, ColumnType.TIMESTAMP):
        raise InvalidSpec(f"source: columns: {column.name} is a {column.type.value}, which has no formats")
    header = reading.column or column.name
    if spec.kind != "csv" and header == column.name and not reading.formats and not column.fold:
        return None
    return ReadColumn(
        name=column.name,
        column=header,
        type=column.type.value if spec.kind == "csv" or reading.formats else None,
        formats=reading.formats,
        fold=column.fold,
    )


def delimiter_of(file: Path, encoding: Encoding) -> str:
    """The usual delimiter that cuts the row of headers into most columns."""
    with pa.input_stream(str(file), compression="detect") as stream:
        head = bytes(stream.read(_HEADER_BYTES)).decode(encoding, errors="replace").removeprefix("\ufeff")
    return max(_DELIMITERS, key=lambda sign: len(next(csv.reader(io.StringIO(head), delimiter=sign), [])))
