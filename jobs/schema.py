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
    """Base of all documents: frozen, no unknown fields, no silent type changes.

    What stands below a field is its description: in the JSON Schema, and on the reference page (its second paragraph:
    what the field changes).
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=False, allow_inf_nan=False, use_attribute_docstrings=True
    )


class Role(StrEnum):
    """What a column is to the person behind the row; decides what a plan may do with it.

    - identifier: names an individual; never grouped by, never aggregated, may be a join key
    - unit: the privacy unit; counted distinct, never shown
    - known: an outsider may know it; free to group and filter by
    - sensitive: an outsider must not learn it; grouped and filtered only as an approved plan says
    - measure: aggregated; its values are never shown
    """

    IDENTIFIER = "identifier"
    UNIT = "unit"
    KNOWN = "known"
    SENSITIVE = "sensitive"
    MEASURE = "measure"


class Grade(StrEnum):
    """Classification (分类分级). ``core`` data is refused at registration."""

    GENERAL = "general"
    SENSITIVE_PERSONAL = "sensitive_personal"
    IMPORTANT = "important"
    CORE = "core"


class ColumnType(StrEnum):
    """``decimal``: exact numbers, or floats that equal their ``decimals``-digit decimal."""

    INT = "int"
    DECIMAL = "decimal"
    STRING = "string"
    BOOL = "bool"
    DATE = "date"
    TIMESTAMP = "timestamp"


class Bounds(Model):
    """Inclusive bounds; registration refuses data outside, the planner proves ranges from them.

    Decimal text for a number; for a date ``2013-01-31``, for a timestamp that or ``2013-01-31T08:00:00``.
    """

    low: DecimalText | DateText
    """The least value that may occur, at any holder."""
    high: DecimalText | DateText
    """The greatest value that may occur, at any holder.

    Gate: the noise of sums and means is measured in the largest value that the bounds allow."""

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
    """One column: what it is to people, and what it may hold."""

    name: Name
    """What statements call it: lower case letters, digits and _."""
    type: ColumnType
    """What its values are; the data must have this type (a whole number is a decimal too).

    Plan: which functions and comparisons are possible, and the arithmetic that they run in."""
    role: Role
    """What it is to the person behind the row.

    Plan: what may be grouped, filtered, aggregated or joined by it. Gate: conditions on known columns make the base
    that is judged. Audit: sensitive and measure columns are the secrets that it counts answers about."""
    grade: Grade = Grade.GENERAL
    """Classification (分类分级).

    Plan: the words that owners sign name the highest grade that is touched. Core is never registered."""
    nullable: bool = True
    """Whether a value may be missing; a unit column follows null_units instead.

    Plan: NULL is a group of its own, and COUNT(column) is not COUNT(*). Registration refuses a missing value where it
    is false."""
    decimals: Annotated[int, Field(ge=0, le=9)] = 0
    """Digits behind the point of a decimal; only a decimal has any.

    Plan: the fixed-point scale, so also the size of numbers in range proofs. Registration refuses finer values, unless
    rounded."""
    rounded: bool = False
    """Finer values are rounded to decimals on reading, by declaration; else they are refused."""
    domain: tuple[DomainValue, ...] | None = None
    """Every value that may occur at any holder, in display order. Everybody can read it: no value of a person in it.

    Plan: needed to group by the column; its length is the number of cells. Registration refuses other values."""
    bounds: Bounds | None = None
    """The least and greatest value that may occur at any holder; not of texts and booleans.

    Plan: needed to aggregate the column or to cut it into ranges; range proofs start here. Gate: noise is measured in
    the largest value that is allowed, so narrow bounds give smaller errors. Registration refuses values outside."""
    cut_points: Annotated[tuple[DecimalText | DateText, ...], Field(max_length=64)] = ()
    """Of a column without a domain: the only values that a condition may compare it with, and a range may begin at.

    Plan: a secret column without them is aggregated and tested for NULL only. Audit: each is a question of its own, so
    few of them let more be answered."""
    fold: bool = False
    """Of a text: values that differ in letter case and edge spaces only are one, in upper case; for unit ids and keys.

    Gate and audit: they are one individual. It is part of what all holders sign."""
    unit_domain: Name | None = None
    """Which kind of individual the column names, in the same word in every dataset about them; needed for role unit.

    Audit: answers over all datasets of one unit domain are judged together; budgets and exclusions belong to it."""
    said_of: Annotated[tuple[Name, ...], Field(max_length=32)] = ()
    """Unit columns in all of whose rows a secret value is the same, as a diagnosis is on every visit of one person.

    Audit: it is one secret of the individual, not one of each record. Registration verifies it, and refuses data in
    which it is true and not declared."""
    identifier_kind: Literal["person_id", "social_credit_code", "geocode", "other"] | None = None
    """What kind of identifier it is, for people who read the catalogue. Nothing follows from it."""
    title: Title = ""
    """What people call it, on one line.

    Plan: stands in the words that owners sign."""
    masked: bool = False
    """Values are masked at the source (脱敏), for people who read the catalogue. Nothing follows from it."""
    encrypted: bool = False
    """Values are encrypted at the source, for people who read the catalogue. Nothing follows from it."""

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
    """What statements call the table: lower case letters, digits and _."""
    title: Title = ""
    """What people call it, on one line; stands in the catalogue."""
    description: Text = ""
    """What the rows are and where they come from; stands in the catalogue."""
    columns: Annotated[tuple[Column, ...], Field(min_length=1, max_length=512)]
    """The columns that jobs may read; others of the data are never copied."""
    unit: Name
    """The column that is the privacy unit: whose privacy is at stake. It has role unit.

    Gate: groups are judged by distinct units. Audit: answers are counted against these individuals."""
    null_units: Literal["exclude", "refuse"] = "refuse"
    """Rows without a unit: left out by rule, or not registrable."""
    units_disjoint: bool = False
    """Owners declare that no individual is held by two of them.

    Plan: COUNT(DISTINCT unit) over several owners is possible. Audit: the cap is not divided among owners."""
    records_disjoint: bool = False
    """Owners declare that no record is held by two of them, though an individual may have records at several.

    Audit: the cap is not divided among owners, but for columns that are said of an individual."""
    joint_minimum: bool = False
    """Owners agree that the minimum group is judged on all parts together (联合最小分组); needs units_disjoint.

    Gate: an owner's part may be small, if the noisy total of all is not."""
    colluding_owners: Annotated[int, Field(ge=0, le=10_000)] | None = None
    """Owners agree that noise suffices for all parts together, as long as at most so many of them pool what they know
    with the hub; null: the noise of each part suffices alone.

    Gate: each part carries less noise. Audit: the cap is divided among owners, unless units_disjoint."""
    rows_per_unit: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """No individual has more rows at one owner; verified at registration. Differential privacy (dp@1) needs it.

    Gate: under dp@1 noise is sized for that many rows."""
    unique_keys: tuple[tuple[Name, ...], ...] = ()
    """Lists of columns that no two rows share; verified at registration.

    Plan: a many-to-one join needs one. Audit: where the unit alone is a key, every secret is said of the individual."""
    grade: Grade = Grade.GENERAL
    """Classification of the whole (分类分级).

    Plan: the words that owners sign name the highest grade that is touched. Core is never registered."""
    security_level: Annotated[int, Field(ge=1, le=5)] = 1
    """Security level (1 to 5), for people who read the catalogue. Nothing follows from it."""
    open_attribute: Literal["unconditional", "conditional", "not_open"] = "conditional"
    """Whether it is open to authorised operation. Every job over a dataset that is not_open is denied."""
    legal_basis: Title
    """By which law or agreement statistics may be shared. A draft's own words are refused at registration."""
    authoritative_source: Title = ""
    """The one source of these data (一数一源), for people who read the catalogue."""
    collecting_body: Title = ""
    """Who collects them, for people who read the catalogue."""
    update_frequency: Literal["real_time", "weekly", "monthly", "quarterly", "yearly", "other"] = "other"
    """How often a new version is registered; a grant over a series of versions binds it."""
    scenarios: tuple[Title, ...] = ()
    """What it is meant to be used for, for people who read the catalogue."""
    profile: ProfileId = "standard@2"
    """The disclosure profile: standard@2, dp@1 (differential privacy), or open@1 (nothing is hidden).

    Gate and audit: their rules, noise and caps. Of joined tables the strictest decides."""

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
