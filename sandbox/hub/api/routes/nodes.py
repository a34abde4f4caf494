"""The node's two calls: ask for news, post messages. Nodes open no port; every call goes out from them."""

from __future__ import annotations

import time
from typing import Annotated, Any

from fastapi import APIRouter
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from jobs.documents import parse_json
from sandbox.hub.api.routes.access import After, EnvelopeJson, HubDep, Node, Wait, envelope
from sandbox.hub.core.errors import NotPermitted
from sandbox.hub.core.hub import Hub
from sandbox.hub.people.tokens import Caller
from sandbox.hub.running.jobstate import inbox_topic
from sandbox.hub.running.rounds import receive
from sandbox.store.tables import inbox

router = APIRouter(tags=["nodes"])
MAX_ITEMS = 64


class Post(BaseModel):
    """Signed messages of one job, in order; all are taken, or none."""

    model_config = ConfigDict(extra="forbid")
    messages: Annotated[list[EnvelopeJson], Field(min_length=1, max_length=8)]


@router.get("/nodes/{node}/inbox")
async def get_inbox(hub: HubDep, caller: Node, node: str, after: After = 0, wait: Wait = 0) -> dict[str, Any]:
    """Items after the cursor, at once if there are any, else when one comes or the time is over."""
    _check_own(caller, node)
    end = time.monotonic() + min(wait, hub.config.max_wait_seconds)
    async with hub.notifier.listen(inbox_topic(node)) as listener:
        while True:
            items = await run_in_threadpool(_items, hub, node, after)
            left = end - time.monotonic()
            if items or left <= 0 or not hub.notifier.running or not await listener.wait(left):
                return {"items": items}


@router.post("/nodes/{node}/messages", status_code=202)
def post_messages(hub: HubDep, caller: Node, node: str, body: Post) -> dict[str, Any]:
    """The same bytes again are one message; other bytes for the same round end the job and are kept as evidence."""
    _check_own(caller, node)
    receive(hub, caller, [envelope(message) for message in body.messages])
    return {"accepted": len(body.messages)}


def _items(hub: Hub, node: str, after: int) -> list[dict[str, Any]]:
    query = select(inbox).where((inbox.c.node == node) & (inbox.c.seq > after)).order_by(inbox.c.seq).limit(MAX_ITEMS)
    with hub.store.read() as connection:
        rows = connection.execute(query).all()
    return [{"seq": r.seq, "kind": r.kind, "job": r.job, "body": parse_json(r.body.encode())} for r in rows]


def _check_own(caller: Caller, node: str) -> None:
    if caller.subject != node:
        raise NotPermitted("this token is another node's")
