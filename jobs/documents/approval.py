"""What people sign before a job may run: the operator's commitment (承诺书), the owner's grant, denial and revocation.

Fields follow requirements R5 (authorisation) and R6 (use commitment); the bindings follow the design, section 5 step 4.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from jobs.documents.base import (
    Count,
    DigestText,
    Document,
    Id,
    KeyText,
    Label,
    Moment,
    Part,
    Scalar,
    Version,
    Words,
    check_distinct,
)


class Period(Part):
    """From ``start`` inclusive to ``end`` exclusive."""

    start: Moment
    end: Moment

    @model_validator(mode="after")
    def _ordered(self) -> Period:
        if self.start >= self.end:
            raise ValueError("the period ends before it starts")
        return self


class Commitment(Document):
    """What the operator promises for one scenario; every permit and grant names its digest."""

    KIND: ClassVar[str] = "commitment"
    id: Id
    operator: Id
    issued: Moment
    datasets: Annotated[tuple[Id, ...], Field(min_length=1, max_length=256)]
    plans: Annotated[tuple[DigestText, ...], Field(min_length=1, max_length=256)]
    """Digests of the plans that the operator asks for: a hub cannot run one that it did not."""
    scenario: Label
    purpose: Words
    security_measures: Words
    period: Period
    disposal: Words
    """Disposal of results after expiry (期满处置)."""
    feedback: Words
    """How the operator reports the use back."""


class ExactVersion(Part):
    """One data version and no other: a refresh of the data voids the grant, excluding further individuals does not."""

    kind: Literal["exact"] = "exact"
    lineage: DigestText
    """``DatasetRecord.lineage``; which individuals are left out at a run, its permit binds."""


class VersionSeries(Part):
    """Every version with this schema and update frequency whose data ends by ``until``: chosen knowingly."""

    kind: Literal["series"] = "series"
    schema_digest: DigestText
    frequency: Label
    until: Moment


class DataScope(Part):
    """One dataset, the columns a job may touch, and which version."""

    dataset: Id
    columns: Annotated[tuple[Label, ...], Field(min_length=1, max_length=512)]
    version: Annotated[ExactVersion | VersionSeries, Field(discriminator="kind")]


class ParameterRule(Part):
    """Allowed values of one parameter; a single value fixes it."""

    name: Label
    allowed: Annotated[tuple[Scalar, ...], Field(min_length=1, max_length=4096)]

    def permits(self, value: Scalar) -> bool:
        """Same value and same type: ``1`` is not ``True``."""
        return any(type(item) is type(value) and item == value for item in self.allowed)


class OutputRule(Part):
    """Form of what may leave, and the disclosure profile it must pass, pinned by version and digest."""

    form: Literal["aggregate", "verification", "lookup", "model", "scoring"]
    profile: Label
    version: Version
    digest: DigestText


class Terms(Part):
    """The clauses of the authorisation that people keep and machines show (R5)."""

    mode: Words
    volume: Words
    conditions: Words
    prohibited_uses: Words
    security_duties: Words
    confidentiality: Words
    revenue_share: Words
    disposal: Words
    feedback: Words
    breach_and_exit: Words
    signatories: Annotated[tuple[Label, ...], Field(max_length=16)]
    """Who answers for the signatures, by office."""


class Participant(Part):
    """A node that takes part, as the owner who signs knows it: under another key it is another participant."""

    node: Id
    owner: Id
    key: KeyText


class Grant(Document):
    """An owner's permission to run one plan. Any change of a bound thing voids it; a new roster alone does not."""

    KIND: ClassVar[str] = "grant"
    id: Id
    owner: Id
    issued: Moment
    operator: Id
    commitment: DigestText
    scenario: Label
    purpose: Words
    algorithm: DigestText
    plan_digest: DigestText
    parameters: Annotated[tuple[ParameterRule, ...], Field(max_length=256)]
    data: Annotated[tuple[DataScope, ...], Field(min_length=1, max_length=64)]
    period: Period
    runs: Annotated[int, Field(ge=1, le=1_000_000)]
    budget: dict[Label, Count] = Field(default_factory=dict, max_length=64)
    """Metered unit of the kind -> how much all runs together may be charged, beside what the data version's own budget
    of that unit allows. A unit that neither names cannot be charged, so the run is refused."""
    output: OutputRule
    participants: Annotated[tuple[Participant, ...], Field(min_length=1, max_length=256)]
    """Exactly these nodes with these keys, in this order."""
    requires: Annotated[tuple[Label, ...], Field(max_length=64)] = ()
    """Conditions (``jobs.documents.evidence``): a run needs a further document for each of them."""
    terms: Terms

    @model_validator(mode="after")
    def _each_once(self) -> Grant:
        check_distinct([rule.name for rule in self.parameters], "parameter names")
        check_distinct([scope.dataset for scope in self.data], "datasets")
        check_distinct([item.node for item in self.participants], "participants")
        check_distinct(list(self.requires), "conditions")
        return self

    @property
    def nodes(self) -> tuple[str, ...]:
        return tuple(item.node for item in self.participants)


class Denial(Document):
    """An owner's reasoned refusal of a request."""

    KIND: ClassVar[str] = "denial"
    id: Id
    owner: Id
    issued: Moment
    operator: Id
    request: Id
    plan: DigestText
    reasons: Annotated[tuple[Words, ...], Field(min_length=1, max_length=32)]


class Revocation(Document):
    """An owner takes a grant back; its node obeys before the hub hears of it."""

    KIND: ClassVar[str] = "revocation"
    id: Id
    owner: Id
    issued: Moment
    grant: DigestText
    reason: Words
