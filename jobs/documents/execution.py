"""What machines sign while a job runs: the hub's single-use permit, and each node's record of what it sent."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, ClassVar, Final

from pydantic import Field, model_validator

from jobs.documents.approval import OutputRule
from jobs.documents.base import (
    Count,
    DigestText,
    Document,
    Id,
    JsonObject,
    Label,
    Moment,
    Nonce,
    Part,
    Scalar,
    Version,
    check_distinct,
)
from jobs.documents.canonical import json_digest

PROTOCOL_VERSION: Final = 2
"""``Permit.protocol``: the walk in docs/architecture.md, its messages and its documents."""
MAX_JOB: Final = timedelta(hours=24)
"""No permit's deadline lies further from its issue, whoever signs it; a node may demand less."""


class DataUse(Part):
    """What one node's run reads: columns of one dataset version, named by the owner's salted commitment."""

    node: Id
    dataset: Id
    columns: Annotated[tuple[Label, ...], Field(min_length=1, max_length=512)]
    version: DigestText


class Permit(Document):
    """The hub's order to run one plan once. Nodes keep consumed nonces themselves and check everything again."""

    KIND: ClassVar[str] = "permit"
    id: Id
    nonce: Nonce
    job: Id
    protocol: Version
    operator: Id
    scenario: Label
    commitment: DigestText
    algorithm: DigestText
    plan: JsonObject
    plan_digest: DigestText
    parameters: dict[Label, Scalar]
    data: Annotated[tuple[DataUse, ...], Field(min_length=1, max_length=1024)]
    grants: Annotated[tuple[DigestText, ...], Field(min_length=1, max_length=256)]
    participants: Annotated[tuple[Id, ...], Field(min_length=1, max_length=256)]
    """Ordered node ids; the order fixes the signs of pairwise masks."""
    roster: DigestText
    status: DigestText
    """The authority's status list in force at the issue; it outlives the deadline."""
    evidence: dict[Label, DigestText] = Field(default_factory=dict, max_length=64)
    """Condition of a grant -> digest of the document that meets it."""
    output: OutputRule
    issued_at: Moment
    expires_at: Moment
    """Refused for a start after this."""
    deadline: Moment
    """The job ends, typed, if it is not done by then."""

    @model_validator(mode="after")
    def _whole(self) -> Permit:
        if self.plan_digest != json_digest(self.plan):
            raise ValueError("plan_digest is not the digest of the plan")
        if not self.issued_at < self.expires_at <= self.deadline:
            raise ValueError("a permit is issued, then expires, then reaches its deadline")
        if self.deadline - self.issued_at > MAX_JOB:
            raise ValueError(f"a job ends within {MAX_JOB // timedelta(hours=1)} hours")
        check_distinct(list(self.participants), "participants")
        check_distinct(list(self.grants), "grants")
        check_distinct([f"{use.node} {use.dataset}" for use in self.data], "datasets of a node")
        if {use.node for use in self.data} - set(self.participants):
            raise ValueError("data names a node that does not take part")
        return self


class SentMessage(Part):
    """One message that left a node. ``sequence`` counts from 0 within round and receiver."""

    round: Label
    sequence: Count
    receiver: Id
    size: Count
    digest: DigestText
    """Over the signed DSSE payload as it was sent: masked, sealed or rounded."""
    sent_at: Moment


class Commits(Part):
    """Salted commitments to what a run started from: with the salts, which the owner keeps, it can be replayed."""

    part: DigestText
    """The unmasked local result."""
    seed: DigestText | None
    """The noise seed; null where no noise was drawn."""
    environment: DigestText
    """Package versions and the content of each package."""


class SentRecord(Document):
    """One participant's signed list of all it sent under one permit; the receipt carries one of each participant."""

    KIND: ClassVar[str] = "sent-record"
    node: Id
    permit: DigestText
    nonce: Nonce
    messages: Annotated[tuple[SentMessage, ...], Field(max_length=16384)]
    """In the order of sending."""
    transcript: DigestText
    """Over everything that was relayed to all participants, as this node saw it: equal for all, or they were told
    different things."""
    metered: Annotated[dict[Label, Count], Field(max_length=64)]
    """Units that this node says were used."""
    commits: Commits

    @model_validator(mode="after")
    def _numbered(self) -> SentRecord:
        following: dict[tuple[str, str], int] = {}
        for message in self.messages:
            place = (message.round, message.receiver)
            if message.sequence != following.get(place, 0):
                raise ValueError("the messages of a round to one receiver are numbered from 0 without a gap")
            following[place] = message.sequence + 1
        return self


class OutboxEntry(Part):
    """A ``SentMessage`` with the permit it was sent under and its number in the node's whole outbox."""

    number: Count
    permit: DigestText
    message: SentMessage
    binding: bool
    """The point of no return: the owner's values, masked or rounded."""
    refused: Label | None
    """The hub's code, if it did not take the message."""
    transcript: DigestText | None
    """What the node had been told when it signed this; null for messages that do not depend on it."""


class OutboxRecord(Document):
    """A node's signed account, for owner and auditor, of all that left it from ``first`` to ``last`` without a gap."""

    KIND: ClassVar[str] = "outbox-record"
    node: Id
    owner: Id
    issued: Moment
    first: Count
    last: Count
    entries: Annotated[tuple[OutboxEntry, ...], Field(max_length=8192)]

    @model_validator(mode="after")
    def _no_gap(self) -> OutboxRecord:
        numbers = [entry.number for entry in self.entries]
        if numbers != list(range(self.first, self.first + len(numbers))) or self.last != self.first + len(numbers) - 1:
            raise ValueError("entries run from first to last without a gap")
        return self
