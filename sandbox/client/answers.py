"""What the hub answers, as types: plain dictionaries at run time, checked by nobody but the reader.

The hub may say anything: what matters is verified (rosters, grants, receipts, proofs) before it is believed. A contract
test compares each type with the hub's own declaration, field by field.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

Envelope = dict[str, Any]
Scalar = str | int | bool

# who is who -------------------------------------------------------------------------------------------------------


class Health(TypedDict):
    name: str
    version: str
    log_size: int


class Rosters(TypedDict):
    rosters: list[Envelope]


class Published(TypedDict):
    version: int
    digest: str


class StatusPublished(TypedDict):
    number: int
    digest: str


# catalogue, requests, grants --------------------------------------------------------------------------------------


class Registered(TypedDict):
    dataset: str
    node: str
    record: str


class DatasetLine(TypedDict):
    name: str
    title: str
    grade: str
    profile: str
    update_frequency: str
    columns: int
    holders: list[str]


class DatasetPage(TypedDict):
    items: list[DatasetLine]
    next: str | None


class HoldingShown(TypedDict):
    dataset: str
    owner: str
    node: str
    provider: str
    version_commitment: str
    version_label: str
    max_rows: int
    state: str
    storage_form: str
    cell_budget: int


class DatasetShown(TypedDict):
    dataset: dict[str, Any]
    digest: str
    holdings: list[HoldingShown]
    records: list[Envelope]


class Reason(TypedDict):
    code: str
    text: str
    owner: NotRequired[str]
    entry: NotRequired[str]


class PlanWords(TypedDict):
    """What the kind says in parts stands beside ``text``."""

    text: str


class PlanShown(TypedDict):
    kind: str
    plan: dict[str, Any]
    plan_digest: str
    parameters: dict[str, Scalar]
    words: PlanWords
    decision: Literal["allowed", "needs_approval", "denied"]
    reasons: list[Reason]
    replay_of: str | None


class RequestShown(TypedDict):
    id: str
    progress: str
    created: str
    operator: str
    scenario: str
    kind: str
    plan: dict[str, Any]
    plan_digest: str
    algorithm: str
    parameters: dict[str, Scalar]
    commitment: Envelope
    commitment_digest: str
    participants: list[str]
    records: list[Envelope]
    data: list[dict[str, Any]]
    output: dict[str, Any]
    roster: str
    reason: Reason


class RequestPage(TypedDict):
    items: list[RequestShown]
    next: int | None


class GrantLine(TypedDict):
    digest: str
    id: str
    owner: str
    operator: str
    plan_digest: str
    runs: int
    used: int
    revoked: str | None
    accepted: str
    grant: dict[str, Any]


class GrantPage(TypedDict):
    items: list[GrantLine]
    next: int | None


class GrantTaken(TypedDict):
    grant: str
    jobs: list[str]


class DenialTaken(TypedDict):
    denial: str
    job: str


class RevocationTaken(TypedDict):
    stopped: list[str]


class UsageLine(TypedDict):
    operator: str
    owner: str
    dataset: str
    unit: str
    amount: int
    releases: int


class UsagePage(TypedDict):
    items: list[UsageLine]
    next: int | None


# jobs -------------------------------------------------------------------------------------------------------------


class Failure(TypedDict):
    code: str
    detail: str
    nodes: list[str]


class Progress(TypedDict):
    id: str
    state: str
    progress: str
    changed: str
    reasons: list[Reason]
    failure: Failure | None


class Scan(TypedDict):
    node: str
    percent: int
    seconds_left: int


class StateEvent(Progress):
    scans: list[Scan]


class JobLine(Progress):
    operator: str
    kind: str
    plan_digest: str
    created: str


class JobPage(TypedDict):
    items: list[JobLine]
    next: int | None


class JobShown(JobLine):
    scans: list[Scan]
    spec: str
    plan: dict[str, Any]
    parameters: dict[str, Scalar]
    words: PlanWords
    commitment: str
    roster: str
    permit: str | None
    participants: list[str]
    deadline: str | None
    replay_of: str | None
    request: NotRequired[dict[str, Any]]


class ReleaseShown(TypedDict):
    """What the job's kind shows of it stands beside these fields: ``sandbox.client.Table`` reads a statistic's."""

    job: str
    replay_of: str | None
    digest: str
    release: Envelope
    content_salt: str
    delivery: Envelope
    salt: str


class MessageLine(TypedDict):
    sender: str
    round: str
    sequence: int
    receiver: str
    size: int
    digest: str
    entry: int
    at: str


class Messages(TypedDict):
    job: str
    messages: list[MessageLine]


class Inputs(TypedDict):
    job: str
    permit: dict[str, Any]
    release: dict[str, Any]
    salt: str
    messages: list[dict[str, Any]]
    said: list[dict[str, Any]]
    sent: list[dict[str, Any]]
    vouches: list[dict[str, Any]]


# log --------------------------------------------------------------------------------------------------------------


class Origin(TypedDict):
    address: str
    salt: str


class EntryShown(TypedDict):
    index: int
    leaf: NotRequired[str]
    entry: NotRequired[dict[str, Any]]
    hash: NotRequired[str]
    origin: NotRequired[Origin | None]


class EntryPage(TypedDict):
    items: list[EntryShown]
    next: int | None


class Checkpoint(TypedDict):
    note: str
    size: int


class Inclusion(TypedDict):
    index: int
    proof: list[str]
    entry: NotRequired[str]
    hash: NotRequired[str]


class Consistency(TypedDict):
    proof: list[str]


class Followed(Checkpoint):
    consistency: list[str]
    inclusions: list[Inclusion]
