"""A released table: suppressed cells marked, the source line under it, and ways out to pandas, Arrow and CSV."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:  # a second of imports that most commands never need
    import pandas as pd
    import pyarrow as pa

SUPPRESSED: Final = "·"
"""How a suppressed cell is shown; empty and suppressed look alike by design."""


@dataclass(frozen=True)
class Table:
    """``rows`` hold ``None`` for NULL; ``suppressed`` names, per row, the columns that the rules withheld."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    suppressed: tuple[frozenset[str], ...]
    source_line: str

    @classmethod
    def read(cls, value: Mapping[str, Any]) -> Table:
        """From the API's JSON: columns, rows, per-row suppressed names, source line."""
        columns = tuple(str(column["name"]) for column in value["columns"])
        kinds = [str(column["type"]) for column in value["columns"]]
        rows = tuple(tuple(_typed(cell, kind) for cell, kind in zip(row, kinds, strict=True)) for row in value["rows"])
        suppressed = tuple(frozenset(names) for names in value["suppressed"])
        return cls(columns, rows, suppressed, str(value["source_line"]))

    def to_pandas(self) -> pd.DataFrame:
        """Suppressed cells are ``<NA>``; decimals become floats, whole numbers stay whole."""
        import pandas as pd
        import pyarrow as pa

        frame: pd.DataFrame = self.to_arrow().to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
        return frame

    def to_arrow(self) -> pa.Table:
        """One Arrow table; the source line is in the schema's metadata."""
        import pyarrow as pa

        arrays = (
            {
                name: pa.array([float(v) if isinstance(v, Decimal) else v for v in values])
                for name, values in zip(self.columns, zip(*self.rows, strict=True), strict=True)
            }
            if self.rows
            else {name: pa.array([], pa.null()) for name in self.columns}
        )
        return pa.table(arrays).replace_schema_metadata({"source": self.source_line})

    def cell(self, row: int, column: str) -> str:
        """How one cell is shown."""
        if column in self.suppressed[row]:
            return SUPPRESSED
        value = self.rows[row][self.columns.index(column)]
        return "" if value is None else str(value)

    def __len__(self) -> int:
        return len(self.rows)

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{html.escape(name)}</th>" for name in self.columns)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(self.cell(i, name))}</td>" for name in self.columns) + "</tr>"
            for i in range(min(len(self.rows), 60))
        )
        more = f"<p>{len(self.rows)} rows; {SUPPRESSED} = withheld by the disclosure rules or empty</p>"
        source = f"<p><small>{html.escape(self.source_line)}</small></p>"
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}{source}"


def _typed(value: Any, kind: str) -> Any:
    return Decimal(value) if kind == "decimal" and isinstance(value, str) else value
