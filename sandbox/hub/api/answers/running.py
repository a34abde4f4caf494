"""Jobs, their messages and their releases."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from jobs.schema import Scalar
from sandbox.hub.api.answers.base import Answer, Base64, Cursor, Digest, Envelope, Moment
from sandbox.hub.api.answers.requests import PlanWords, Reason
from sandbox.policy.states import State


class Failure(Answer):
    code: str
    detail: str
    nodes: Annotated[list[str], Field(description="Nodes that it came from, or that did not answer")]


class Progress(Answer):
    """What changes while a job runs."""

    id: str
    state: State
    progress: str
    changed: Moment
    reasons: list[Reason]
    failure: Failure | None


class Scan(Answer):
    """What one node says of itself; nobody checks it, and nothing is decided by it."""

    node: str
    percent: Annotated[int, Field(description="Of the rows that it reads")]
    seconds_left: Annotated[int, Field(description="The node's estimate")]


class StateEvent(Progress):
    """The data of a ``state`` event."""

    scans: Annotated[list[Scan], Field(description="Of a running job: nodes whose scans take a while")]


class JobLine(Progress):
    operator: str
    kind: str
    plan_digest: Digest
    created: Moment


class JobPage(Answer):
    items: list[JobLine]
    next: Cursor


class JobShown(JobLine):
    scans: list[Scan]
    spec: Digest
    plan: dict[str, Any]
    parameters: dict[str, Scalar]
    words: PlanWords
    commitment: Digest
    roster: Digest
    permit: Digest | None
    participants: list[str]
    deadline: Moment | None
    replay_of: Annotated[str | None, Field(description="The job whose release answers this one")]
    request: Annotated[
        dict[str, Any], Field(default_factory=dict, description="The operator's own text; owners do not see it")
    ]


class ReleaseShown(Answer):
    """The signed release and what opens its commitments. What the job's kind shows of it stands beside these fields."""

    model_config = ConfigDict(extra="allow")
    job: str
    replay_of: str | None
    digest: Digest
    release: Envelope
    content_salt: Base64
    delivery: Envelope
    salt: Base64


class MessageLine(Answer):
    sender: str
    round: str
    sequence: int
    receiver: str
    size: Annotated[int, Field(description="Bytes")]
    digest: Digest
    entry: Annotated[int, Field(description="Index of the log entry that names it")]
    at: Moment


class Messages(Answer):
    job: str
    messages: list[MessageLine]


class Inputs(Answer):
    """What a recomputed output rests on. The release is the hub's, whether all confirmed it or not."""

    job: str
    permit: Envelope
    release: Envelope
    salt: Base64
    messages: Annotated[list[Envelope], Field(description="To the hub, in the order in which it took them")]
    said: Annotated[list[Envelope], Field(description="By the hub, to all")]
    sent: Annotated[list[Envelope], Field(description="Each participant's signed list of what it sent")]
    vouches: Annotated[list[Envelope], Field(description="Of the participants that recomputed the output")]
