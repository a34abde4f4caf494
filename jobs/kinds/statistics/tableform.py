"""A released table as people and programs take it: JSON, CSV and Arrow, each with its source line and its errors.

Whether a value is not shown, its standard error, and the interval of a quantile stand beside it in every form. What is
not shown, a NULL and an empty text are told apart in each: in CSV ``*``, nothing, and ``""``.
The bytes made here are the ones that the release commits to; they are stored and served unchanged.
"""

from __future__ import annotations

import datetime as dt
import io
import json
import re
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
_QUOTED: Final = re.compile(r'[",\r\n]|^[ #]| $')
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
    columns = tuple(
        AnswerColumn(item["name"], item["type"], item["noisy"], item["ranged"]) for item in value["columns"]
    )
    rows = tuple(
        tuple(_value(column.type, item) for column, item in zip(columns, row, strict=True)) for row in value["rows"]
    )
    hidden = [set(names) for names in value["suppressed"]]
    suppressed = tuple(tuple(column.name in names for column in columns) for names in hidden)
    errors = tuple(tuple(None if item is None else Decimal(item) for item in row) for row in value["errors"])
    intervals = tuple(
        tuple(None if item is None else (Decimal(item[0]), Decimal(item[1])) for item in row)
        for row in value["intervals"]
    )
    return AnswerTable(columns, rows, suppressed, errors, intervals)


def _shown(table: AnswerTable) -> dict[str, Any]:
    return {
        "columns": [{"name": c.name, "type": c.type, "noisy": c.noisy, "ranged": c.ranged} for c in table.columns],
        "rows": [[_json(value) for value in row] for row in table.rows],
        "suppressed": [_hidden(table, row) for row in table.suppressed],
        "errors": [[None if error is None else _text(error) for error in row] for row in table.errors],
        "intervals": [[item and [_text(end) for end in item] for item in row] for row in table.intervals],
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
    lines = [f"# {source}", f'# {release}; {MARK} marks a cell that is not shown, nothing a NULL, "" an empty text']
    lines.append(",".join(_field(name) for name, _ in _fields(table)))
    for place, (row, hidden) in enumerate(zip(table.rows, table.suppressed, strict=True)):
        values = [MARK if not_shown else _field(value) for value, not_shown in zip(row, hidden, strict=True)]
        lines.append(
            ",".join(_interleaved(table, values, [[_field(v) for v in found] for found in _beside(table, place)]))
        )
    return "".join(f"{line}\n" for line in lines).encode()


def _field(value: Shown) -> str:
    """Quoted where a reader would take it for something else."""
    text = _text(value)
    plain = not isinstance(value, str) or (text not in ("", MARK) and not _QUOTED.search(text))
    return text if plain else '"' + text.replace('"', '""') + '"'


def _fields(table: AnswerTable) -> list[tuple[str, AnswerColumn]]:
    """Every column of a file by name: after each output that has standard errors, these; after a quantile the ends of
    its interval."""
    beside = [
        [(f"{column.name} ({what})", AnswerColumn(column.name, "decimal")) for what in ("se", "from", "to")]
        for column in table.columns
    ]
    return _interleaved(table, [(column.name, column) for column in table.columns], beside)


def _interleaved(table: AnswerTable, values: Sequence[T], beside: Sequence[Sequence[T]]) -> list[T]:
    """``beside``: of each column its error and the two ends of an interval, whether it has them or not."""
    found = []
    for column, value, (error, *ends) in zip(table.columns, values, beside, strict=True):
        found += [value, *([error] if column.noisy else []), *(ends if column.ranged else [])]
    return found


def _beside(table: AnswerTable, row: int) -> list[list[Decimal | None]]:
    intervals = table.intervals[row] if table.intervals else (None,) * len(table.columns)
    return [[error, *(ends or (None, None))] for error, ends in zip(table.errors[row], intervals, strict=True)]


def _arrow(table: AnswerTable, release: str, source: str) -> bytes:
    values = [[row[place] for row in table.rows] for place in range(len(table.columns))]
    rows = [_beside(table, row) for row in range(len(table.rows))]
    beside: list[list[list[Shown]]] = [
        [[row[place][number] for row in rows] for number in range(3)] for place in range(len(table.columns))
    ]
    fields = _fields(table)
    arrays = [
        _array(column, found) for (_, column), found in zip(fields, _interleaved(table, values, beside), strict=True)
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
