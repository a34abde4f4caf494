"""SQL in, plan or typed refusal out. The only entry for operator text; what leaves here never contains it.

Run by the hub for an operator's request, and by anyone who wants to see what a statement would do. The documented
subset is in docs/sql.md.
"""

from __future__ import annotations

import re
import unicodedata

from sqlglot import exp

from jobs.kinds.statistics.plan.assemble import assemble, conjuncts_of
from jobs.kinds.statistics.plan.canonical import condition, normal
from jobs.kinds.statistics.plan.cohorts import joined
from jobs.kinds.statistics.plan.compile_outputs import Outputs
from jobs.kinds.statistics.plan.compile_rows import Rows, text_literal
from jobs.kinds.statistics.plan.conditional import filtered
from jobs.kinds.statistics.plan.domains import dimension
from jobs.kinds.statistics.plan.draft import Draft
from jobs.kinds.statistics.plan.errors import InvalidSql, MissingDeclaration, PlanError, TypeMismatch, UnknownName
from jobs.kinds.statistics.plan.expr import And, Col, Lit, OutExpr, RowExpr
from jobs.kinds.statistics.plan.inline import inlined
from jobs.kinds.statistics.plan.joins import check_joins
from jobs.kinds.statistics.plan.outputs import output_type
from jobs.kinds.statistics.plan.scope import Scope, check_condition, check_depth
from jobs.kinds.statistics.plan.separate import check_conjuncts, check_group
from jobs.kinds.statistics.plan.source import Source, construct
from jobs.kinds.statistics.plan.types import Dimension, Join, JoinKey, Order, Output, Plan
from jobs.legible import fault
from jobs.near import nearest
from jobs.schema import CatalogueView, Dataset

ALIAS = re.compile(r"[^\W\d]\w{0,62}")
_ROWS_LIMIT = 1_000_000


def compile_sql(sql: str, catalogue: CatalogueView) -> Plan:
    """The canonical plan of one SELECT over one logical dataset, its joins inside each owner's domain.

    Raises a kind of ``InvalidSql`` for everything else, with the construct's name, line and column.
    """
    source = Source(sql)
    select = source.parse()
    try:
        select = inlined(select, source, catalogue)
        joined(select, source, catalogue)
        return _Statement(source, select, catalogue).plan()
    except PlanError as error:
        raise error.at(*source.position(select)) from None
    except RecursionError:
        raise InvalidSql("the statement nests too deeply", 1, 1) from None
    except ValueError:  # a typed model refused a size or pattern; its text may quote input, so it is not shown
        raise InvalidSql("the statement has a part that is too long or has too many members", 1, 1) from None


class _Statement:
    def __init__(self, source: Source, select: exp.Select, catalogue: CatalogueView) -> None:
        self.source = source
        self.select = select
        self.catalogue = catalogue
        self.made: list[Dimension] = []
        source.only(select, "expressions", "from_", "joins", "where", "group", "having", "order", "limit")
        if len(select.expressions) > 128:
            raise source.refuse(select, "more than 128 outputs")
        self.rows = self._tables()
        self.scope = self.rows.scope
        base = self.scope.tables[0].name
        holdings = [h for h in catalogue.holdings_of(base) if h.state == "active"]
        if not holdings:
            raise source.refuse(select, f"no owner holds an active part of dataset {base}", MissingDeclaration)
        for dataset in self.scope.tables[1:]:
            nodes = {h.node for h in catalogue.holdings_of(dataset.name) if h.state == "active"}
            missing = sorted({h.node for h in holdings} - nodes)
            if missing:
                raise source.refuse(
                    select,
                    f"a join stays inside one owner's domain, but {', '.join(missing)} holds no {dataset.name}",
                    MissingDeclaration,
                )
        self.holders = len(holdings)
        self.rows_bound = 1 << (sum(h.max_rows for h in holdings) - 1).bit_length()

    def plan(self) -> Plan:
        source = self.source
        filtered(self.select, self.rows)
        where = self._where()
        dimensions = self._dimensions(where)
        outputs = Outputs(self.source, self.rows, self.holders, dimensions, where)
        shown = self._outputs(outputs)
        having_node, order = self.select.args.get("having"), self.select.args.get("order")
        having = outputs.convert(having_node.this) if having_node else None
        if having is not None and having_node is not None:
            with source.at(having_node):
                if output_type(having, self.made, len(outputs.aggregates)) != "bool":
                    raise TypeMismatch("HAVING needs a condition")
        order_by = [self._order(outputs, item, shown) for item in order.expressions] if order else []
        draft = Draft(
            dataset=self.scope.tables[0].name,
            joins=self.scope.joins,
            dimensions=dimensions,
            where=where,
            aggregates=outputs.aggregates,
            outputs=shown,
            having=having,
            order_by=order_by,
            limit=self._limit(),
        )
        return assemble(draft, {d.name: d for d in self.catalogue.datasets}, self.rows_bound, self.holders)

    def _tables(self) -> Rows:
        """FROM and JOIN: the scope, and a reader of columns in it."""
        source = self.source
        clause = self.select.args.get("from_")
        if clause is None:
            raise source.refuse(self.select, "a statement without FROM")
        names: dict[str, int] = {}
        tables = [self._table(clause.this, names)]
        rows = Rows(source, Scope(tuple(tables)), names)
        joins: list[Join] = []
        for node in self.select.args.get("joins") or []:
            source.only(node, "this", "side", "kind", "on", "using")
            side, kind = str(node.args.get("side") or "").upper(), str(node.args.get("kind") or "").upper()
            if side not in ("", "LEFT") or kind not in ("", "INNER", "OUTER") or len(joins) == 8:
                raise source.refuse(node, f"{side or kind or 'more than 8'} JOIN: only JOIN and LEFT JOIN are possible")
            left = rows
            tables.append(self._table(node.this, names))
            rows = Rows(source, Scope(tuple(tables), (*joins, _provisional(tables[-1], side))), names, left.merged)
            keys = self._keys(node, left, rows, len(tables) - 1)
            joins.append(Join(dataset=tables[-1].name, side="left" if side else "inner", on=keys))
            rows = Rows(source, Scope(tuple(tables), tuple(joins)), names, left.merged)
            with source.at(node):
                check_joins(rows.scope)
        return rows

    def _table(self, node: exp.Expr, names: dict[str, int]) -> Dataset:
        if not isinstance(node, exp.Table) or not isinstance(node.this, exp.Identifier):
            raise self.source.refuse(node, f"FROM {construct(node)}: only datasets of the catalogue can be read")
        self.source.only(node, "this", "alias")
        name = str(node.this.this).lower()
        alias = node.args.get("alias")
        if alias is not None:
            self.source.only(alias, "this")
        known = (str(alias.this.this) if alias is not None and alias.this else name).lower()
        if known in names:
            raise self.source.refuse(node, "two tables have one name: give each its own alias")
        names[known] = len(names)
        try:
            return self.catalogue.dataset(name)
        except KeyError:
            near = nearest(name, [dataset.name for dataset in self.catalogue.datasets])
            raise self.source.refuse(node, f"unknown dataset {name[:64]!r}{near}", UnknownName) from None

    def _keys(self, node: exp.Join, left: Rows, both: Rows, table: int) -> tuple[JoinKey, ...]:
        using, on = node.args.get("using"), node.args.get("on")
        keys = []
        if using:
            for item in using:
                if not isinstance(item, exp.Identifier | exp.Column):
                    raise self.source.refuse(node, "USING lists names of columns")
                name = exp.Column(this=item.copy() if isinstance(item, exp.Identifier) else item.this.copy())
                with self.source.at(node):
                    col = left.column(name)
                both.merged[col.name] = col
                keys.append(JoinKey(left=col, right=col.name))
        elif on is not None:
            for part in on.flatten() if isinstance(on, exp.And) else [on]:
                keys.append(self._key(part.unnest(), both, table))
        if not keys:
            raise self.source.refuse(node, "a join needs ON left.key = right.key, or USING (key)")
        return tuple(keys)

    def _key(self, node: exp.Expr, rows: Rows, table: int) -> JoinKey:
        if isinstance(node, exp.EQ) and isinstance(node.left, exp.Column) and isinstance(node.right, exp.Column):
            one, other = rows.column(node.left), rows.column(node.right)
            if one.table == table:
                one, other = other, one
            if other.table == table and one.table != table:
                return JoinKey(left=one, right=other.name)
        raise self.source.refuse(node, "a join condition is left.key = right.key, several of them joined by AND")

    def _where(self) -> list[RowExpr]:
        clause = self.select.args.get("where")
        if clause is None:
            return []
        expr = self.rows.convert(clause.this)
        for part in clause.this.flatten() if isinstance(clause.this, exp.And) else [clause.this]:
            with self.source.at(part):
                conjunct = self.rows.convert(part)
                check_condition(conjunct, self.scope)
                check_conjuncts(condition(conjunct, self.scope), self.scope)
        with self.source.at(clause):
            conjuncts_of([expr], self.scope)
        return list(expr.args) if isinstance(expr, And) else [expr]

    def _dimensions(self, where: list[RowExpr]) -> list[RowExpr]:
        group = self.select.args.get("group")
        if group is None:
            return []
        self.source.only(group, "expressions", "all")
        for node in group.expressions:
            if isinstance(node, exp.Rollup | exp.Cube | exp.GroupingSets):
                raise self.source.refuse(
                    node,
                    f"{construct(node)}: a margin is a question of its own, with its own noise, to which its cells do "
                    "not add up",
                    instead="a statement of its own for each margin, with fewer groups",
                )
        nodes = [self._group_node(node) for node in group.expressions]
        if group.args.get("all"):
            nodes = [
                inner
                for inner in (node.unalias() for node in self.select.expressions)
                if inner.find(exp.AggFunc) is None and inner.find(exp.Column) is not None
            ]
        found: list[RowExpr] = []
        for node in nodes[:17]:
            expr = self.rows.group(node)
            with self.source.at(node):
                expr = normal(expr, self.scope)
                check_depth(expr)
                made = dimension("group", expr, self.scope, ())
                check_group(expr, self.scope)
            if expr not in found:
                found.append(expr)
                self.made.append(made)
        if len(found) > 16:
            raise self.source.refuse(group, "more than 16 groupings")
        return found

    def _group_node(self, node: exp.Expr) -> exp.Expr:
        """GROUP BY 2 and GROUP BY alias name an output; a column of that name comes first."""
        node = node.unnest()
        if isinstance(node, exp.Literal) and not node.is_string:
            named: exp.Expr = self._ordinal(node).unalias()
            return named
        if isinstance(node, exp.Column) and not node.args.get("table") and isinstance(node.this, exp.Identifier):
            name = str(node.this.this).lower()
            if not any(column.name == name for table in self.scope.tables for column in table.columns):
                for output in self.select.expressions:
                    if isinstance(output, exp.Alias) and str(output.alias).lower() == name:
                        inner: exp.Expr = output.this
                        return inner
        return node

    def _ordinal(self, node: exp.Literal) -> exp.Expr:
        text = str(node.this)
        if (
            not text.isascii()
            or not text.isdigit()
            or len(text) > 4
            or not 1 <= int(text) <= len(self.select.expressions)
        ):
            raise self.source.refuse(node, "a number here names an output by its position")
        output: exp.Expr = self.select.expressions[int(text) - 1]
        return output

    def _outputs(self, outputs: Outputs) -> list[Output]:
        shown: list[Output] = []
        for place, node in enumerate(self.select.expressions, start=1):
            expr = outputs.convert(node.unalias())
            with self.source.at(node):
                output_type(expr, self.made, len(outputs.aggregates))
            if isinstance(node, exp.Alias):
                name = unicodedata.normalize("NFC", str(node.alias))
                if not ALIAS.fullmatch(name) or fault(name):
                    raise self.source.refuse(
                        node, "an output name has letters, digits and _, at most 63, no digit first"
                    )
                outputs.aliases.setdefault(name.lower(), expr)
            else:
                name = _default_name(node, place)
            taken = {output.name for output in shown}
            if name in taken and not isinstance(node, exp.Alias):
                name = f"{name}_{place}"
            if name in taken:
                raise self.source.refuse(node, "two outputs have one name: give each its own alias with AS")
            shown.append(Output(name=name, expr=expr))
        return shown

    def _order(self, outputs: Outputs, node: exp.Ordered, shown: list[Output]) -> Order:
        self.source.only(node, "this", "desc", "nulls_first")
        inner = node.this.unnest()
        expr: OutExpr
        if isinstance(inner, exp.Literal) and not inner.is_string:
            expr = shown[self.select.expressions.index(self._ordinal(inner))].expr
        else:
            expr = outputs.convert(inner, aliases_first=True)
        return Order(expr=expr, descending=bool(node.args.get("desc")), nulls_first=bool(node.args.get("nulls_first")))

    def _limit(self) -> int | None:
        node = self.select.args.get("limit")
        if node is None:
            return None
        if isinstance(node, exp.Limit):
            self.source.only(node, "expression")
            if isinstance(node.expression, exp.Literal) and not node.expression.is_string:
                count = text_literal(self.source, node.expression)
                if isinstance(count, Lit) and count.value.isdigit() and int(count.value) <= _ROWS_LIMIT:
                    return int(count.value)
        raise self.source.refuse(node, "LIMIT takes a whole number")


def _provisional(dataset: Dataset, side: str) -> Join:
    """A join whose keys are still being read: enough to know which columns exist."""
    nowhere = JoinKey(left=Col(name=dataset.unit), right=dataset.unit)
    return Join(dataset=dataset.name, side="left" if side else "inner", on=(nowhere,))


def _default_name(node: exp.Expr, place: int) -> str:
    node = node.unnest()
    if isinstance(node, exp.Filter):
        node = node.this
    if isinstance(node, exp.Column):
        return str(node.name).lower()
    if isinstance(node, exp.AggFunc):
        column = node.find(exp.Column)
        name = {"Variance": "var", "VariancePop": "var_pop", "StddevSamp": "stddev", "StddevPop": "stddev_pop"}
        function = name.get(type(node).__name__, type(node).__name__.lower())
        return (f"{function}_{column.name.lower()}" if column else function)[:63]
    if isinstance(node, exp.Func) and isinstance(node.find(exp.Column), exp.Column) and not node.find(exp.AggFunc):
        return f"{type(node).__name__.lower()}"[:63]
    return f"column_{place}"
