"""A parsed statement and where in its text each part stands. The only module that knows how sqlglot marks positions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError

from jobs.kinds.statistics.plan.errors import InvalidSql, PlanError, TooLarge, UnsupportedSql
from jobs.kinds.statistics.plan.suggest import ADVICE, CLAUSES, FUNCTIONS
from jobs.legible import place_of_fault
from jobs.near import nearest

MAX_TEXT = 20_000
MAX_PARENTHESES = 24


class Source:
    """The text of a statement; turns nodes into positions and refusals."""

    def __init__(self, sql: str) -> None:
        self.sql = sql

    def parse(self) -> exp.Select:
        """The one SELECT in the text; raises ``InvalidSql`` for anything else."""
        if len(self.sql) > MAX_TEXT:
            raise TooLarge(f"a statement has at most {MAX_TEXT} characters", 1, 1)
        if found := place_of_fault(self.sql):
            raise InvalidSql(found[1], *self._line_and_column(found[0]))
        if _nesting(self.sql) > MAX_PARENTHESES:
            raise TooLarge(f"parentheses nest more than {MAX_PARENTHESES} levels deep", 1, 1)
        try:
            statements = [s for s in sqlglot.parse(self.sql, read="duckdb") if s is not None]
        except ParseError as error:
            where = error.errors[0] if error.errors else {}
            line, column = int(where.get("line") or 1), int(where.get("col") or 1)
            raise InvalidSql("this is not valid SQL", line, max(column, 1)) from None
        except Exception:  # a third-party parser on hostile text: whatever it raises is a refusal
            raise InvalidSql("this is not valid SQL", 1, 1) from None
        if len(statements) != 1:
            raise InvalidSql("exactly one statement is expected", 1, 1)
        statement = statements[0]
        if not isinstance(statement, exp.Select):
            raise self.refuse(statement, f"{construct(statement)}: only SELECT is possible")
        return statement

    def position(self, node: exp.Expr) -> tuple[int, int]:
        """Line and column, from 1, of the first token of a node (or of its nearest parent that has one)."""
        at: exp.Expr | None = node
        while at is not None:
            starts = [part.meta["start"] for part in at.walk() if part._meta and "start" in part.meta]
            if starts:
                return self._line_and_column(min(starts))
            at = at.parent
        return 1, 1

    def _line_and_column(self, place: int) -> tuple[int, int]:
        before = self.sql[:place]
        return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1

    def refuse(self, node: exp.Expr, text: str, kind: type[PlanError] = UnsupportedSql, instead: str = "") -> PlanError:
        """A refusal at a node's position, to be raised. ``instead``: what to write."""
        return kind(text, *self.position(node), instead)

    def unknown(self, node: exp.Expr) -> PlanError:
        """The refusal of a construct that has no meaning here."""
        name = self._called(node)
        function = name.removeprefix("function ")
        advice = CLAUSES.get(name) or (ADVICE.get(function) if function != name else None)
        if advice is not None:
            return self.refuse(node, f"{name} is not possible: {advice.reason}", instead=advice.instead)
        near = "" if function == name or function in FUNCTIONS else nearest(function, FUNCTIONS)
        return self.refuse(node, f"{name} is not part of the SQL subset{near}")

    def _called(self, node: exp.Expr) -> str:
        """The construct; a function by the name that stands in the text, where the parser has made another of it."""
        name = construct(node)
        if not name.startswith("function ") or name[9:].lower() in self.sql.lower():
            return name
        starts = [part.meta["start"] for part in node.walk() if part._meta and "start" in part.meta]
        written = re.search(r"([A-Za-z_]\w{0,39})\s*\(\s*$", self.sql[: min(starts)]) if starts else None
        return f"function {written[1].upper()}" if written else name

    def only(self, node: exp.Expr, *allowed: str) -> None:
        """Refuse any part of a node that is not listed: nothing that the parser read is silently ignored."""
        for key, value in node.args.items():
            if value is None or value is False or value == [] or value == "" or key in allowed:
                continue
            word = _PARTS.get(key, key.strip("_").upper().replace("_", " "))
            advice = CLAUSES.get(word)
            said = f"{construct(node)} with {word}"
            if advice is not None:
                raise self.refuse(node, f"{said} is not possible: {advice.reason}", instead=advice.instead)
            raise self.refuse(node, said)

    @contextmanager
    def at(self, node: exp.Expr) -> Iterator[None]:
        """Give refusals raised inside this node's position, unless they have one."""
        try:
            yield
        except PlanError as error:
            raise error.at(*self.position(node)) from None


_PARTS = {
    "db": "a schema before its name",
    "catalog": "a database before its name",
    "sample": "TABLESAMPLE",
    "query": "a SELECT in it",
}
"""Parts of a node by what a person calls them, where that is not their own name."""
_WRITTEN: dict[type[exp.Expr], str] = {
    exp.DPipe: "||", exp.NullSafeEQ: "IS NOT DISTINCT FROM", exp.NullSafeNEQ: "IS DISTINCT FROM",
    exp.Star: "*", exp.Subquery: "a SELECT in parentheses", exp.Window: "OVER", exp.Pow: "a power",
    exp.Mod: "%", exp.Div: "/", exp.IntDiv: "//", exp.Neg: "-", exp.Add: "+", exp.Sub: "-", exp.Mul: "*",
    exp.NEQ: "<>", exp.GT: ">", exp.GTE: ">=", exp.LT: "<", exp.LTE: "<=", exp.EQ: "=",
    exp.Ordered: "ORDER BY", exp.SetOperation: "UNION", exp.Bracket: "[ ]", exp.Dot: "a dotted name",
    exp.Placeholder: "a parameter", exp.Parameter: "a parameter", exp.TryCast: "TRY_CAST",
    exp.AtTimeZone: "AT TIME ZONE", exp.DataType: "a type", exp.JSONExtract: "->",
    exp.JSONExtractScalar: "->>", exp.Tuple: "a list in parentheses",
}  # fmt: skip


def construct(node: exp.Expr) -> str:
    """What a person would call the node: the name of the function, the sign, the keyword that stands in the text."""
    if isinstance(node, exp.Anonymous):
        return f"function {str(node.this)[:40].upper()}"
    for kind, written in _WRITTEN.items():
        if isinstance(node, kind):
            return written
    if isinstance(node, exp.Func) and not isinstance(node, exp.Case | exp.And | exp.Or):
        return f"function {_function(node)}"
    name = type(node).__name__
    return "".join(f" {c}" if c.isupper() and i else c for i, c in enumerate(name)).upper()


def _function(node: exp.Func) -> str:
    """Its name in the dialect that is read."""
    written = re.match(r"[A-Za-z_][A-Za-z0-9_]{0,39}(?=\(|$)", node.sql(dialect="duckdb"))
    return written[0].upper() if written else node.sql_name()


def _nesting(sql: str) -> int:
    depth = deepest = 0
    for character in sql:
        depth += (character in "([{") - (character in ")]}")
        deepest = max(deepest, depth)
    return deepest
