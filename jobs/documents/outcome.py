"""What is known when a job is over: the hub's signed release, its deliveries, and the receipt for a stranger."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints, model_validator

from jobs.documents.approval import OutputRule
from jobs.documents.base import (
    Count,
    DigestText,
    Document,
    Id,
    JsonObject,
    Label,
    Moment,
    Part,
    Words,
    check_distinct,
)
from jobs.documents.canonical import canonical

Base64 = Annotated[str, StringConstraints(max_length=1 << 20)]


class Verdict(Part):
    """What the joint gate decided, under which pinned rule."""

    passed: bool
    output: OutputRule
    released: Count
    withheld: Count
    findings: Annotated[tuple[Words, ...], Field(max_length=256)] = ()


class Output(Part):
    """One form of the released content. ``commitment`` is salted: only who holds content and salt can match it."""

    media_type: Label
    size: Count
    commitment: DigestText


class Release(Document):
    """Signed by the hub in the transaction that writes release, usage and log; names every document it rests on."""

    KIND: ClassVar[str] = "release"
    id: Id
    job: Id
    operator: Id
    spec: DigestText
    permit: DigestText
    plan_digest: DigestText
    commitment: DigestText
    grants: Annotated[tuple[DigestText, ...], Field(min_length=1, max_length=256)]
    roster: DigestText
    sent: Annotated[tuple[DigestText, ...], Field(min_length=1, max_length=256)]
    """Digests of the participants' ``SentRecord``s, in the order of the permit's participants."""
    verdict: Verdict
    content: DigestText
    """Salted commitment to the content in its one canonical form, which participants can recompute."""
    source_line: Words
    """Data source and providers (R14)."""
    released_at: Moment


class Delivery(Document):
    """Signed by the hub for each receiver: which forms of a release it was given."""

    KIND: ClassVar[str] = "delivery"
    id: Id
    release: DigestText
    receiver: Id
    outputs: Annotated[tuple[Output, ...], Field(min_length=1, max_length=8)]
    delivered_at: Moment


class Vouch(Document):
    """Signed by a participant's node that recomputed the release from what all participants sent."""

    KIND: ClassVar[str] = "vouch"
    node: Id
    permit: DigestText
    release: DigestText


class Receipt(Document):
    """All that a stranger needs but the pinned root: envelopes, leaf, proof, checkpoint. Not signed itself."""

    KIND: ClassVar[str] = "receipt"
    type: Literal["application/vnd.unseen.receipt+json;v=1"] = "application/vnd.unseen.receipt+json;v=1"
    rosters: Annotated[tuple[JsonObject, ...], Field(min_length=1, max_length=1024)]
    """Oldest first: from one that the pinned root signed to the one the job ran under."""
    commitment: JsonObject
    grants: Annotated[tuple[JsonObject, ...], Field(min_length=1, max_length=256)]
    records: Annotated[tuple[JsonObject, ...], Field(max_length=1024)]
    """``DatasetRecord`` of every data version that the permit names."""
    permit: JsonObject
    status: JsonObject
    """The ``StatusList`` that the permit was issued under."""
    sent: Annotated[tuple[JsonObject, ...], Field(min_length=1, max_length=256)]
    release: JsonObject
    deliveries: Annotated[tuple[JsonObject, ...], Field(max_length=256)]
    vouches: Annotated[tuple[JsonObject, ...], Field(max_length=256)] = ()
    """One ``Vouch`` of each participant; none for a kind whose output participants do not recompute."""
    evidence: Annotated[tuple[JsonObject, ...], Field(max_length=64)] = ()
    """The documents that the permit's ``evidence`` names."""
    entry: Base64
    """The log leaf's exact bytes (``sandbox.audit.entry.LogEntry``)."""
    index: Count
    proof: Annotated[tuple[Base64, ...], Field(max_length=64)]
    checkpoint: Annotated[str, StringConstraints(max_length=1 << 18)]
    """Signed note with the hub's signature and the cosignatures of all participants and a witness."""

    @model_validator(mode="after")
    def _each_once(self) -> Receipt:
        for name in ("rosters", "grants", "records", "sent", "deliveries", "vouches", "evidence"):
            check_distinct([canonical(item).decode() for item in getattr(self, name)], f"envelopes of {name}")
        return self
