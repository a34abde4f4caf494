"""From a statement's parts to a plan: roles, types, cells and ranges are proven here, for compiler and node alike.

The compiler assembles what a person wrote; a node assembles what a received plan says and compares. Everything that a
plan contains beyond the statement itself follows from the datasets, ``rows_bound`` and ``holders``.
"""

from __future__ import annotations

from math import prod

from jobs.documents.canonical import json_digest
from jobs.kinds.statistics.plan.canonical import FALSE, TRUE, condition, normal, sort_key
from jobs.kinds.statistics.plan.channels import MOMENTS, SYMMETRIC, plan_channels, product_of, ring_bits
from jobs.kinds.statistics.plan.domains import dimension
from jobs.kinds.statistics.plan.draft import Draft, DraftAggregate, renumbered
from jobs.kinds.statistics.plan.errors import InvalidPlan, RoleForbids, TooLarge, TypeMismatch, UnsupportedSql
from jobs.kinds.statistics.plan.expr import Agg, And, Col, Dim, Mul, OutExpr, RowExpr, columns_of
from jobs.kinds.statistics.plan.infer import infer_parameters
from jobs.kinds.statistics.plan.joins import check_joins, ordered_joins
from jobs.kinds.statistics.plan.outputs import has_total, normal_output, output_type
from jobs.kinds.statistics.plan.private import check_private
from jobs.kinds.statistics.plan.quantile import settled
from jobs.kinds.statistics.plan.scope import Scope, check_condition, check_depth
from jobs.kinds.statistics.plan.separate import check_conjuncts, check_group, check_known_sums, secrets
from jobs.kinds.statistics.plan.size import check_size
from jobs.kinds.statistics.plan.types import (
    MAX_CELLS,
    Dimension,
    Order,
    Output,
    Plan,
    PlannedColumn,
    SaidOf,
    UnitColumn,
    Where,
)
from jobs.schema import Column, ColumnType, Dataset, Digest, Role


def assemble(draft: Draft, datasets: dict[str, Dataset], rows_bound: int, holders: int) -> Plan:
    """The canonical plan of a draft. Raises ``InvalidSql`` of some kind for whatever the subset does not allow."""
    draft = ordered_joins(draft)
    tables = tuple(datasets[name] for name in (draft.dataset, *(join.dataset for join in draft.joins)))
    scope = Scope(tables, draft.joins)
    check_joins(scope)
    conjuncts = conjuncts_of(draft.where, scope)
    aggregates, aggregate_index = _aggregates(draft.aggregates, scope, holders)
    dimensions, dimension_index = _dimensions(draft, scope, conjuncts)
    for item in aggregates:
        check_known_sums(item, (*conjuncts, *(d.expr for d in dimensions)), scope)
    units = _unit_columns(scope)
    check_private(tables[0], units)
    cells = prod(len(d.domain) for d in dimensions)
    planned, channels = plan_channels(aggregates, scope, units[0], rows_bound, holders, cells)

    shown = [dimensions[dimension_index[i]] for i in range(len(draft.dimensions))]
    for expr in (*(o.expr for o in draft.outputs), *(o.expr for o in draft.order_by)):
        if output_type(expr, shown, len(draft.aggregates)) == "any":
            raise TypeMismatch("a parameter alone is no output")

    def counted(item: DraftAggregate) -> Agg:
        try:
            return Agg(index=aggregates.index(aggregate(item, scope, holders)))
        except ValueError:
            raise InvalidPlan("a quantile rests on counts that the plan does not have") from None

    def output(expr: OutExpr) -> OutExpr:
        return settled(normal_output(renumbered(expr, dimension_index, aggregate_index)), scope, counted)

    if draft.having is not None and output_type(draft.having, shown, len(draft.aggregates)) != "bool":
        raise TypeMismatch("HAVING needs a condition")
    if draft.having is not None and has_total(draft.having):
        raise UnsupportedSql("SUM(...) OVER in HAVING: it adds up the rows that HAVING leaves")
    having = None if draft.having is None else output(draft.having)
    outputs = tuple(Output(name=o.name, expr=output(o.expr)) for o in draft.outputs)
    if len({o.name for o in outputs}) != len(outputs):
        raise UnsupportedSql("two outputs have one name: give each its own alias with AS")
    order_by = tuple(
        Order(expr=output(o.expr), descending=o.descending, nulls_first=o.nulls_first) for o in draft.order_by
    )
    check_size(dimensions, outputs, draft.limit, tables[0].profile)
    rows = (*conjuncts, *(d.expr for d in dimensions), *(a.filter for a in planned if a.filter))
    results = (*(o.expr for o in outputs), *(o.expr for o in order_by), *([having] if having else []))
    return Plan(
        dataset=draft.dataset,
        schema_digests={d.name: dataset_digest(d) for d in sorted(set(tables), key=lambda d: d.name)},
        joins=draft.joins,
        dimensions=dimensions,
        where=_where(conjuncts, scope),
        parameters=infer_parameters(rows, results, scope),
        aggregates=planned,
        channels=channels,
        outputs=outputs,
        having=having,
        order_by=order_by,
        limit=draft.limit,
        unit_columns=units,
        columns=_columns(scope, units, (*rows, *(col for a in planned for col in a.measured))),
        joint_minimum=holders > 1 and all(d.joint_minimum for d in tables) and all(unit.disjoint for unit in units),
        rows_bound=rows_bound,
        holders=holders,
        ring_bits=ring_bits(channels),
        profile=tables[0].profile,
    )


def dataset_digest(dataset: Dataset) -> Digest:
    """Digest of the canonical ``Dataset`` document: what ``schema_digests`` holds."""
    return json_digest(dataset.model_dump(mode="json"))


def conjuncts_of(where: list[RowExpr], scope: Scope) -> tuple[RowExpr, ...]:
    """The one form of a WHERE clause: its conjuncts, sorted. Raises where it is badly typed or can never be true."""
    for expr in where:
        check_condition(expr, scope)
    if not where:
        return ()
    whole = condition(where[0] if len(where) == 1 else And(args=tuple(where)), scope)
    check_depth(whole)
    if whole == FALSE:
        raise UnsupportedSql("the WHERE clause can never be true")
    if whole == TRUE:
        return ()
    check_conjuncts(whole, scope)
    return whole.args if isinstance(whole, And) else (whole,)


def _where(conjuncts: tuple[RowExpr, ...], scope: Scope) -> Where:
    known = tuple(c for c in conjuncts if not secrets(c, scope))
    return Where(known=known, sensitive=tuple(c for c in conjuncts if c not in known))


def _dimensions(
    draft: Draft, scope: Scope, conjuncts: tuple[RowExpr, ...]
) -> tuple[tuple[Dimension, ...], dict[int, int]]:
    """Dimensions in one order: those shown, as the outputs show them; then the others, by content."""
    normalised = []
    for expr in draft.dimensions:
        scope.type_of(expr)
        normalised.append(normal(expr, scope))
        check_depth(normalised[-1])
    names: dict[RowExpr, str] = {}
    for output in draft.outputs:
        if isinstance(output.expr, Dim) and output.expr.index < len(normalised):
            names.setdefault(normalised[output.expr.index], output.name)
    for place, expr in enumerate(sorted(set(normalised) - set(names), key=sort_key), start=1):
        names[expr] = f"group_{place}"
    made: list[Dimension] = []
    for expr, name in names.items():
        made.append(dimension(name, expr, scope, conjuncts))
        check_group(expr, scope)
        if prod(len(d.domain) for d in made) > MAX_CELLS:
            raise TooLarge(f"the groups make more than {MAX_CELLS} cells: group more coarsely")
    places = {expr: place for place, expr in enumerate(names)}
    return tuple(made), {number: places[expr] for number, expr in enumerate(normalised)}


def _aggregates(
    drafts: list[DraftAggregate], scope: Scope, holders: int
) -> tuple[list[DraftAggregate], dict[int, int]]:
    if not drafts:
        raise UnsupportedSql("a statement without an aggregate would list rows: add COUNT(*), SUM, AVG, ...")
    normalised = [aggregate(draft, scope, holders) for draft in drafts]
    ordered = sorted(set(normalised), key=_aggregate_key)
    return ordered, {number: ordered.index(draft) for number, draft in enumerate(normalised)}


def _aggregate_key(draft: DraftAggregate) -> tuple[str, bytes, bytes, bytes]:
    column, other, filter_ = (sort_key(part) if part else b"" for part in (draft.column, draft.other, draft.filter))
    return draft.function, column, filter_, other


def aggregate(draft: DraftAggregate, scope: Scope, holders: int) -> DraftAggregate:
    """The one form of an aggregate; raises for whatever its column's role, type or declarations forbid."""
    filter_ = draft.filter
    if filter_ is not None:
        check_condition(filter_, scope)
        filter_ = condition(filter_, scope)
        check_depth(filter_)
        if filter_ == FALSE:
            raise UnsupportedSql("a FILTER can never be true")
        check_conjuncts(filter_, scope)
        filter_ = None if filter_ == TRUE else filter_
    function, col = draft.function, draft.column
    if function == "count_rows":
        return DraftAggregate(function, None, filter_)
    if col is None or (draft.other is None) == (function in MOMENTS):
        raise UnsupportedSql(f"{function} needs {'two columns' if function in MOMENTS else 'one column'}")
    if isinstance(col, Mul) or draft.other is not None:
        return _of_two(draft, filter_, scope)
    column = scope.column(col)
    if function == "count_distinct_unit":
        _check_distinct(col, column, scope, holders)
    else:
        _check_aggregated(function, column)
        if function == "count" and not scope.nullable(col):
            return DraftAggregate("count_rows", None, filter_)
        if function != "count":
            scope.bounded(col)
    return DraftAggregate(function, col, filter_)


def _of_two(draft: DraftAggregate, filter_: RowExpr | None, scope: Scope) -> DraftAggregate:
    """The sum or mean of a product, and what rests on such sums: both columns are aggregated."""
    args = draft.column.args if isinstance(draft.column, Mul) else (draft.column, draft.other)
    columns = [arg for arg in args if isinstance(arg, Col)]
    if len(columns) != 2 or (isinstance(draft.column, Mul) and draft.function not in ("sum", "avg")):
        raise UnsupportedSql(f"{draft.function} of this expression: SUM and AVG take the product of two columns")
    for col in columns:
        _check_aggregated(draft.function, scope.column(col))
        scope.bounded(col)
    product = product_of(columns[0], columns[1])
    scope.bounded(product)
    if draft.other is None:
        return DraftAggregate(draft.function, product, filter_)
    y, x = sorted(columns, key=sort_key) if draft.function in SYMMETRIC else columns
    return DraftAggregate(draft.function, y, filter_, x)


def _check_aggregated(function: str, column: Column) -> None:
    if column.role is Role.IDENTIFIER:
        raise RoleForbids(f"column {column.name} identifies individuals: it may only be a join key")
    if column.role is Role.UNIT:
        raise RoleForbids(f"column {column.name} is a privacy unit: it may only stand in COUNT(DISTINCT {column.name})")
    if function != "count" and column.type not in (ColumnType.INT, ColumnType.DECIMAL):
        raise TypeMismatch(f"{function} of column {column.name}, which is a {column.type.value}")


def _check_distinct(col: Col, column: Column, scope: Scope, holders: int) -> None:
    if column.role is not Role.UNIT:
        raise RoleForbids(
            f"COUNT(DISTINCT {column.name}): only a privacy unit may be counted distinct",
            instead=f"GROUP BY {column.name}: each value is a row",
        )
    dataset = scope.tables[col.table]
    if holders > 1 and not (dataset.units_disjoint and column.name == dataset.unit):
        raise UnsupportedSql(
            f"COUNT(DISTINCT {column.name}) over {holders} owners: one individual may be held by several, so summed "
            "distinct counts would overstate the union. It is possible only where the owners declare units_disjoint"
        )


def _unit_columns(scope: Scope) -> tuple[UnitColumn, ...]:
    """Every unit column of every table; one that a join equates with a unit of its own domain that is already listed is
    the same individual. Of another domain it is audited there too: else each domain would have answers of its own."""
    found: list[UnitColumn] = []
    for table, dataset in enumerate(scope.tables):
        for column in dataset.unit_columns:
            col = Col(table=table, name=column.name)
            if table and any(
                key.right == column.name
                and (key.left, column.unit_domain) in [(u.column, u.unit_domain) for u in found]
                for key in scope.joins[table - 1].on
            ):
                continue
            found.append(
                UnitColumn(
                    column=col,
                    unit_domain=str(column.unit_domain),
                    nulls=dataset.null_units,
                    disjoint=dataset.units_disjoint and column.name == dataset.unit,
                )
            )
    return tuple(found)


def _columns(scope: Scope, units: tuple[UnitColumn, ...], exprs: tuple[RowExpr, ...]) -> tuple[PlannedColumn, ...]:
    """Every column that is read, with what its dataset declares about it, by table and name."""
    alone = any(dataset.colluding_owners is None for dataset in scope.tables)
    read = {unit.column for unit in units} | {col for expr in exprs for col in columns_of(expr)}
    for table, join in enumerate(scope.joins, start=1):
        read |= {key.left for key in join.on} | {Col(table=table, name=key.right) for key in join.on}
    found = []
    for col in sorted(read, key=lambda c: (c.table, c.name)):
        column = scope.column(col)
        dataset = scope.tables[col.table]
        excluded = dataset.null_units == "exclude"
        found.append(
            PlannedColumn(
                column=col,
                type=column.type,
                decimals=column.decimals,
                nullable=excluded if column.role is Role.UNIT else column.nullable,
                role=column.role,
                apart=alone and (dataset.units_disjoint or dataset.records_disjoint),
                said_of=_said_of(dataset, column),
                low=column.bounds.low if column.bounds else None,
                high=column.bounds.high if column.bounds else None,
            )
        )
    return tuple(found)


def _said_of(dataset: Dataset, column: Column) -> tuple[SaidOf, ...]:
    """By unit domain; a table with one row a unit says all that is secret in it of the unit, however it is joined."""
    if not column.secret:
        return ()
    found: dict[str, bool] = {}
    for unit in dataset.unit_columns:
        if dataset.is_said_of(column, unit.name):
            disjoint = dataset.units_disjoint and unit.name == dataset.unit
            found[str(unit.unit_domain)] = disjoint and found.get(str(unit.unit_domain), True)
    return tuple(SaidOf(unit_domain=domain, disjoint=disjoint) for domain, disjoint in sorted(found.items()))
