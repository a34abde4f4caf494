"""From parsed SQL to outputs over groups and aggregates: the SELECT list, HAVING and ORDER BY."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

from sqlglot import exp

from jobs.kinds.statistics.plan.assemble import aggregate
from jobs.kinds.statistics.plan.bases import conjuncts, present
from jobs.kinds.statistics.plan.canonical import normal, sort_key
from jobs.kinds.statistics.plan.compile_rows import Rows, text_literal
from jobs.kinds.statistics.plan.draft import DraftAggregate
from jobs.kinds.statistics.plan.errors import InvalidSql, PlanError, UnknownName
from jobs.kinds.statistics.plan.expr import Agg, And, Col, Dim, Lit, Mul, Op, Operator, OutExpr, Quantile, RowExpr
from jobs.kinds.statistics.plan.polynomial import expand
from jobs.kinds.statistics.plan.quantile import quantile
from jobs.kinds.statistics.plan.separate import check_known_sums
from jobs.kinds.statistics.plan.source import Source, construct
from jobs.kinds.statistics.plan.types import Function
from jobs.kinds.statistics.plan.values import number, truth

_FUNCTIONS: dict[type[exp.Expr], Function] = {
    exp.Sum: "sum",
    exp.Avg: "avg",
    exp.Variance: "var_samp",
    exp.VariancePop: "var_pop",
    exp.Stddev: "stddev_samp",
    exp.StddevSamp: "stddev_samp",
    exp.StddevPop: "stddev_pop",
}
_OF_TWO: dict[type[exp.Expr], Function] = {
    exp.CovarSamp: "covar_samp",
    exp.CovarPop: "covar_pop",
    exp.Corr: "corr",
    exp.RegrSlope: "regr_slope",
    exp.RegrIntercept: "regr_intercept",
    exp.RegrR2: "regr_r2",
}
_WHERE_BOTH: Final = (exp.RegrCount, exp.RegrAvgx, exp.RegrAvgy)
"""Of one column, over the rows that have both."""
_BINARY: dict[type[exp.Expr], Operator] = {
    exp.Add: "add", exp.Mul: "mul", exp.Div: "div", exp.And: "and", exp.Or: "or", exp.EQ: "eq", exp.LT: "lt",
    exp.LTE: "le",
}  # fmt: skip
_QUANTILES: Final = (
    exp.Median, exp.Quantile, exp.PercentileCont, exp.PercentileDisc, exp.ApproxQuantile, exp.WithinGroup,
)  # fmt: skip
_ARITHMETIC: Final = (exp.Add, exp.Sub, exp.Mul, exp.Neg)
_FLIPPED: dict[type[exp.Expr], Operator] = {exp.GT: "lt", exp.GTE: "le"}


@dataclass
class Outputs:
    """Converts output expressions; collects the aggregates they need. ``dimensions`` are normalised."""

    source: Source
    rows: Rows
    holders: int
    dimensions: list[RowExpr]
    where: list[RowExpr]
    aliases: dict[str, OutExpr] = field(default_factory=dict)
    aggregates: list[DraftAggregate] = field(default_factory=list)

    def convert(self, node: exp.Expr, aliases_first: bool = False) -> OutExpr:
        """The output expression of a node; ``aliases_first`` as in ORDER BY, where an alias hides a column."""
        node = node.unnest()
        alias = self._alias(node)
        if aliases_first and alias is not None:
            return alias
        if isinstance(node, exp.Filter | exp.AggFunc | exp.WithinGroup):
            return self._aggregate(node)
        grouped = self._grouped(node)
        if grouped is not None:
            return grouped
        if alias is not None:
            return alias
        with self.source.at(node):
            return self._operation(node, aliases_first)

    def _alias(self, node: exp.Expr) -> OutExpr | None:
        if isinstance(node, exp.Column) and not node.args.get("table") and isinstance(node.this, exp.Identifier):
            return self.aliases.get(str(node.this.this).lower())
        return None

    def _grouped(self, node: exp.Expr) -> Dim | None:
        """The dimension that a node spells, in whatever way."""
        if isinstance(node, exp.Literal | exp.Placeholder) or node.find(exp.AggFunc) or not node.find(exp.Column):
            return None
        try:
            spelled = normal(self.rows.group(node), self.rows.scope)
        except PlanError:
            return None
        return Dim(index=self.dimensions.index(spelled)) if spelled in self.dimensions else None

    def _operation(self, node: exp.Expr, aliases_first: bool) -> OutExpr:
        def part(child: exp.Expr) -> OutExpr:
            return self.convert(child, aliases_first)

        match node:
            case exp.Literal():
                return text_literal(self.source, node)
            case exp.Boolean():
                return truth(bool(node.this))
            case exp.Placeholder():
                return self.rows.parameter(node)
            case exp.Column() | exp.Star():
                self._refuse_column(node)
            case exp.Neg() | exp.Not() | exp.Abs():
                self.source.only(node, "this")
                unary: Operator = "neg" if isinstance(node, exp.Neg) else "not" if isinstance(node, exp.Not) else "abs"
                return Op(op=unary, args=(part(node.this),))
            case exp.Sub():
                return Op(op="add", args=(part(node.left), Op(op="neg", args=(part(node.right),))))
            case exp.NEQ():
                return Op(op="not", args=(Op(op="eq", args=(part(node.left), part(node.right))),))
            case exp.Is() if isinstance(node.expression, exp.Null):
                return Op(op="is_null", args=(part(node.this),))
            case exp.Between():
                self.source.only(node, "this", "low", "high")
                arg, low, high = part(node.this), part(node.args["low"]), part(node.args["high"])
                return Op(op="and", args=(Op(op="le", args=(low, arg)), Op(op="le", args=(arg, high))))
            case exp.In():
                self.source.only(node, "this", "expressions")
                tests = tuple(Op(op="eq", args=(part(node.this), part(item))) for item in node.expressions)
                return tests[0] if len(tests) == 1 else Op(op="or", args=tests)
            case exp.Window():
                return self._total(node, aliases_first)
            case exp.Coalesce():
                self.source.only(node, "this", "expressions", "is_nvl", "is_null")
                return Op(op="coalesce", args=(part(node.this), *(part(item) for item in node.expressions)))
            case exp.Nullif():
                return Op(op="nullif", args=(part(node.this), part(node.expression)))
            case exp.Round():
                self.source.only(node, "this", "decimals")
                return Op(op="round", args=(part(node.this), self._digits(node)))
            case _ if type(node) in _BINARY:
                self.source.only(node, "this", "expression", "typed", "safe")
                return Op(op=_BINARY[type(node)], args=(part(node.args["this"]), part(node.args["expression"])))
            case _ if type(node) in _FLIPPED:
                return Op(op=_FLIPPED[type(node)], args=(part(node.args["expression"]), part(node.args["this"])))
        raise self.source.unknown(node)

    def _total(self, node: exp.Window, aliases_first: bool) -> OutExpr:
        """SUM(COUNT(*)) OVER (PARTITION BY group): over released numbers."""
        if not isinstance(node.this, exp.Sum) or node.args.get("order") or node.args.get("spec"):
            raise self.source.refuse(node, "OVER: only SUM(...) OVER (PARTITION BY groups), on released numbers")
        self.source.only(node, "this", "partition_by", "over")
        self.source.only(node.this, "this")
        inner = node.this.this
        if not inner.find(exp.AggFunc) and self._alias(inner.unnest()) is None:
            raise self.source.refuse(
                node, "a window over rows, which are never shown", instead="SUM(COUNT(*)) OVER (), of released numbers"
            )  # fmt: skip
        by = [self.convert(part, aliases_first) for part in node.args.get("partition_by") or []]
        return Op(op="total", args=(self.convert(inner, aliases_first), *by))

    def _digits(self, node: exp.Round) -> Lit:
        decimals = node.args.get("decimals")
        negative = isinstance(decimals, exp.Neg)
        inner = decimals.this if negative and decimals is not None else decimals
        if inner is None:
            return Lit(type="number", value="0")
        if not isinstance(inner, exp.Literal) or inner.is_string:
            raise self.source.refuse(node, "ROUND takes a number of digits written as a literal")
        digits = text_literal(self.source, inner)
        return Lit(type="number", value=f"-{digits.value}") if negative and digits.value != "0" else digits

    def _refuse_column(self, node: exp.Column | exp.Star) -> None:
        if isinstance(node, exp.Star) or isinstance(node.this, exp.Star):
            raise self.source.refuse(
                node, "SELECT * would list rows", instead="SELECT columns, COUNT(*) ... GROUP BY columns"
            )
        try:
            col = self.rows.column(node)
        except UnknownName as error:
            raise error.at(*self.source.position(node)) from None
        raise self.source.refuse(
            node,
            f"column {col.name} must stand in GROUP BY or inside an aggregate: single rows are never shown",
            InvalidSql,
        )

    def _aggregate(self, node: exp.Expr) -> OutExpr:
        filter_: RowExpr | None = None
        inner = node
        if isinstance(node, exp.Filter):
            self.source.only(node, "this", "expression")
            inner = node.this
            filter_ = self.rows.convert(node.expression.this)
        with self.source.at(node):
            if isinstance(inner, _QUANTILES):
                return self._quantile(inner, filter_)
            if isinstance(inner, exp.Sum | exp.Avg) and isinstance(inner.this.unnest(), _ARITHMETIC):
                return self._of_arithmetic(inner, filter_)
            return self.added(self._draft(inner, filter_))

    def added(self, draft: DraftAggregate) -> Agg:
        """The released number of an aggregate, which is checked and in its one form from here on."""
        draft = aggregate(draft, self.rows.scope, self.holders)
        check_known_sums(draft, (*self.where, *self.dimensions), self.rows.scope)
        if draft not in self.aggregates:
            self.aggregates.append(draft)
        return Agg(index=self.aggregates.index(draft))

    def _quantile(self, node: exp.Expr, filter_: RowExpr | None) -> Quantile:
        """All spellings of a share and a column; noisy counts tell a continuous and a discrete quantile not apart."""
        of, share = node.this, node.args.get("expression") or node.args.get("quantile")
        descending = False
        if isinstance(node, exp.WithinGroup):
            self.source.only(node, "this", "expression")
            of, share = self._ordered(node), node.this.this
            descending, of = bool(of.args.get("desc")), of.this
        else:
            self.source.only(node, "this", "expression", "quantile")
        asked = text_literal(self.source, share) if isinstance(share, exp.Literal) else None
        if isinstance(node, exp.Median):
            asked = Lit(type="number", value="0.5")
        if asked is None or asked.type != "number":
            raise self.source.refuse(node, "the share of a quantile is a literal from 0 to 1")
        found = Fraction(asked.value)
        return quantile(
            1 - found if descending else found, self._column(node, of), filter_, self.rows.scope, self.added
        )

    def _ordered(self, node: exp.WithinGroup) -> exp.Ordered:
        """PERCENTILE_CONT(0.9) WITHIN GROUP (ORDER BY column)."""
        order = node.args["expression"]
        if (
            not isinstance(node.this, exp.PercentileCont | exp.PercentileDisc)
            or not isinstance(order, exp.Order)
            or len(order.expressions) != 1
        ):
            raise self.source.refuse(node, "WITHIN GROUP belongs to PERCENTILE_CONT and PERCENTILE_DISC of one column")
        ordered: exp.Ordered = order.expressions[0]
        self.source.only(ordered, "this", "desc", "nulls_first")
        return ordered

    def _of_arithmetic(self, node: exp.Sum | exp.Avg, filter_: RowExpr | None) -> OutExpr:
        """SUM(a - b * c) is SUM(a) - SUM(b * c), each over the rows where all of them have a value."""
        self.source.only(node, "this")
        function: Function = "sum" if isinstance(node, exp.Sum) else "avg"
        terms = expand(normal(self.rows.convert(node.this), self.rows.scope), sort_key)
        columns = {atom for atoms in terms for atom in atoms}
        if not columns or any(len(atoms) > 2 or not all(isinstance(atom, Col) for atom in atoms) for atoms in terms):
            raise self.source.refuse(
                node, f"{construct(node)} takes a column, the product of two, and sums and differences of these"
            )
        if len(terms) > 1:
            known = present((col for col in columns if isinstance(col, Col)), self.rows.scope.nullable)
            filter_ = _all((*conjuncts(filter_), *known))
        found = [self._term(function, atoms, filter_, factor) for atoms, factor in terms.items() if factor]
        return found[0] if len(found) == 1 else Op(op="add", args=tuple(found))

    def _term(
        self, function: Function, atoms: tuple[RowExpr, ...], filter_: RowExpr | None, factor: Fraction
    ) -> OutExpr:
        """``factor`` times what one term adds up to; a constant adds up to the number of rows."""
        if not atoms and function == "avg":
            return number(factor)
        column = atoms[0] if len(atoms) == 1 else Mul(args=atoms) if atoms else None
        measured = column if isinstance(column, Col | Mul) else None
        made = self.added(DraftAggregate(function if atoms else "count_rows", measured, filter_))
        return made if factor == 1 else Op(op="mul", args=(number(factor), made))

    def _no_aggregate(self, node: exp.Expr) -> PlanError:
        """Why a function cannot be asked, and what can."""
        if not isinstance(node, exp.Min | exp.Max):
            return self.source.unknown(node)
        sign, end = ("<", "lowest") if isinstance(node, exp.Min) else (">=", "highest")
        return self.source.refuse(
            node,
            f"{construct(node)} is the value of one individual, and noise that hides it would leave nothing of it",
            instead=f"QUANTILE_CONT(column, share), or COUNT(*) FILTER (WHERE column {sign} c), c the {end} cut point",
        )

    def _of_two(self, node: exp.Expr, filter_: RowExpr | None) -> DraftAggregate:
        self.source.only(node, "this", "expression")
        y, x = self._column(node, node.this), self._column(node, node.args["expression"])
        if type(node) in _OF_TWO:
            return DraftAggregate(_OF_TWO[type(node)], y, filter_, x)
        filter_ = _all((*conjuncts(filter_), *present((y, x), self.rows.scope.nullable)))
        if isinstance(node, exp.RegrCount):
            return DraftAggregate("count_rows", None, filter_)
        return DraftAggregate("avg", x if isinstance(node, exp.RegrAvgx) else y, filter_)

    def _draft(self, node: exp.Expr, filter_: RowExpr | None) -> DraftAggregate:
        if isinstance(node, exp.Count):
            self.source.only(node, "this", "big_int")
            of = node.this
            if of is None or isinstance(of, exp.Star) or (isinstance(of, exp.Literal) and not of.is_string):
                return DraftAggregate("count_rows", None, filter_)
            if isinstance(of, exp.Distinct):
                self.source.only(of, "expressions")
                if len(of.expressions) != 1:
                    raise self.source.refuse(node, "COUNT(DISTINCT ...) of several columns")
                return DraftAggregate("count_distinct_unit", self._column(node, of.expressions[0]), filter_)
            return DraftAggregate("count", self._column(node, of), filter_)
        if type(node) in _OF_TWO or isinstance(node, _WHERE_BOTH):
            return self._of_two(node, filter_)
        if type(node) not in _FUNCTIONS:
            raise self._no_aggregate(node)
        self.source.only(node, "this")
        return DraftAggregate(_FUNCTIONS[type(node)], self._column(node, node.this), filter_)

    def _column(self, node: exp.Expr, of: exp.Expr) -> Col:
        of = of.unnest()
        if isinstance(of, exp.Distinct):
            raise self.source.refuse(node, f"DISTINCT inside {construct(node)}")
        if not isinstance(of, exp.Column):
            raise self.source.refuse(node, f"{construct(node)} takes a single declared column")
        return self.rows.column(of)


def _all(parts: tuple[RowExpr, ...]) -> RowExpr | None:
    """The condition that all of these hold."""
    return And(args=parts) if len(parts) > 1 else parts[0] if parts else None
