"""A plan in words: what an owner reads before signing. Rendered by whoever decides, from the plan's own bytes.

English, with the Chinese term where the regulations have one. Pure: two readers of one plan see the same text. One fact
a line: plans and declarations hold legible text without newlines only, so no value in it can begin another.
"""

from __future__ import annotations

from collections.abc import Iterable

from jobs.disclosure.profile import load_profile
from jobs.kinds.statistics.plan.cost import Cost, estimate
from jobs.kinds.statistics.plan.expr import Col, columns_of
from jobs.kinds.statistics.plan.grade import combined_grade
from jobs.kinds.statistics.plan.guards import guard_words
from jobs.kinds.statistics.plan.outputs import quantiles, totals_of
from jobs.kinds.statistics.plan.phrases import column, phrase, statistic
from jobs.kinds.statistics.plan.reading import reading_words
from jobs.kinds.statistics.plan.statement import statement, text_sql
from jobs.kinds.statistics.plan.types import Dimension, Parameter, Plan, UnitColumn
from jobs.schema import CatalogueView, Dataset, Model, Role

_ROLE_WORDS = {
    Role.IDENTIFIER: "identifier (标识): never shown, matched only inside your domain",
    Role.UNIT: "privacy unit (隐私单元): counted to apply the rules, never shown",
    Role.KNOWN: "known (可知): an outsider may know it already",
    Role.SENSITIVE: "sensitive (敏感): an outsider must not learn it",
    Role.MEASURE: "measure (度量): aggregated, single values never shown",
}


class ColumnWords(Model):
    """One column: what it is, what the plan does with it, what that reveals and to whom."""

    dataset: str
    column: str
    title: str
    role: str
    grade: str
    uses: tuple[str, ...]
    reveals: str
    to: str


class PlanWords(Model):
    """All that a reviewer should know about a plan; ``text`` puts it on one page."""

    summary: str
    statement: tuple[str, ...]
    """SQL, written anew from the plan; lines."""
    statistics: tuple[str, ...]
    groups: tuple[str, ...]
    rows_known: tuple[str, ...]
    rows_sensitive: tuple[str, ...]
    joins: tuple[str, ...]
    parameters: tuple[str, ...]
    after_release: tuple[str, ...]
    columns: tuple[ColumnWords, ...]
    cells: int
    numbers: int
    grade: str
    grade_reason: str
    parts: tuple[str, ...]
    """Who contributes, and what hub and others learn of it."""
    units: str
    guards: tuple[str, ...]
    """Noise, base, verdicts and audit."""
    reading: tuple[str, ...]
    """How the rows are read at every owner, and how long that takes."""
    cost: Cost
    digest: str

    def text(self) -> str:
        """Plain text, one fact per line."""
        lines = [self.summary, f"plan {self.digest}", "Statement, written here from the plan:"]
        lines += [f"  {line}" for line in self.statement]
        for title, items in (
            ("Statistics", self.statistics),
            ("For each", self.groups),
            ("Only rows where (known columns, which make the base)", self.rows_known),
            ("Only rows where (secret columns 敏感)", self.rows_sensitive),
            ("Joined inside your domain", self.joins),
            ("Parameters, given at each run", self.parameters),
            ("On released numbers only", self.after_release),
        ):
            lines += [f"{title}:", *(f"  - {item}" for item in items)] if items else []
        lines.append("Columns touched:")
        for c in self.columns:
            title = f" {text_sql(c.title)}" if c.title else ""
            lines.append(f"  - {c.dataset}.{c.column}{title} [{c.role}; {c.grade}] {', '.join(c.uses)}")
            lines.append(f"      reveals {c.reveals}, to {c.to}")
        lines += [
            f"Cells: {self.cells:,}, numbers: {self.numbers:,}",
            f"Privacy units: {self.units}",
            f"Combined grade (分类分级): {self.grade_reason}",
            "How individuals are protected:",
            *(f"  - {item}" for item in self.guards),
            "Parts, and what others learn of yours:",
            *(f"  - {item}" for item in self.parts),
            "How every owner's part is read:",
            *(f"  - {item}" for item in self.reading),
            f"Cost: at most {self.cost.rows_at_most:,} rows over all owners, {self.cost.columns_read} columns, about "
            f"{self.cost.seconds_about} s; each node sends at most "
            f"{self.cost.flag_bytes_per_node + self.cost.value_bytes_per_node:,} bytes",
        ]
        return "\n".join(lines)


def explain(plan: Plan, datasets: CatalogueView | Iterable[Dataset]) -> PlanWords:
    """The plan in words. Raises ``KeyError`` for a dataset not in ``datasets``, ``InvalidRequest`` for a profile."""
    known = {d.name: d for d in (datasets.datasets if isinstance(datasets, CatalogueView) else datasets)}
    grade, reason = combined_grade(plan, known)
    groups = tuple(_group(d, plan) for d in plan.dimensions)
    statistics = tuple(statistic(a, plan) for a in plan.aggregates)
    cost = estimate(plan, known[plan.dataset])
    return PlanWords(
        summary=f"{len(statistics)} statistic{'s' * (len(statistics) > 1)} of {plan.dataset}"
        + (f", for each of {plan.cells} cells" if plan.dimensions else ", over all rows"),
        statement=statement(plan),
        statistics=statistics,
        groups=groups,
        rows_known=tuple(phrase(c, plan) for c in plan.where.known),
        rows_sensitive=tuple(phrase(c, plan) for c in plan.where.sensitive),
        joins=tuple(_join(plan, number) for number in range(1, len(plan.joins) + 1)),
        parameters=tuple(_parameter(p) for p in plan.parameters),
        after_release=_after(plan),
        columns=_columns(plan, known),
        cells=plan.cells,
        numbers=plan.cells * len(plan.aggregates),
        grade=grade.value,
        grade_reason=reason,
        parts=_parts(plan),
        units=_units(plan),
        guards=guard_words(plan),
        reading=reading_words(plan, known, cost),
        cost=cost,
        digest=plan.digest(),
    )


def _join(plan: Plan, number: int) -> str:
    join = plan.joins[number - 1]
    on = " and ".join(f"{column(k.left, plan)} = {column(Col(table=number, name=k.right), plan)}" for k in join.on)
    kept = "rows without a match stay" if join.side == "left" else "rows without a match are left out"
    return f"{join.dataset} on {on}; {kept}"


def _group(dimension: Dimension, plan: Plan) -> str:
    """A grouping with its values, which follow from statement and declarations: a long list is named by its ends."""
    values = ["missing" if v is None else text_sql(v) if isinstance(v, str) else str(v) for v in dimension.domain]
    listed = ", ".join(values) if len(values) <= 24 else f"{', '.join(values[:12])}, ..., {', '.join(values[-2:])}"
    return f"{text_sql(dimension.name)}: {phrase(dimension.expr, plan)}; {len(values)} values: {listed}"


def _parameter(parameter: Parameter) -> str:
    text = f":{parameter.name}, a {parameter.type}"
    if parameter.allowed is not None:
        return f"{text}, one of {len(parameter.allowed)} declared values"
    return text if parameter.low is None else f"{text}, from {parameter.low} to {parameter.high}"


def _units(plan: Plan) -> str:
    whose = "in your part alone" if plan.holders == 1 else "in every owner's part"
    named = [
        f"{column(unit.column, plan)} tells them apart (domain {unit.unit_domain}{_held(unit, plan)}"
        + (", rows without one are left out)" if unit.nulls == "exclude" else ")")
        for unit in plan.unit_columns
    ]
    if load_profile(plan.profile).privacy is not None:
        return f"{'; '.join(named)}. Presence or absence of each is what the noise hides"
    return f"{'; '.join(named)}. The rules count them {whose}"


def _held(unit: UnitColumn, plan: Plan) -> str:
    """What the owners declare of several of them."""
    if plan.holders == 1:
        return ""
    if unit.disjoint:
        return ", held by one owner only"
    apart = any(planned.apart for planned in plan.columns if planned.column == unit.column)
    return ", maybe held by several owners, but no record by two of them" if apart else ""


def _after(plan: Plan) -> tuple[str, ...]:
    found = []
    for quantile in dict.fromkeys(quantiles(plan)):
        found.append(
            f"quantile {quantile.share} of {column(quantile.column, plan)}: told from the numbers of values below its "
            f"{len(quantile.cuts)} cut points, as a cut point on either side and an estimate between them"
        )
    if totals_of((*(o.expr for o in plan.outputs), *(o.expr for o in plan.order_by))):
        found.append("totals over the rows of the table, which are no questions of their own")
    if plan.having is not None:
        found.append("HAVING: rows are kept by a condition on released numbers")
    found += ["ORDER BY"] if plan.order_by else []
    found += [f"LIMIT {plan.limit}"] if plan.limit is not None else []
    return tuple(found)


def _parts(plan: Plan) -> tuple[str, ...]:
    """Who learns what."""
    profile = load_profile(plan.profile)
    noisy, private = "exact" if profile.exact else "noisy", profile.privacy is not None
    seen = "every participating owner sees the released table, recomputes it from all messages and signs it"
    if plan.holders == 1:
        return (
            f"you alone contribute, so nothing is masked: your node {'adds noise' if private else 'applies all rules'} "
            f"and sends {noisy} numbers",
            "the hub (平台) sees all noisy numbers and formats the released table"
            if private
            else f"the hub (平台) sees one bit per cell and statistic, whether it fails, and the {noisy} numbers of "
            "those that pass; it formats the released table",
            "your node recomputes the released table and signs it",
        )
    judged = "each noisy part" if private else f"the rules judge each {noisy} part alone, and it"
    common = (
        f"{plan.holders} owners contribute; {judged} is masked",
        "the hub (平台) sees sums of all noisy parts"
        if private
        else f"the hub (平台) sees one bit per cell and statistic, whether some part fails, and sums of all {noisy} "
        "parts where none does; by asking single nodes to open a failed cell it finds out whose part failed",
        seen,
    )
    if plan.holders == 2:
        return (*common, f"with two owners each learns the other's {noisy} part: the released total less its own")
    return (*common, f"all other owners together learn your {noisy} part: the released total less theirs")


def _columns(plan: Plan, datasets: dict[str, Dataset]) -> tuple[ColumnWords, ...]:
    found = []
    for planned in plan.columns:
        col = planned.column
        dataset = plan.dataset_of(col.table)
        declared = datasets[dataset].column(col.name)
        uses, reveals, to = _uses(plan, col)
        found.append(
            ColumnWords(
                dataset=dataset,
                column=col.name,
                title=declared.title,
                role=_ROLE_WORDS[declared.role],
                grade=declared.grade.value,
                uses=tuple(uses),
                reveals=reveals,
                to=to,
            )
        )
    return tuple(found)


_HUB = "the hub (平台), as"
_READERS = "the operator (授权运营) and every participating owner, where the rules pass"


def _uses(plan: Plan, col: Col) -> tuple[list[str], str, str]:
    """What is done with a column, the most that this reveals, and to whom."""
    uses, revealed = [], []
    if any(unit.column == col for unit in plan.unit_columns):
        uses.append("counts individuals")
    if any(col == key.left for join in plan.joins for key in join.on) or any(
        col == Col(table=n, name=key.right) for n, join in enumerate(plan.joins, start=1) for key in join.on
    ):
        uses.append("join key")
    if any(col in columns_of(d.expr) for d in plan.dimensions):
        uses.append("groups")
        revealed.append("which of its groups hold enough individuals")
    if any(col in columns_of(c) for c in plan.where.conjuncts):
        uses.append("filters")
        revealed.append("statistics of the rows that its condition selects")
    if any(col in columns_of(a.filter) for a in plan.aggregates):
        uses.append("filters one statistic")
        revealed.append("statistics of the rows that its condition selects")
    for aggregate in plan.aggregates:
        if col in aggregate.measured:
            uses.append("aggregated")
            revealed.append(statistic(aggregate, plan))
    if not revealed:
        return uses, "nothing but whether the rules withhold a number", f"{_HUB} one bit per number"
    return list(dict.fromkeys(uses)), "; ".join(dict.fromkeys(revealed)), _READERS
