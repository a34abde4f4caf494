"""Drafts a dataset file from data: how the file is read, what its columns are, and what a person should look at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from adapters.files import found_files
from adapters.open import open_plain, open_source
from adapters.source import ReadColumn, SourceSpec
from adapters.text.encoding import Encoding, detect
from adapters.text.guess import Guess, declarable, guess
from jobs.legible import fault
from jobs.schema import Column, Dataset
from sandbox.catalogue.describe import described
from sandbox.catalogue.reading import ColumnReading, Reading, delimiter_of


@dataclass(frozen=True)
class Draft:
    """``notes``: a line each, about encoding and columns, without a value of the data."""

    dataset: Dataset
    reading: Reading
    notes: tuple[str, ...]


def draft(
    spec: SourceSpec, name: str, unit: str | None = None, encoding: Encoding | None = None, delimiter: str | None = None
) -> Draft:
    """Find out encoding, headers and types, and draft the declaration. ``unit``: its name or its header.

    Raises an ``AdapterError``, or ``InvalidSpec`` as ``describe.described`` does.
    """
    notes = []
    if spec.kind == "csv":
        files, _ = found_files(Path(spec.path), "csv", None)
        encoding = encoding or detect(files)
        delimiter = delimiter or delimiter_of(files[0], encoding)
        spec = spec.model_copy(update={"encoding": encoding, "delimiter": delimiter})
        if encoding != "utf-8":
            notes.append(f"the encoding was taken for {encoding}: look at a text; another one is told with --encoding")
    plain = open_plain(spec)
    if spec.kind == "csv":
        found = guess(plain)
    else:  # typed files: what is text there is text
        found = tuple(Guess(ReadColumn(name=n, column=header)) for header, n in declarable(plain.schema.names).items())
    columns = tuple(item.column for item in found)
    names = {column.column: column.name for column in columns}
    dataset, more = described(
        open_source(spec.model_copy(update={"columns": columns})),
        name,
        names.get(unit, unit) if unit else None,
        headers={name: header for header, name in names.items()},
    )
    kept = {column.name for column in dataset.columns}
    notes += [f"{item.column.name} {note}" for item in found if item.column.name in kept for note in item.notes]
    readings = {
        column.name: ColumnReading(
            column=column.column if column.column != column.name else None, formats=column.formats
        )
        for column in columns
        if column.name in kept and (column.column != column.name or column.formats)
    }
    titled = tuple(_titled(column, readings.get(column.name)) for column in dataset.columns)
    reading = Reading(encoding=spec.encoding, delimiter=spec.delimiter, columns=readings)
    return Draft(dataset.model_copy(update={"columns": titled}), reading, (*notes, *more))


def _titled(column: Column, reading: ColumnReading | None) -> Column:
    """A header that became another name is the column's title."""
    header = reading.column if reading else None
    return column if not header or column.title or fault(header) else column.model_copy(update={"title": header})
