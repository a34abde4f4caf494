"""What machines sign while a job runs: the hub's single-use permit, and each node's record of what it sent."""

from __future__ import annotations

from typing import Annotated, ClassVar

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
    plan_template: DigestText
    plan_hash: DigestText
    plan: JsonObject
    parameters: dict[Label, Scalar]
    data: Annotated[tuple[DataUse, ...], Field(min_length=1, max_length=1024)]
    grants: Annotated[tuple[DigestText, ...], Field(min_length=1, max_length=256)]
    participants: Annotated[tuple[Id, ...], Field(min_length=1, max_length=256)]
    """Ordered node ids; the order fixes the signs of pairwise masks."""
    roster: DigestText
    output: OutputRule
    issued_at: Moment
    expires_at: Moment
    """Refused for a start after this."""
    deadline: Moment
    """The job ends, typed, if it is not done by then."""

    @model_validator(mode="after")
    def _whole(self) -> Permit:
        if self.plan_hash != json_digest(self.plan):
            raise ValueError("plan_hash is not the digest of the plan")
        if not self.issued_at < self.expires_at <= self.deadline:
            raise ValueError("a permit is issued, then expires, then reaches its deadline")
        check_distinct(list(self.participants), "participants")
        check_distinct(list(self.grants), "grants")
        check_distinct([f"{use.node} {use.dataset}" for use in self.data], "datasets of a node")
        if {use.node for use in self.data} - set(self.participants):
            raise ValueError("data names a node that does not take part")
        return self


class SentMessage(Part):
    """One message that left a node. ``digest`` is over the bytes sent, which are masked, sealed or rounded."""

    sequence: Count
    round: Label
    receiver: Id
    size: Count
    digest: DigestText
    sent_at: Moment


class SentRecord(Document):
    """One participant's signed list of all it sent under one permit; the receipt carries one of each participant."""

    KIND: ClassVar[str] = "sent-record"
    node: Id
    permit: DigestText
    nonce: Nonce
    messages: Annotated[tuple[SentMessage, ...], Field(max_length=4096)]

    @model_validator(mode="after")
    def _in_order(self) -> SentRecord:
        numbers = [message.sequence for message in self.messages]
        if numbers != sorted(set(numbers)):
            raise ValueError("messages are in the order of their sequence numbers, each once")
        return self


class OutboxEntry(Part):
    """A ``SentMessage`` with the permit it was sent under, as a node's whole outbox lists it."""

    permit: DigestText
    message: SentMessage


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
        numbers = [entry.message.sequence for entry in self.entries]
        if numbers != list(range(self.first, self.first + len(numbers))) or self.last != self.first + len(numbers) - 1:
            raise ValueError("entries run from first to last without a gap")
        return self
