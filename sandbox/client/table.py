"""A released table: suppressed cells marked, standard errors beside numbers, the source line under it, ways out."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar, Final

if TYPE_CHECKING:  # a second of imports that most commands never need
    import pandas as pd
    import pyarrow as pa

SUPPRESSED: Final = "·"
"""How a suppressed cell is shown; a group of nobody and a suppressed one look alike by design."""
WITHHELD: Final = {
    "owner-rule": "an owner's rule: too few individuals in its part, or it would tell too much of one; not told whose",
    "too-few": "the noisy count is too small, as that of an empty group is",
    "within-noise": "a spread no larger than twice its error",
}
"""Why a number is withheld, by the verdict's codes: counts of numbers, never which."""
NULL: Final = "NULL"
EMPTY: Final = "''"
"""How an empty text is shown."""


@dataclass(frozen=True)
class Table:
    """``rows`` hold ``None`` for NULL; ``suppressed`` names, per row, the columns that the rules withheld.

    ``errors`` has the shape of ``rows``: how far the noise that protects people may have moved a number (one standard
    error: in two of three cases less); ``None`` where nothing was added.
    """

    CONTENT: ClassVar[tuple[str, ...]] = ("columns", "rows", "suppressed", "errors", "intervals")
    """The fields of the API's JSON that a release commits to, in canonical form."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    suppressed: tuple[frozenset[str], ...]
    errors: tuple[tuple[Decimal | None, ...], ...]
    source_line: str
    intervals: tuple[tuple[tuple[Decimal, Decimal] | None, ...], ...] = ()
    """The shape of ``rows``, or nothing without quantiles: the cut points between which a quantile lies."""
    withheld: Mapping[str, int] = field(default_factory=dict)
    """From the verdict: how many numbers, by the code of the public rule, those of rows that a LIMIT left out too."""

    @classmethod
    def read(cls, value: Mapping[str, Any]) -> Table:
        """From the API's JSON: columns, rows, per-row suppressed names, standard errors, source line."""
        columns = tuple(str(column["name"]) for column in value["columns"])
        kinds = [str(column["type"]) for column in value["columns"]]
        rows = tuple(tuple(_typed(cell, kind) for cell, kind in zip(row, kinds, strict=True)) for row in value["rows"])
        suppressed = tuple(frozenset(names) for names in value["suppressed"])
        errors = tuple(tuple(None if item is None else Decimal(item) for item in row) for row in value["errors"])
        intervals = tuple(
            tuple(None if item is None else (Decimal(item[0]), Decimal(item[1])) for item in row)
            for row in value["intervals"]
        )
        withheld = value.get("verdict", {}).get("withheld", {})
        return cls(columns, rows, suppressed, errors, str(value["source_line"]), intervals, withheld)

    def to_pandas(self, *, errors: bool = False) -> pd.DataFrame:
        """Suppressed cells are ``<NA>``, as NULLs are: ``frame.attrs["suppressed"]`` lists them as (row, column).
        Decimals become floats, others stay. ``errors``: as ``to_arrow``."""
        import pandas as pd
        import pyarrow as pa

        arrow = self.to_arrow(errors=errors)
        frame: pd.DataFrame = arrow.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
        frame.attrs["suppressed"] = self._hidden()
        return frame

    def to_arrow(self, *, errors: bool = False) -> pa.Table:
        """One Arrow table; in the schema's metadata are the source line and, as JSON, the suppressed cells as [row,
        column], which are null. ``errors``: with a column ``NAME (se)`` after each that has standard errors, and
        ``NAME (from)``, ``NAME (to)`` after a quantile.
        """
        import pyarrow as pa

        arrays = {}
        for place, name in enumerate(self.columns):
            arrays[name] = pa.array([_plain(row[place]) for row in self.rows], None if self.rows else pa.null())
            if errors and self.is_noisy(name):
                arrays[f"{name} (se)"] = pa.array([_plain(row[place]) for row in self.errors], pa.float64())
            if errors and any(row[place] for row in self.intervals):
                for end, word in enumerate(("from", "to")):
                    ends = [None if row[place] is None else float(row[place][end]) for row in self.intervals]  # type: ignore[index]
                    arrays[f"{name} ({word})"] = pa.array(ends, pa.float64())
        metadata = {"source": self.source_line, "suppressed": json.dumps(self._hidden())}
        return pa.table(arrays).replace_schema_metadata(metadata)

    def _hidden(self) -> list[tuple[int, str]]:
        return [(row, name) for row, names in enumerate(self.suppressed) for name in self.columns if name in names]

    def is_noisy(self, column: str) -> bool:
        """Whether any number of a column has a standard error."""
        place = self.columns.index(column)
        return any(row[place] is not None for row in self.errors)

    def error(self, row: int, column: str) -> Decimal | None:
        """The standard error of one number."""
        return self.errors[row][self.columns.index(column)]

    def cell(self, row: int, column: str) -> str:
        """How one cell is shown: a number with its standard error, a quantile with its interval."""
        if column in self.suppressed[row]:
            return SUPPRESSED
        value, error = self.rows[row][self.columns.index(column)], self.error(row, column)
        between = self.interval(row, column)
        if value is None:
            return NULL
        if between is not None:
            return f"{value} ({between[0]} to {between[1]})"
        return str(value) or EMPTY if error is None else f"{value} ±{format(error, 'f')}"

    def interval(self, row: int, column: str) -> tuple[Decimal, Decimal] | None:
        """Of a quantile, the cut points between which it lies."""
        return self.intervals[row][self.columns.index(column)] if self.intervals else None

    def __len__(self) -> int:
        return len(self.rows)

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{html.escape(name)}</th>" for name in self.columns)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(self.cell(i, name))}</td>" for name in self.columns) + "</tr>"
            for i in range(min(len(self.rows), 60))
        )
        noisy = "; ± one standard error of the noise that protects people" if self.has_errors() else ""
        more = f"<p>{len(self.rows)} rows; {SUPPRESSED} = withheld by the disclosure rules or empty{noisy}</p>"
        why = "".join(f"<li>{count}: {html.escape(words)}</li>" for count, words in self.reasons())
        more += f"<p>Numbers withheld:</p><ul>{why}</ul>" if why else ""
        source = f"<p><small>{html.escape(self.source_line)}</small></p>"
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}{source}"

    def reasons(self) -> tuple[tuple[int, str], ...]:
        """How many numbers are withheld, and why, in words: as far as anybody is told."""
        return tuple((count, WITHHELD.get(code, code)) for code, count in self.withheld.items() if count)

    def has_errors(self) -> bool:
        """Whether any number has a standard error."""
        return any(self.is_noisy(name) for name in self.columns)


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else value


def _typed(value: Any, kind: str) -> Any:
    return Decimal(value) if kind == "decimal" and isinstance(value, str) else value
