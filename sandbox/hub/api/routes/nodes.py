"""The node's calls: ask for news, send pieces of bodies, post messages, read bodies. Every call goes out from nodes."""

from __future__ import annotations

import json
import time
from typing import Annotated, Any

from fastapi import Body, Query, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field

from jobs.documents.ed25519 import decode_base64
from sandbox.hub.api.routes.access import After, EnvelopeJson, HubDep, Node, Wait, envelope
from sandbox.hub.api.routes.whole import whole_router
from sandbox.hub.core.errors import NotPermitted
from sandbox.hub.core.hub import Hub
from sandbox.hub.people.tokens import Caller
from sandbox.hub.running.arriving import receive
from sandbox.hub.running.jobstate import inbox_topic
from sandbox.hub.running.relay import items, mark_read, piece
from sandbox.hub.running.scans import note_scan
from sandbox.messages import INLINE_BYTES

router = whole_router(tags=["nodes"])
OCTETS = "application/octet-stream"
_NOTHING = b'{"items":[]}'


class Posted(BaseModel):
    """A signed header with its body, or a signed word about the job, which has none."""

    model_config = ConfigDict(extra="forbid")
    envelope: EnvelopeJson
    body: Annotated[str | None, Field(max_length=INLINE_BYTES * 4 // 3 + 4)] = None
    """Base64; None for a body that was sent in pieces before."""


class Post(BaseModel):
    """Messages of one job, in order; all are taken, or none."""

    model_config = ConfigDict(extra="forbid")
    messages: Annotated[list[Posted], Field(min_length=1, max_length=8)]


class ScanSaid(BaseModel):
    """How far a node's scan is: a fraction, so that neither its rows nor their parts leave the owner's domain."""

    model_config = ConfigDict(extra="forbid", strict=True)
    percent: Annotated[int, Field(ge=0, le=100)]
    seconds_left: Annotated[int, Field(ge=0, le=86_400, description="The node's estimate")]


class Accepted(BaseModel):
    accepted: int


class Item(BaseModel):
    """One entry of an inbox; ``sandbox.inbox`` has the body of each kind."""

    seq: int
    kind: str
    job: str | None
    body: dict[str, Any]


class Items(BaseModel):
    items: list[Item]


@router.get("/nodes/{node}/inbox", response_model=Items)
async def get_inbox(
    hub: HubDep,
    caller: Node,
    node: str,
    after: After = 0,
    read: After = 0,
    wait: Wait = 0,
) -> Response:
    """Items after the cursor, at once if there are any, else when one comes or the time is over.

    ``read``: the node will not need items up to this one again, not even after a crash.
    """
    _check_own(caller, node)
    end = time.monotonic() + min(wait, hub.config.max_wait_seconds)
    async with hub.notifier.listen(inbox_topic(node)) as listener:
        while True:
            found = await run_in_threadpool(_look, hub, node, after, read)
            left = end - time.monotonic()
            if found is not None or left <= 0 or not hub.notifier.running or not await listener.wait(left):
                return Response(found or _NOTHING, media_type="application/json")


def _look(hub: Hub, node: str, after: int, read: int) -> bytes | None:
    """The answer as it goes out, ``None`` if there is no news; made in the thread that asked the database."""
    mark_read(hub, node, read)
    found = items(hub, node, after)
    return json.dumps({"items": found}, separators=(",", ":")).encode() if found else None


@router.post("/nodes/{node}/messages", status_code=202)
def post_messages(hub: HubDep, caller: Node, node: str, body: Post) -> Accepted:
    """The same bytes again are one message; other bytes for the same place end the job and are kept as evidence."""
    _check_own(caller, node)
    posted = [
        (envelope(item.envelope), None if item.body is None else decode_base64(item.body)) for item in body.messages
    ]
    receive(hub, caller, posted)
    return Accepted(accepted=len(posted))


@router.put("/nodes/{node}/bodies/{body}", status_code=204)
def put_piece(
    hub: HubDep,
    caller: Node,
    node: str,
    body: str,
    offset: Annotated[int, Query(ge=0)],
    piece: Annotated[bytes, Body(media_type=OCTETS)],
) -> None:
    """One piece of a body that a header will name by its digest. The same piece again changes nothing."""
    _check_own(caller, node)
    hub.uploads.add(node, body, offset, piece)


@router.get("/nodes/{node}/jobs/{job}/bodies", response_class=Response)
def get_piece(
    hub: HubDep,
    caller: Node,
    node: str,
    job: str,
    round: str,
    sequence: Annotated[int, Query(ge=0)],
    sender: str,
    receiver: str,
    number: Annotated[int, Query(ge=0)],
) -> Response:
    """One piece of a message that this node may read."""
    _check_own(caller, node)
    return Response(piece(hub, node, job, (round, sequence, sender, receiver), number), media_type=OCTETS)


@router.put("/nodes/{node}/jobs/{job}/scan", status_code=204)
def put_scan(hub: HubDep, caller: Node, node: str, job: str, body: ScanSaid) -> None:
    """How far this node is with a job that runs; at most one word a second counts, and it decides nothing."""
    _check_own(caller, node)
    note_scan(hub, node, job, body.percent, body.seconds_left)


def _check_own(caller: Caller, node: str) -> None:
    if caller.subject != node:
        raise NotPermitted("this token is another node's")
