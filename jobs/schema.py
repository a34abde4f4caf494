"""The nouns of the catalogue as typed, frozen documents: what an owner declares about data before anyone may use it.

A ``Dataset`` is the logical table that several owners hold parts of; everything in it is the same at every holder and
its ``digest`` is what plans bind. A ``Holding`` is one owner's part: provider, version, row bound, budget.
Pure: no I/O. Field lists: requirements R11 (catalogue) and R12 (grading).
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Literal, NewType

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from jobs import legible

OwnerId = NewType("OwnerId", str)
NodeId = NewType("NodeId", str)
OperatorId = NewType("OperatorId", str)
JobId = NewType("JobId", str)
Digest = NewType("Digest", str)
"""``sha256:`` and 64 hexadecimal digits."""
DigestText = Annotated[Digest, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
ProfileId = Annotated[str, StringConstraints(pattern=r"^[a-z]+@[0-9]{1,6}$")]
Text = Annotated[str, StringConstraints(max_length=2000), AfterValidator(legible.lines)]
Title = Annotated[str, StringConstraints(max_length=256), AfterValidator(legible.line)]
"""What people read on one line."""
DecimalText = Annotated[str, StringConstraints(pattern=r"^-?[0-9]{1,30}(\.[0-9]{1,18})?$")]
DateText = Annotated[str, StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2})?$")]
Scalar = str | int | bool
"""A value as people write it: dates and decimals are their ISO / plain text."""
DomainValue = Annotated[str, StringConstraints(max_length=400), AfterValidator(legible.line)] | int | bool
"""A value of a declared domain: whoever signs reads it, so it is legible."""


class Model(BaseModel):
    """Base of all documents: frozen, no unknown fields, no silent type changes."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, allow_inf_nan=False)


class Role(StrEnum):
    """What a column is to the person behind the row; decides what a plan may do with it."""

    IDENTIFIER = "identifier"  # names an individual: never grouped by, never aggregated, may be a join key
    UNIT = "unit"  # the privacy unit: counted distinct, never shown
    KNOWN = "known"  # an outsider may know it: free to group and filter by
    SENSITIVE = "sensitive"  # an outsider must not learn it: grouped and filtered only as an approved plan says
    MEASURE = "measure"  # aggregated; its values are never shown


class Grade(StrEnum):
    """Classification (分类分级). ``core`` data is refused at registration."""

    GENERAL = "general"
    SENSITIVE_PERSONAL = "sensitive_personal"
    IMPORTANT = "important"
    CORE = "core"


class ColumnType(StrEnum):
    INT = "int"
    DECIMAL = "decimal"  # exact, or floats that equal their ``decimals``-digit decimal
    STRING = "string"
    BOOL = "bool"
    DATE = "date"
    TIMESTAMP = "timestamp"


class Bounds(Model):
    """Inclusive bounds; registration refuses data outside, the planner proves ranges from them.

    Decimal text for a number; for a date ``2013-01-31``, for a timestamp that or ``2013-01-31T08:00:00``.
    """

    low: DecimalText | DateText
    high: DecimalText | DateText

    @model_validator(mode="after")
    def _ordered(self) -> Bounds:
        if _is_date(self.low) != _is_date(self.high):
            raise ValueError("bounds: one end is a date and the other a number")
        if _is_date(self.low):
            if datetime.fromisoformat(self.low) > datetime.fromisoformat(self.high):
                raise ValueError("bounds: low is after high")
        elif Decimal(self.low) > Decimal(self.high):
            raise ValueError("bounds: low is above high")
        return self

    @property
    def temporal(self) -> bool:
        """Whether the ends are dates rather than numbers."""
        return _is_date(self.low)


def _is_date(text: str) -> bool:
    return "-" in text[1:]


def _decimals(text: str) -> int:
    return len(text.partition(".")[2].rstrip("0"))


class Column(Model):
    name: Name
    type: ColumnType
    role: Role
    grade: Grade = Grade.GENERAL
    nullable: bool = True
    decimals: Annotated[int, Field(ge=0, le=9)] = 0  # fixed-point scale of a DECIMAL
    rounded: bool = False  # finer values are rounded to ``decimals`` on reading, by declaration; else they are refused
    domain: tuple[DomainValue, ...] | None = None  # every value that may occur, in display order; needed to group by it
    bounds: Bounds | None = None  # needed to aggregate or bucket it
    cut_points: Annotated[tuple[DecimalText | DateText, ...], Field(max_length=64)] = ()
    """Of a column without a domain: the only values that a condition may compare it with, and a range may begin at."""
    fold: bool = False  # of a text: values that differ in letter case and edge spaces only are one
    unit_domain: Name | None = None  # which kind of individual: needed for role unit
    said_of: Annotated[tuple[Name, ...], Field(max_length=32)] = ()
    """Unit columns in all of whose rows a secret value is the same, as a diagnosis is on every visit of one person."""
    identifier_kind: Literal["person_id", "social_credit_code", "geocode", "other"] | None = None
    title: Title = ""
    masked: bool = False
    encrypted: bool = False

    @model_validator(mode="after")
    def _complete(self) -> Column:
        if self.role is Role.UNIT and self.unit_domain is None:
            raise ValueError(f"column {self.name}: role unit needs a unit_domain")
        if self.domain is not None and len(set(map(repr, self.domain))) != len(self.domain):
            raise ValueError(f"column {self.name}: a domain names each value once")
        if self.bounds is not None:
            if self.type in (ColumnType.STRING, ColumnType.BOOL):
                raise ValueError(f"column {self.name}: a {self.type.value} has no bounds, declare a domain")
            if self.bounds.temporal != (self.type in (ColumnType.DATE, ColumnType.TIMESTAMP)):
                raise ValueError(f"column {self.name}: bounds of another kind than its type")
        self._check_cut_points()
        if self.fold and self.type is not ColumnType.STRING:
            raise ValueError(f"column {self.name}: only a text is folded")
        if self.fold and any(isinstance(value, str) and value != value.strip().upper() for value in self.domain or ()):
            raise ValueError(f"column {self.name}: a folded column's domain is in upper case without edge spaces")
        if self.decimals and self.type is not ColumnType.DECIMAL:
            raise ValueError(f"column {self.name}: only a decimal has decimals")
        return self

    @property
    def secret(self) -> bool:
        """Whether it holds values that nobody may learn of anybody; keys tell individuals apart and are never shown."""
        return self.role in (Role.MEASURE, Role.SENSITIVE)

    def _check_cut_points(self) -> None:
        if not self.cut_points:
            return
        if self.domain is not None or self.type in (ColumnType.STRING, ColumnType.BOOL):
            raise ValueError(f"column {self.name}: cut points are for numbers and dates without a domain")
        temporal = self.type in (ColumnType.DATE, ColumnType.TIMESTAMP)
        if any(_is_date(point) != temporal for point in self.cut_points):
            raise ValueError(f"column {self.name}: cut points of another kind than its type")
        if self.type is ColumnType.DATE and any("T" in point for point in self.cut_points):
            raise ValueError(f"column {self.name}: a date is cut at dates, not at times of day")
        if not temporal and any(_decimals(point) > self.decimals for point in self.cut_points):
            raise ValueError(f"column {self.name}: a cut point has more decimals than the column")
        places = [datetime.fromisoformat(p) if temporal else Decimal(p) for p in self.cut_points]
        if any(one >= other for one, other in pairwise(places)):  # type: ignore[operator]
            raise ValueError(f"column {self.name}: cut points ascend, each once")
        if self.bounds is not None:
            low, high = (
                datetime.fromisoformat(end) if temporal else Decimal(end) for end in (self.bounds.low, self.bounds.high)
            )
            if not low <= places[0] or not places[-1] <= high:  # type: ignore[operator]
                raise ValueError(f"column {self.name}: cut points lie within the bounds")


class Dataset(Model):
    """One logical table. All holders sign the same ``Dataset``; a plan binds its digest."""

    name: Name
    title: Title = ""
    description: Text = ""
    columns: Annotated[tuple[Column, ...], Field(min_length=1, max_length=512)]
    unit: Name  # the column that is the privacy unit
    null_units: Literal["exclude", "refuse"] = "refuse"  # rows without a unit: left out by rule, or not registrable
    units_disjoint: bool = False  # owners declare that no individual is held by two of them
    records_disjoint: bool = False
    """Owners declare that no record is held by two of them, though an individual may have records at several."""
    joint_minimum: bool = False
    """Owners agree that the minimum group is judged on all parts together (联合最小分组); needs ``units_disjoint``."""
    colluding_owners: Annotated[int, Field(ge=0, le=10_000)] | None = None
    """Owners agree that noise suffices for all parts together, as long as at most so many of them pool what they know
    with the hub; ``None``: the noise of each part suffices alone."""
    rows_per_unit: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """No individual has more rows at one owner; verified at registration. Differential privacy needs it."""
    unique_keys: tuple[tuple[Name, ...], ...] = ()  # verified at registration; what a many-to-one join may use
    grade: Grade = Grade.GENERAL
    security_level: Annotated[int, Field(ge=1, le=5)] = 1
    open_attribute: Literal["unconditional", "conditional", "not_open"] = "conditional"
    legal_basis: Title
    authoritative_source: Title = ""  # 一数一源
    collecting_body: Title = ""
    update_frequency: Literal["real_time", "weekly", "monthly", "quarterly", "yearly", "other"] = "other"
    scenarios: tuple[Title, ...] = ()
    profile: ProfileId = "standard@2"

    @model_validator(mode="after")
    def _consistent(self) -> Dataset:
        names = [column.name for column in self.columns]
        if len(set(names)) != len(names):
            raise ValueError(f"dataset {self.name}: two columns have one name")
        if self.unit not in names or self.column(self.unit).role is not Role.UNIT:
            raise ValueError(f"dataset {self.name}: unit must name a column with role unit")
        if self.joint_minimum and not self.units_disjoint:
            raise ValueError(
                f"dataset {self.name}: joint_minimum adds up individuals of all owners, so it needs units_disjoint"
            )
        units = {column.name for column in self.unit_columns}
        for column in self.columns:
            if column.said_of and not (column.secret and units.issuperset(column.said_of)):
                raise ValueError(
                    f"dataset {self.name}: column {column.name}: said_of is for sensitive and measure columns and "
                    "names unit columns"
                )
        if self.units_disjoint and self.records_disjoint:
            raise ValueError(
                f"dataset {self.name}: units_disjoint says already that no record is held by two owners, so leave "
                "records_disjoint out"
            )
        for key in self.unique_keys:
            for part in key:
                if part not in names:
                    raise ValueError(f"dataset {self.name}: unique key names {part}, which is no column")
        return self

    def column(self, name: str) -> Column:
        """The column of that name; raises ``KeyError``."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    def is_said_of(self, column: Column, unit: str) -> bool:
        """Whether a column's value is one for each individual of a unit column: declared, or each has one row."""
        return unit in column.said_of or (unit,) in self.unique_keys

    @property
    def unit_columns(self) -> tuple[Column, ...]:
        """Every column with role unit, the dataset's own first: each is under its own rule."""
        rest = (column for column in self.columns if column.role is Role.UNIT and column.name != self.unit)
        return (self.column(self.unit), *rest)


class Holding(Model):
    """One owner's part of a dataset, as its registration announces it. Holds no digest of data, only commitments."""

    dataset: Name
    owner: str
    node: str
    provider: Title
    version_commitment: str  # salted commitment to the manifest of file digests
    version_label: Title = ""  # what a human calls this version, e.g. "2013"
    max_rows: Annotated[int, Field(ge=1, le=1 << 40)]  # declared bound, used in range proofs; not the row count
    state: Literal["active", "retained", "dormant"] = "active"
    storage_form: Title = ""
    cell_budget: Annotated[int, Field(ge=0)] = 1_000_000  # released cells per data version, over all grants


class CatalogueView(Model):
    """What the planner sees: the logical datasets and who holds a part of each."""

    datasets: tuple[Dataset, ...]
    holdings: tuple[Holding, ...]

    def dataset(self, name: str) -> Dataset:
        """The dataset of that name; raises ``KeyError``."""
        for dataset in self.datasets:
            if dataset.name == name:
                return dataset
        raise KeyError(name)

    def holdings_of(self, name: str) -> tuple[Holding, ...]:
        return tuple(sorted((h for h in self.holdings if h.dataset == name), key=lambda h: h.node))
