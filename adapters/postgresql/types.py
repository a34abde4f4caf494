"""PostgreSQL column types as Arrow types, exactly or not at all, and how a column is written for the copy.

Every type that a dataset can declare has a row here. What has no exact Arrow counterpart is refused by name, with what
to write into a view instead.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from adapters.errors import BadSource
from adapters.postgresql.table import PostgresTable, quoted

if TYPE_CHECKING:
    import psycopg

_MOMENT: Final = pa.timestamp("us")
_EXACT: Final[dict[str, pa.DataType]] = {
    "boolean": pa.bool_(),
    "smallint": pa.int16(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "real": pa.float32(),
    "double precision": pa.float64(),
    "date": pa.date32(),
    "timestamp without time zone": _MOMENT,
    "timestamp with time zone": pa.timestamp("us", "UTC"),
}
_TEXTS: Final = ("text", "character varying", "character", "name", "uuid", "citext")
_MODIFIED: Final = re.compile(r"(?P<name>[a-z ]+?)(?:\((?P<numbers>-?\d+(?:,-?\d+)?)\))?(?P<rest> [a-z ]+)?")
_MOST_DIGITS: Final = 38
_COLUMNS: Final = """
SELECT a.attname, t.typtype = 'e' OR b.typtype = 'e',
       CASE WHEN t.typtype = 'd' THEN format_type(t.typbasetype, t.typtypmod)
            ELSE format_type(a.atttypid, a.atttypmod) END
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_catalog.pg_type b ON b.oid = t.typbasetype
WHERE n.nspname = %s AND c.relname = %s AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
"""


@dataclass(frozen=True)
class Field:
    """One column: its Arrow type, and the expression that the copy selects."""

    name: str
    type: pa.DataType
    expression: str

    @property
    def parsed(self) -> pa.DataType:
        """The type as which its text is parsed: a moment with a zone is copied as its moment in UTC."""
        return _MOMENT if pa.types.is_timestamp(self.type) else self.type


def fields_of(
    connection: psycopg.Connection[tuple[Any, ...]], table: PostgresTable, only: Sequence[str] | None
) -> list[Field]:
    """The columns ``only``, in that order, or all of the table's; raises ``BadSource`` for what has no exact type."""
    rows = connection.execute(_COLUMNS, (table.in_schema, table.table)).fetchall()
    if not rows:
        raise BadSource(f"the database has no table or view {table.in_schema}.{table.table}")
    found = {name: (enumerated, type_) for name, enumerated, type_ in rows}
    if missing := sorted(set(only or ()) - set(found)):
        raise BadSource(f"the data has no column {missing[0]!r}")
    return [_field(name, *found[name]) for name in (found if only is None else only)]


def _field(name: str, enumerated: bool, type_: str) -> Field:
    matched = _MODIFIED.fullmatch(type_)
    plain = (matched["name"] + (matched["rest"] or "")) if matched else type_
    numbers = [int(part) for part in (matched["numbers"] or "").split(",") if part] if matched else []
    if enumerated or plain in _TEXTS:
        return Field(name, pa.string(), f"{quoted(name)}::text")
    if plain == "numeric":
        return Field(name, _decimal(name, numbers), quoted(name))
    if plain == "timestamp with time zone":
        return Field(name, _EXACT[plain], f"{quoted(name)} AT TIME ZONE 'UTC'")
    if plain in _EXACT:
        return Field(name, _EXACT[plain], quoted(name))
    raise BadSource(f"column {name} has type {plain}, which no dataset can declare: make a view that leaves it out")


def _decimal(name: str, numbers: Sequence[int]) -> pa.DataType:
    if not numbers:
        raise BadSource(f"column {name} is numeric without a scale: make a view that casts it, e.g. to numeric(12, 2)")
    precision, scale = (*numbers, 0)[:2]
    digits = max(precision - min(scale, 0), scale)  # PostgreSQL allows a scale below zero and one above the precision
    if digits > _MOST_DIGITS:
        raise BadSource(f"column {name} has more than {_MOST_DIGITS} digits: make a view that casts it to fewer")
    return pa.decimal128(digits, max(scale, 0))
