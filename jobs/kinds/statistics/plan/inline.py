"""WITH and SELECT inside FROM, written as one SELECT of the same meaning; first by individual, then over them, as well.

Parsed SQL in, parsed SQL out: what may be asked is judged on the result. What has no such form is refused.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from jobs.kinds.statistics.plan.errors import TooLarge, UnknownName
from jobs.kinds.statistics.plan.source import Source, construct
from jobs.near import nearest
from jobs.schema import CatalogueView

_MOST = 16
"""Statements inside a statement, each read as often as it is named."""


def inlined(select: exp.Select, source: Source, catalogue: CatalogueView) -> exp.Select:
    """The statement without WITH and without SELECT in FROM. Raises ``UnsupportedSql``."""
    return _Inliner(source, catalogue).flat(select, {})


class _Inliner:
    def __init__(self, source: Source, catalogue: CatalogueView) -> None:
        self.source = source
        self.catalogue = catalogue
        self.left = _MOST

    def flat(self, select: exp.Select, known: Mapping[str, exp.Select]) -> exp.Select:
        named = dict(known)
        with_ = select.args.get("with_")
        if with_ is not None:
            self.source.only(with_, "expressions")
            for item in with_.expressions:
                self.source.only(item, "this", "alias")
                named[_alias(item)] = self._renamed(item, item.this)
            select.set("with_", None)
        for subquery in list(select.find_all(exp.Subquery)):  # the SELECT of a cohort may name one as well
            if isinstance(subquery.parent, exp.In):
                self._cohort(subquery.this, named)
        for exists in list(select.find_all(exp.Exists)):
            self._cohort(exists.this, named)
        clause = select.args.get("from_")
        if clause is None:
            return select
        for join in select.args.get("joins") or []:
            inner = self._inner(join.this, named)
            if inner is not None:
                raise self.source.refuse(join, "a SELECT on the right of a JOIN", instead="the table itself, and WHERE")
        inner = self._inner(clause.this, named)
        if inner is None:
            return select
        self.left -= 1
        if self.left < 0:
            raise TooLarge(f"more than {_MOST} statements inside a statement")
        alias = _alias(clause.this) or clause.this.name.lower()
        return self._merged(select, self.flat(inner, named), alias)

    def _cohort(self, inner: exp.Expr, named: Mapping[str, exp.Select]) -> None:
        if isinstance(inner, exp.Select):
            inner.replace(self.flat(inner.copy(), named))

    def _inner(self, node: exp.Expr, named: Mapping[str, exp.Select]) -> exp.Select | None:
        """The SELECT that a table in FROM stands for; ``None`` for a dataset."""
        if isinstance(node, exp.Table) and not node.args.get("db") and node.name.lower() in named:
            return named[node.name.lower()].copy()
        if not isinstance(node, exp.Subquery):
            return None
        self.source.only(node, "this", "alias")
        return self._renamed(node, node.this)

    def _renamed(self, node: exp.Expr, inner: exp.Expr) -> exp.Select:
        """With the names of ``t(a, b)`` as output names."""
        if not isinstance(inner, exp.Select):
            raise self.source.refuse(node, f"{construct(inner)} inside a statement: only SELECT is possible")
        alias = node.args.get("alias")
        names = [] if alias is None else alias.args.get("columns") or []
        if names and len(names) != len(inner.expressions):
            raise self.source.refuse(node, "a list of names that is not as long as the list of outputs")
        for name, output in zip(names, inner.expressions, strict=False):
            output.replace(exp.alias_(output.unalias().copy(), name.name))
        return inner

    def _merged(self, outer: exp.Select, inner: exp.Select, alias: str) -> exp.Select:
        if not _aggregated(inner):
            return self._rows(outer, inner, alias)
        return self._by_unit(outer, inner, alias) if _aggregated(outer) else self._after(outer, inner, alias)

    def _rows(self, outer: exp.Select, inner: exp.Select, alias: str) -> exp.Select:
        """An inner SELECT that chooses rows and names values."""
        self.source.only(inner, "expressions", "from_", "joins", "where")
        self._qualify(inner)
        outputs = self._outputs(inner)
        made = self._substituted(outer, outputs, alias)
        made.set("from_", inner.args["from_"])
        made.set("joins", [*(inner.args.get("joins") or []), *(made.args.get("joins") or [])] or None)
        made.set("where", _both(exp.Where, inner.args.get("where"), made.args.get("where")))
        return made

    def _after(self, outer: exp.Select, inner: exp.Select, alias: str) -> exp.Select:
        """An inner SELECT of numbers, an outer one that reckons with them: on what is released."""
        self.source.only(outer, "expressions", "from_", "where", "order", "limit")
        self.source.only(inner, "expressions", "from_", "joins", "where", "group", "having", "order", "limit")
        if inner.args.get("limit") is not None and (outer.args.get("where") or outer.args.get("order")):
            raise self.source.refuse(
                outer, "a choice among the rows of a LIMIT", instead="WHERE and LIMIT in one SELECT"
            )
        self._spell_groups(inner)
        if len(outer.expressions) == 1 and isinstance(outer.expressions[0], exp.Star):
            outer.set("expressions", [exp.column(name) for name in self._outputs(inner)])
        made = self._substituted(outer, self._outputs(inner), alias)
        inner.set("expressions", made.expressions)
        inner.set("having", _both(exp.Having, inner.args.get("having"), made.args.get("where")))
        if made.args.get("order") is not None or made.args.get("limit") is not None:
            inner.set("order", made.args.get("order") or inner.args.get("order"))
        inner.set("limit", made.args.get("limit") or inner.args.get("limit"))
        return inner

    def _by_unit(self, outer: exp.Select, inner: exp.Select, alias: str) -> exp.Select:
        """Sums and counts by individual, then their sums and means over individuals: sums over rows and numbers of
        individuals. Whatever else depends on what one individual has altogether is refused."""
        refused = self.source.refuse(
            outer,
            "an aggregate of aggregates: possible are SUM, AVG and COUNT over individuals of SUM and COUNT by "
            "individual, grouped alike but for the individual",
        )
        for select in (outer, inner):
            self.source.only(select, "expressions", "from_", "joins", "where", "group", "order", "limit", "having")
        if any(inner.args.get(part) for part in ("having", "order", "limit")) or outer.args.get("where"):
            raise refused
        if outer.args.get("joins") or any(isinstance(output, exp.Star) for output in inner.expressions):
            raise refused
        self._spell_groups(inner)
        self._qualify(inner)
        outputs = self._outputs(inner)
        groups = list(inner.args["group"].expressions) if inner.args.get("group") else []
        units = [node for node in groups if self._is_unit(node, inner)]
        if len(units) != 1:
            raise refused
        made = self._linear(outer, outputs, units[0], alias, refused)
        self._spell_groups(made)
        rest = {node.sql() for node in groups if node is not units[0]}
        if {node.sql() for node in (made.args["group"].expressions if made.args.get("group") else [])} != rest:
            raise refused
        for part in ("from_", "joins", "where"):
            made.set(part, inner.args.get(part))
        return made

    def _linear(
        self, outer: exp.Select, outputs: Mapping[str, exp.Expr], unit: exp.Expr, alias: str, refused: Exception
    ) -> exp.Select:
        """``outer`` over rows: each aggregate over individuals written as one over rows."""
        for node in [found for found in outer.find_all(exp.AggFunc) if not _foreign(found, outer)]:
            of = node.this
            if isinstance(node, exp.Count) and isinstance(of, exp.Star | exp.Literal):
                node.replace(exp.Count(this=exp.Distinct(expressions=[unit.copy()]), big_int=True))
                continue
            inner = outputs.get(of.name.lower()) if isinstance(of, exp.Column) else None
            if inner is None or not isinstance(node, exp.Sum | exp.Avg) or isinstance(node.parent, exp.Filter):
                raise refused
            filter_ = inner.expression.this if isinstance(inner, exp.Filter) else None
            summed = inner.this if isinstance(inner, exp.Filter) else inner
            if isinstance(node, exp.Sum) and isinstance(summed, exp.Sum | exp.Count):
                node.replace(inner.copy())
            elif isinstance(node, exp.Avg) and isinstance(summed, exp.Sum) and isinstance(summed.this, exp.Column):
                present = exp.Not(this=exp.Is(this=summed.this.copy(), expression=exp.Null()))
                chosen = (
                    present if filter_ is None else exp.And(this=exp.Paren(this=filter_.copy()), expression=present)
                )
                node.replace(_quotient(inner, _individuals(unit, chosen)))
            elif isinstance(node, exp.Avg) and isinstance(summed, exp.Count):
                node.replace(_quotient(inner, _individuals(unit, None)))
            else:
                raise refused
        return self._substituted(outer, outputs, alias)

    def _is_unit(self, node: exp.Expr, inner: exp.Select) -> bool:
        if not isinstance(node, exp.Column):
            return False
        table = inner.args["from_"].this
        datasets = [d for d in self.catalogue.datasets if isinstance(table, exp.Table) and d.name == table.name.lower()]
        return any(dataset.unit == node.name.lower() for dataset in datasets)

    def _outputs(self, inner: exp.Select) -> dict[str, exp.Expr]:
        found: dict[str, exp.Expr] = {}
        for output in inner.expressions:
            if isinstance(output, exp.Star):
                self.source.only(output)
                found["*"] = output
                continue
            name = output.alias_or_name.lower()
            if not name:
                raise self.source.refuse(output, "an output of an inner SELECT without a name: name it with AS")
            if name in found:
                raise self.source.refuse(output, "two outputs have one name: give each its own alias with AS")
            found[name] = output.unalias()
        return found

    def _substituted(self, outer: exp.Select, outputs: Mapping[str, exp.Expr], alias: str) -> exp.Select:
        """``outer`` with the expressions of the inner SELECT in place of its names."""
        own = {output.alias.lower() for output in outer.expressions if isinstance(output, exp.Alias)}
        joined = bool(outer.args.get("joins"))
        for place, output in enumerate(outer.expressions):
            if isinstance(output, exp.Column) and output.name.lower() in outputs:
                outer.expressions[place].replace(exp.alias_(output.copy(), output.name.lower()))
        for column in [c for c in outer.find_all(exp.Column) if not _foreign(c, outer)]:
            name, table = column.name.lower(), column.table.lower()
            if table not in ("", alias):
                continue
            if name in outputs:
                made = outputs[name].copy()
                column.replace(made if isinstance(made, exp.Column) else exp.Paren(this=made))
            elif "*" in outputs:
                column.set("table", None)
            elif table or not (joined or name in own or isinstance(column.this, exp.Star)):
                near = nearest(name, outputs)
                raise self.source.refuse(column, f"unknown column {name[:64]!r}{near}", UnknownName)
        return outer

    def _qualify(self, inner: exp.Select) -> None:
        """Columns of an inner SELECT over one table carry its name, so that no outer join makes them ambiguous."""
        table = inner.args["from_"].this if inner.args.get("from_") else None
        if isinstance(table, exp.Table) and not inner.args.get("joins"):
            for column in inner.find_all(exp.Column):
                if not column.table and isinstance(column.this, exp.Identifier) and not _foreign(column, inner):
                    column.set("table", exp.to_identifier(table.alias_or_name))

    def _spell_groups(self, select: exp.Select) -> None:
        """Positions, names of outputs and ALL in GROUP BY as the expressions that they stand for."""
        group = select.args.get("group")
        if group is None:
            return
        self.source.only(group, "expressions", "all")
        if group.args.get("all"):
            plain = [o.unalias() for o in select.expressions if not o.find(exp.AggFunc) and o.find(exp.Column)]
            select.set("group", exp.Group(expressions=[node.copy() for node in plain]))
            return
        columns = self._columns(select)
        aliases = {o.alias.lower(): o.this for o in select.expressions if isinstance(o, exp.Alias)}
        for node in list(group.expressions):
            if isinstance(node, exp.Literal) and not node.is_string and str(node.this).isdigit():
                place = int(str(node.this)) - 1
                if 0 <= place < len(select.expressions):
                    node.replace(select.expressions[place].unalias().copy())
            elif isinstance(node, exp.Column) and not node.table and node.name.lower() in aliases.keys() - columns:
                node.replace(aliases[node.name.lower()].copy())

    def _columns(self, select: exp.Select) -> set[str]:
        tables = [select.args["from_"].this] if select.args.get("from_") else []
        tables += [join.this for join in select.args.get("joins") or []]
        names = {table.name.lower() for table in tables if isinstance(table, exp.Table)}
        return {column.name for d in self.catalogue.datasets if d.name in names for column in d.columns}


def _aggregated(select: exp.Select) -> bool:
    return bool(select.args.get("group")) or any(output.find(exp.AggFunc) for output in select.expressions)


def _foreign(node: exp.Expr, select: exp.Select) -> bool:
    """Whether a node belongs to a SELECT inside this one."""
    return node.find_ancestor(exp.Select) is not select


def _alias(node: exp.Expr) -> str:
    return str(node.alias).lower()


def _both(kind: type[exp.Where] | type[exp.Having], one: exp.Expr | None, other: exp.Expr | None) -> exp.Expr | None:
    parts = [exp.Paren(this=clause.this) for clause in (one, other) if clause is not None]
    if not parts:
        return None
    return kind(this=parts[0] if len(parts) == 1 else exp.And(this=parts[0], expression=parts[1]))


def _individuals(unit: exp.Expr, chosen: exp.Expr | None) -> exp.Expr:
    counted = exp.Count(this=exp.Distinct(expressions=[unit.copy()]), big_int=True)
    return counted if chosen is None else exp.Filter(this=counted, expression=exp.Where(this=chosen))


def _quotient(total: exp.Expr, count: exp.Expr) -> exp.Expr:
    return exp.Paren(this=exp.Div(this=exp.Paren(this=total.copy()), expression=exp.Paren(this=count)))
