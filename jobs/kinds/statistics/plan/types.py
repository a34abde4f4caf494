"""The plan of a joint statistic: what every node computes on its part, which cells exist, what the answer is made of.

Same meaning, same bytes: ``digest`` is the name of a plan template in commitments, grants and permits. A plan holds
parameters by name and type, never their values. Made by ``plan.compile``, re-checked by ``plan.check``.
"""

from __future__ import annotations

from itertools import product
from math import prod
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, StringConstraints, model_validator

from jobs import legible
from jobs.disclosure.ratio import Deviation
from jobs.documents.canonical import json_digest
from jobs.kinds.statistics.plan.expr import Col, Mul, OutExpr, RowExpr, ValueType, columns_of
from jobs.schema import (
    ColumnType,
    DateText,
    DecimalText,
    Digest,
    DigestText,
    DomainValue,
    Model,
    Name,
    ProfileId,
    Role,
    Scalar,
)

Function = Literal[
    "count_rows", "count", "sum", "avg", "var_samp", "var_pop", "stddev_samp", "stddev_pop", "count_distinct_unit",
    "covar_samp", "covar_pop", "corr", "regr_slope", "regr_intercept", "regr_r2",
]  # fmt: skip
Summand = Annotated[Col | Mul, Field(discriminator="kind")]
"""What is added up: a column, or the product of two."""
ChannelKind = Literal["rows", "sum", "sumsq", "distinct"]
OutputName = Annotated[str, StringConstraints(pattern=r"^[^\W\d]\w{0,62}$"), AfterValidator(legible.line)]
BigInt = Annotated[
    int,
    BeforeValidator(lambda value: int(value) if isinstance(value, str) and len(value) < 60 else value),
    PlainSerializer(str, return_type=str, when_used="json"),
]
"""An integer beyond 2^53: a string in JSON."""

MAX_CELLS = 100_000
"""Cells of one plan: a node sends channels x cells ring elements, and holds evidence for each."""


class JoinKey(Model):
    left: Col
    right: Name


class Join(Model):
    """Many-to-one, inside one owner's domain: ``on`` covers a declared unique key of ``dataset``."""

    dataset: Name
    side: Literal["inner", "left"]
    on: Annotated[tuple[JoinKey, ...], Field(min_length=1, max_length=8)]


class Dimension(Model):
    """One grouping expression and every value it may take, in display order; ``None`` is SQL's NULL group."""

    name: OutputName
    expr: RowExpr
    type: ValueType
    decimals: Annotated[int, Field(ge=0, le=18)] = 0
    domain: Annotated[tuple[DomainValue | None, ...], Field(min_length=1)]


class Where(Model):
    """The conjuncts of WHERE: those an outsider may know the answer to, apart from those he must not learn."""

    known: tuple[RowExpr, ...] = ()
    sensitive: tuple[RowExpr, ...] = ()

    @property
    def conjuncts(self) -> tuple[RowExpr, ...]:
        return (*self.known, *self.sensitive)


class Parameter(Model):
    """A value given per run. ``allowed`` comes from the compared column's domain, the bounds from its bounds."""

    name: Name
    type: ValueType
    decimals: Annotated[int, Field(ge=0, le=18)] = 0
    allowed: tuple[DomainValue, ...] | None = None
    low: DecimalText | DateText | None = None
    high: DecimalText | DateText | None = None


class Aggregate(Model):
    """One statistic per cell, over the rows where ``filter`` is true and ``column`` and ``other`` are not null."""

    function: Function
    column: Summand | None = None
    other: Col | None = None
    """The second column of a covariance, a correlation, a regression: what SQL calls x."""
    filter: RowExpr | None = None
    channels: Annotated[tuple[int, ...], Field(min_length=1, max_length=6)]
    """Indices into the plan's channels: rows, sum, sum of squares; or distinct alone; of two columns their ``MOMENTS``
    (``plan.channels``)."""

    @property
    def measured(self) -> frozenset[Col]:
        """Every column whose values it is made of."""
        return columns_of(self.column) | columns_of(self.other)


class Channel(Model):
    """One additive quantity per cell. Its total over all holders, noise included, lies in [low, high], by proof."""

    kind: ChannelKind
    column: Summand | None = None
    filter: RowExpr | None = None
    low: BigInt
    high: BigInt
    noise: Deviation
    """Standard deviation of the noise of one part, at the channel's scale; 0: exact."""
    sensitivity: BigInt = 0
    """Under differential privacy, how far one individual moves a part's cells, all together, in the Euclidean norm."""
    scale: Annotated[int, Field(ge=0, le=18)] = 0
    """Values are integers times 10^-scale; a sum of squares has twice the column's scale."""


class Output(Model):
    name: OutputName
    expr: OutExpr


class Order(Model):
    expr: OutExpr
    descending: bool = False
    nulls_first: bool = False


class UnitColumn(Model):
    """A privacy unit that every cell must protect on its own; its dataset says what a row without one means."""

    column: Col
    unit_domain: Name
    nulls: Literal["exclude", "refuse"]
    disjoint: bool
    """Whether the owners declare that no individual is held by two of them."""


class SaidOf(Model):
    """Whose value a column holds: it is the same in all records of one individual."""

    unit_domain: Name
    disjoint: bool
    """Whether the owners declare that no such individual is held by two of them."""


class PlannedColumn(Model):
    """A column that the plan reads, as declared: nodes check every value they read against this."""

    column: Col
    type: ColumnType
    decimals: Annotated[int, Field(ge=0, le=9)] = 0
    nullable: bool
    role: Role
    """What an outsider may know of it: conditions on known columns define the base of an answer."""
    apart: bool = False
    """Whether no record of its dataset is held by two owners, each of whose noise suffices alone."""
    said_of: Annotated[tuple[SaidOf, ...], Field(max_length=32)] = ()
    """Of a secret column, by unit domain."""
    low: DecimalText | DateText | None = None
    high: DecimalText | DateText | None = None


class Plan(Model):
    version: Literal[2] = 2
    dataset: Name
    schema_digests: dict[Name, DigestText]
    joins: Annotated[tuple[Join, ...], Field(max_length=8)] = ()
    dimensions: Annotated[tuple[Dimension, ...], Field(max_length=16)] = ()
    where: Where = Where()
    parameters: Annotated[tuple[Parameter, ...], Field(max_length=64)] = ()
    aggregates: Annotated[tuple[Aggregate, ...], Field(min_length=1, max_length=128)]
    channels: Annotated[tuple[Channel, ...], Field(min_length=1, max_length=512)]
    outputs: Annotated[tuple[Output, ...], Field(min_length=1, max_length=128)]
    having: OutExpr | None = None
    order_by: Annotated[tuple[Order, ...], Field(max_length=32)] = ()
    limit: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    unit_columns: Annotated[tuple[UnitColumn, ...], Field(min_length=1, max_length=32)]
    columns: Annotated[tuple[PlannedColumn, ...], Field(min_length=1, max_length=512)]
    joint_minimum: bool = False
    """Whether the minimum group is judged on the total of all parts alone, as all owners agree."""
    rows_bound: Annotated[int, Field(ge=1, le=1 << 50)]
    """No fewer rows than all holders declare together, rounded up to a power of two so that growth voids no grant."""
    holders: Annotated[int, Field(ge=1, le=10_000)]
    """How many parts are added; a permit must name exactly as many participants."""
    ring_bits: Literal[64, 128]
    profile: ProfileId

    @model_validator(mode="after")
    def _reads_what_it_joins(self) -> Plan:
        if any(planned.column.table > len(self.joins) for planned in self.columns):
            raise ValueError("columns name a table that the plan does not join")
        return self

    @property
    def cells(self) -> int:
        return prod(len(dimension.domain) for dimension in self.dimensions)

    def cell_keys(self) -> tuple[tuple[Scalar | None, ...], ...]:
        """The cells in the order of all vectors: the cross product of the domains, the last dimension fastest."""
        return tuple(product(*(dimension.domain for dimension in self.dimensions)))

    def digest(self) -> Digest:
        """``sha256:`` over the RFC 8785 bytes of the template: parameters by name and type, not by value."""
        return json_digest(self.model_dump(mode="json"))

    def secrets_of(self, expr: RowExpr | None) -> frozenset[Col]:
        """The columns of an expression whose values an outsider must not learn."""
        return columns_of(expr) & frozenset(
            planned.column for planned in self.columns if planned.role is not Role.KNOWN
        )

    def holders_of(self, unit: UnitColumn, column: Col | None) -> int:
        """Among how many owners the audit divides what may be told of one individual: of a secret column's values, or
        (``None``) of which records there are.

        An owner's audit knows its own answers only. Of records apart that is enough: no answer of one owner is about a
        record of another (docs/disclosure.md, the guarantee). What is said of the individual itself is the same at all.
        """
        said = self.said_of(unit, column)
        if said is not None:
            return 1 if said.disjoint else self.holders
        table = 0 if column is None else column.table
        if any(planned.apart for planned in self.columns if planned.column.table == table):
            return 1
        return 1 if unit.disjoint and (column is None or table == unit.column.table) else self.holders

    def said_of(self, unit: UnitColumn, column: Col | None) -> SaidOf | None:
        """What the plan says if a secret column is said of this kind of individual; ``None``: of the record."""
        return next(
            (
                said
                for planned in self.columns
                if planned.column == column
                for said in planned.said_of
                if said.unit_domain == unit.unit_domain
            ),
            None,
        )

    def is_measure(self, expr: RowExpr | None) -> bool:
        """Whether an expression is a measure alone: its values are secret, that there is one is not."""
        return any(planned.column == expr and planned.role is Role.MEASURE for planned in self.columns)

    def dataset_of(self, table: int) -> str:
        """The dataset's name behind ``Col.table``."""
        return self.dataset if table == 0 else self.joins[table - 1].dataset

    def decimals_of(self, aggregate: Aggregate) -> int:
        """Decimals of what is aggregated; 0 for counts."""
        return self.channels[aggregate.channels[1]].scale if len(aggregate.channels) > 1 else 0

    def columns_touched(self) -> dict[str, tuple[str, ...]]:
        """Per dataset, sorted names of every column the plan reads: what a grant's scope must cover."""
        names = sorted({self.dataset_of(planned.column.table) for planned in self.columns})
        return {
            name: tuple(sorted({p.column.name for p in self.columns if self.dataset_of(p.column.table) == name}))
            for name in names
        }
