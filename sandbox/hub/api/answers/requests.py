"""Catalogue, requests and what owners say to them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from jobs.schema import Grade, Scalar
from sandbox.hub.api.answers.base import Answer, Cursor, Digest, Envelope, Moment


class Registered(Answer):
    dataset: str
    node: str
    record: Digest


class DatasetLine(Answer):
    name: str
    title: str
    grade: Grade
    profile: str
    update_frequency: str
    columns: Annotated[int, Field(description="How many")]
    holders: Annotated[list[str], Field(description="Names of the owners that hold a part now")]


class DatasetPage(Answer):
    items: list[DatasetLine]
    next: Annotated[str | None, Field(description="``after`` of the next page; null on the last")]


class HoldingShown(Answer):
    """One owner's part of a dataset."""

    dataset: str
    owner: str
    node: str
    provider: Annotated[str, Field(description="The owner's name, as source lines cite it")]
    version_commitment: Digest
    version_label: str
    max_rows: int
    state: str
    storage_form: str
    cell_budget: int


class DatasetShown(Answer):
    dataset: Annotated[dict[str, Any], Field(description="A Dataset document: columns with roles, domains, bounds")]
    digest: Digest
    holdings: list[HoldingShown]
    records: Annotated[list[Envelope], Field(description="Of each holding, as its owner signed it")]


class Reason(Answer):
    """Why something does not run: ``code`` for programs, ``text`` for people."""

    code: str
    text: str
    owner: Annotated[str, Field(description="Who can change it")] = ""
    entry: Annotated[str, Field(description="Of the negative list")] = ""


class PlanWords(Answer):
    """A plan in words, by the hub: owners render their own. What the kind says in parts stands beside ``text``."""

    model_config = ConfigDict(extra="allow")
    text: Annotated[str, Field(description="All of it on one page, a fact a line")]


class PlanShown(Answer):
    """What a request would do and whether it may run now; nothing was stored."""

    kind: str
    plan: Annotated[dict[str, Any], Field(description="In the kind's own shape")]
    plan_digest: Digest
    parameters: dict[str, Scalar]
    words: PlanWords
    decision: Literal["allowed", "needs_approval", "denied"]
    reasons: Annotated[list[Reason], Field(description="Empty if it is allowed")]
    replay_of: Annotated[str | None, Field(description="The job whose release would answer it, at no charge")]


class RequestShown(Answer):
    """Everything that a grant binds. The owner renders the plan from it on its own machine."""

    id: str
    progress: str
    created: Moment
    operator: str
    scenario: str
    kind: str
    plan: dict[str, Any]
    plan_digest: Digest
    algorithm: Digest
    parameters: dict[str, Scalar]
    commitment: Envelope
    commitment_digest: Digest
    participants: list[str]
    records: Annotated[list[Envelope], Field(description="The dataset records of all participants")]
    data: Annotated[list[dict[str, Any]], Field(description="DataUse of this owner's nodes")]
    output: Annotated[dict[str, Any], Field(description="OutputRule")]
    roster: Digest
    reason: Reason


class RequestPage(Answer):
    items: list[RequestShown]
    next: Cursor


class GrantLine(Answer):
    digest: Digest
    id: str
    owner: str
    operator: str
    plan_digest: Digest
    runs: int
    used: int
    revoked: Moment | None
    accepted: Moment
    grant: Annotated[dict[str, Any], Field(description="The Grant document")]


class GrantPage(Answer):
    items: list[GrantLine]
    next: Cursor


class GrantTaken(Answer):
    grant: Digest
    jobs: Annotated[list[str], Field(description="Jobs that it moved")]


class DenialTaken(Answer):
    denial: Digest
    job: str


class RevocationTaken(Answer):
    stopped: Annotated[list[str], Field(description="Jobs that ran under the grant")]


class UsageLine(Answer):
    operator: str
    owner: str
    dataset: str
    unit: Annotated[str, Field(description="What is metered, as the job's kind names it")]
    amount: int
    releases: int


class UsagePage(Answer):
    items: list[UsageLine]
    next: Cursor
