"""A released table as people and programs take it: JSON, CSV and Arrow, each with its source line and its errors.

Whether a value is not shown, and its standard error, stand beside it in every form.
The bytes made here are the ones that the release commits to; they are stored and served unchanged.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final, TypeVar

import pyarrow as pa

from jobs.documents import canonical, parse_canonical
from jobs.kinds.base import File, Rendered
from jobs.kinds.statistics.answer import AnswerColumn, AnswerTable, Shown

MARK: Final = "*"
CSV_TYPE: Final = "text/csv"
ARROW_TYPE: Final = "application/vnd.apache.arrow.file"
_EXACT: Final = 2**53 - 1
T = TypeVar("T")


def render_table(table: AnswerTable, release: str, source: str) -> Rendered:
    """All forms of one table. ``release`` and ``source`` go into each, so that a copy still says where it is from."""
    shown = {**_shown(table), "source_line": source}
    csv_file = File("csv", CSV_TYPE, _csv(table, release, source))
    return Rendered(shown, (csv_file, File("arrow", ARROW_TYPE, _arrow(table, release, source))))


def content_of(table: AnswerTable) -> bytes:
    """The one canonical form of a table: what a release commits to, whatever file it is put into."""
    return canonical(_shown(table))


def table_of(content: bytes) -> AnswerTable:
    """Inverse of ``content_of``."""
    value = parse_canonical(content)
    columns = tuple(AnswerColumn(item["name"], item["type"], item["noisy"]) for item in value["columns"])
    rows = tuple(
        tuple(_value(column.type, item) for column, item in zip(columns, row, strict=True)) for row in value["rows"]
    )
    hidden = [set(names) for names in value["suppressed"]]
    suppressed = tuple(tuple(column.name in names for column in columns) for names in hidden)
    errors = tuple(tuple(None if item is None else Decimal(item) for item in row) for row in value["errors"])
    return AnswerTable(columns, rows, suppressed, errors)


def _shown(table: AnswerTable) -> dict[str, Any]:
    return {
        "columns": [{"name": c.name, "type": c.type, "noisy": c.noisy} for c in table.columns],
        "rows": [[_json(value) for value in row] for row in table.rows],
        "suppressed": [_hidden(table, row) for row in table.suppressed],
        "errors": [[None if error is None else _text(error) for error in row] for row in table.errors],
    }


def _value(kind: str, item: Any) -> Shown:
    """A value as ``_json`` wrote it."""
    if item is None or isinstance(item, bool):
        return item
    match kind:
        case "integer":
            return int(item)
        case "decimal":
            return Decimal(str(item))
        case "date":
            return dt.date.fromisoformat(item)
        case "timestamp":
            return dt.datetime.fromisoformat(item)
        case _:
            return str(item)


def warm_up() -> None:
    """Load what Arrow imports at its first use (a third of a second), so that no job waits for it."""
    render_table(
        AnswerTable((AnswerColumn("n", "decimal"),), ((Decimal(1),),), ((False,),), ((None,),)), "none", "none"
    )


def _hidden(table: AnswerTable, row: Sequence[bool]) -> list[str]:
    """Names of the columns that are not shown in one row."""
    return [column.name for column, hidden in zip(table.columns, row, strict=True) if hidden]


def _csv(table: AnswerTable, release: str, source: str) -> bytes:
    out = io.StringIO()
    out.write(f"# {source}\n# {release}; {MARK} marks a cell that is not shown\n")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([name for name, _ in _fields(table)])
    for row, hidden, errors in zip(table.rows, table.suppressed, table.errors, strict=True):
        values = [MARK if not_shown else _text(value) for value, not_shown in zip(row, hidden, strict=True)]
        writer.writerow(_interleaved(table, values, [_text(error) for error in errors]))
    return out.getvalue().encode()


def _fields(table: AnswerTable) -> list[tuple[str, AnswerColumn]]:
    """Every column of a file by name: after each output that has standard errors, these."""
    of_errors = [(f"{column.name} (se)", AnswerColumn(column.name, "decimal")) for column in table.columns]
    return _interleaved(table, [(column.name, column) for column in table.columns], of_errors)


def _interleaved(table: AnswerTable, values: Sequence[T], errors: Sequence[T]) -> list[T]:
    found = []
    for column, value, error in zip(table.columns, values, errors, strict=True):
        found += [value, error] if column.noisy else [value]
    return found


def _arrow(table: AnswerTable, release: str, source: str) -> bytes:
    values = [[row[place] for row in table.rows] for place in range(len(table.columns))]
    errors: list[list[Shown]] = [[row[place] for row in table.errors] for place in range(len(table.columns))]
    fields = _fields(table)
    arrays = [
        _array(column, found) for (_, column), found in zip(fields, _interleaved(table, values, errors), strict=True)
    ]
    places = [place for place, (name, column) in enumerate(fields) if name == column.name]
    hidden = [[y, places[x]] for y, row in enumerate(table.suppressed) for x, not_shown in enumerate(row) if not_shown]
    metadata = {"release": release, "source": source, "suppressed": json.dumps(hidden)}
    schema = pa.schema([pa.field(name, array.type) for (name, _), array in zip(fields, arrays, strict=True)], metadata)
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, schema) as writer:
        writer.write_batch(pa.record_batch(arrays, schema=schema))
    return sink.getvalue()


def _array(column: AnswerColumn, values: Sequence[Shown]) -> Any:
    """A typed array; numbers too wide for their Arrow type become text rather than lose a digit."""
    try:
        return pa.array(list(values), _arrow_type(column, values))
    except (pa.ArrowInvalid, OverflowError):
        return pa.array([None if value is None else _text(value) for value in values], pa.string())


def _arrow_type(column: AnswerColumn, values: Sequence[Shown]) -> Any:
    match column.type:
        case "integer":
            return pa.int64()
        case "decimal":
            exponents = [int(v.as_tuple().exponent) for v in values if isinstance(v, Decimal) and v.is_finite()]
            return pa.decimal128(38, min(38, max([0, *(-exponent for exponent in exponents)])))
        case "bool":
            return pa.bool_()
        case "date":
            return pa.date32()
        case "timestamp":
            return pa.timestamp("us")
        case _:
            return pa.string()


def _json(value: Shown) -> str | int | bool | None:
    """Decimals, dates and integers beyond 2^53 as text: JSON's numbers would not keep them."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) <= _EXACT:
        return value
    return _text(value)


def _text(value: Shown) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case dt.datetime() | dt.date():
            return value.isoformat()
        case Decimal():
            return format(value, "f")
        case _:
            return str(value)
