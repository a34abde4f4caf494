"""Whether a secret is said of the individual or of the record, told from the data itself; at the owner's side.

A column that is the same in all rows of each individual is one secret of each, and the audit must take it for that: by
its number of rows somebody stands out, not by one. Counts alone leave this module, and no value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import exp, log
from typing import Final

import duckdb
import pyarrow as pa

from adapters.source import Source
from jobs.schema import Column
from sandbox.catalogue.profile import plain

FEW: Final = 0.01
"""Differing individuals, of those that would differ if rows were independent: at most as many are taken for errors in a
column that is said of individuals."""
CHANCE: Final = 0.01
"""Independent rows that agree by chance alone are less likely than this where a column is taken for said of them."""


@dataclass(frozen=True)
class Sameness:
    """``several``: individuals with several rows; ``differing``: those whose rows are not all the same, null or not.

    ``expected``: how many would differ if rows were independent of each other; ``chance``: that then none did.
    """

    several: int
    differing: int
    expected: float
    chance: float

    @property
    def said(self) -> bool:
        """Whether the column is as good as certainly said of the individual: all its rows agree, or nearly all."""
        if self.differing:
            return self.differing <= FEW * self.expected
        return self.chance < CHANCE


def sameness(source: Source, unit: str, columns: Sequence[Column]) -> dict[str, Sameness]:
    """Per column; reads the source once, and once more for each column that nearly always agrees."""
    if not columns:
        return {}
    connection = duckdb.connect(config={"python_enable_replacements": "false"})
    try:
        several, differing = _counted(connection, source, unit, columns)
        total = sum(several.values())
        found = {}
        for column, count in zip(columns, differing, strict=True):
            expected, chance = float(total), 0.0
            if count <= FEW * total:
                expected, chance = _independent(connection, source, unit, column, several)
            found[column.name] = Sameness(total, count, expected, chance)
        return found
    finally:
        connection.close()


def _counted(
    connection: duckdb.DuckDBPyConnection, source: Source, unit: str, columns: Sequence[Column]
) -> tuple[dict[int, int], list[int]]:
    """Individuals by how many rows they have, from two on; and per column how many of them differ in it."""
    connection.register("data", _reader(source, [unit, *(column.name for column in columns)]))
    differ = [
        f"(min({value}) IS DISTINCT FROM max({value}) OR count({value}) NOT IN (0, count(*)))::INT AS v{number}"
        for number, value in enumerate(map(_value, columns))
    ]
    sums = ", ".join(f"sum(v{number})" for number in range(len(columns)))
    # column names are quoted by us and were checked against the declared dataset
    query = f"""SELECT rows, count(*), {sums} FROM (
        SELECT count(*) AS rows, {", ".join(differ)} FROM data
        WHERE {_quoted(unit)} IS NOT NULL GROUP BY {_quoted(unit)}
    ) WHERE rows > 1 GROUP BY rows"""  # noqa: S608
    rows = connection.sql(query).fetchall()
    totals = [sum(int(row[2 + number]) for row in rows) for number in range(len(columns))]
    return {row[0]: row[1] for row in rows}, totals


def _independent(
    connection: duckdb.DuckDBPyConnection, source: Source, unit: str, column: Column, several: Mapping[int, int]
) -> tuple[float, float]:
    """How many individuals would differ if each row had its value by itself, as often as it occurs; and the chance that
    none did. n rows agree with probability sum(p^n) over the values, of frequency p."""
    connection.register("data", _reader(source, [unit, column.name]))
    query = f"""SELECT often, count(*) FROM (
        SELECT count(*) AS often FROM data WHERE {_quoted(unit)} IS NOT NULL GROUP BY {_value(column)}
    ) GROUP BY often"""  # noqa: S608
    often = connection.sql(query).fetchall()
    whole = sum(count * values for count, values in often)
    agree = {n: sum(values * (count / whole) ** n for count, values in often) for n in several}
    expected = sum(units * (1 - agree[n]) for n, units in several.items())
    logarithm = sum(units * log(agree[n]) if agree[n] else float("-inf") for n, units in several.items())
    return expected, exp(logarithm)


def _reader(source: Source, names: Sequence[str]) -> pa.RecordBatchReader:
    """In types that the engine knows."""
    reader = source.read(list(dict.fromkeys(names)))
    empty = [plain(pa.array([], field.type)) for field in reader.schema]
    schema = pa.schema([pa.field(name, array.type) for name, array in zip(reader.schema.names, empty, strict=True)])

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in reader:
            yield pa.RecordBatch.from_arrays([plain(array) for array in batch.columns], schema=schema)

    return pa.RecordBatchReader.from_batches(schema, batches())


def _value(column: Column) -> str:
    """A value as it is registered: finer ones are rounded where the owner says so."""
    return f"round({_quoted(column.name)}, {column.decimals:d})" if column.rounded else _quoted(column.name)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
