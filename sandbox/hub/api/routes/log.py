"""The log for everyone: entries, checkpoints with cosignatures, proofs."""

from __future__ import annotations

import time
from typing import Annotated, Any

from fastapi import Query
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field

from jobs.documents.ed25519 import encode_base64
from jobs.schema import DigestText
from sandbox.errors import InvalidSpec
from sandbox.hub.api.answers import log as answers
from sandbox.hub.api.routes.access import After, AnyCaller, HubDep, Limit, Wait
from sandbox.hub.api.routes.whole import whole_router
from sandbox.hub.log.checkpoints import (
    accept_cosignature,
    checkpoint_json,
    consistency,
    latest,
    sign_checkpoint,
)
from sandbox.hub.log.following import look
from sandbox.hub.log.reading import place_json, prove, prove_named, read_page
from sandbox.store.store import CHECKPOINT_TOPIC

router = whole_router(prefix="/log", tags=["log"])
Size = Annotated[int, Query(ge=0, le=2**53)]
Filter = Annotated[str | None, Query(max_length=160)]


class Cosignature(BaseModel):
    """One signature line of C2SP tlog-cosignature for the checkpoint of this size."""

    model_config = ConfigDict(extra="forbid")
    size: Annotated[int, Field(ge=0, le=2**53)]
    line: Annotated[str, Field(min_length=1, max_length=8192)]


class Follow(BaseModel):
    """How far the caller is, and what it looks for."""

    model_config = ConfigDict(extra="forbid")
    size: Annotated[int, Field(ge=0, le=2**53, description="Entries that the caller has verified")]
    again: Annotated[bool, Field(description="Answer for this size too: its cosignature may have been lost")] = False
    digests: Annotated[list[DigestText], Field(max_length=256, description="Messages to prove")] = []
    cosignature: Cosignature | None = None


@router.get("/entries", response_model=answers.EntryPage, response_model_exclude_unset=True)
def get_entries(
    hub: HubDep,
    caller: AnyCaller,
    limit: Limit = 100,
    after: After = -1,
    kind: Filter = None,
    job: Filter = None,
    actor: Filter = None,
) -> dict[str, Any]:
    """Entries in order: exact leaf bytes of those you may read, the leaf hash of all others. A page may be empty and
    still name a ``next`` cursor. Filters name the entry's own fields and find readable entries only."""
    filters = {"kind": kind, "job": job, "actor": actor}
    return read_page(hub, caller, after, limit, {name: value for name, value in filters.items() if value is not None})


@router.get("/checkpoint", response_model=answers.Checkpoint)
async def get_checkpoint(
    hub: HubDep, caller: AnyCaller, newer_than: Annotated[int, Query(ge=-1, le=2**53)] = -1, wait: Wait = 0
) -> dict[str, Any]:
    """The latest signed note with its cosignatures so far; without ``wait`` the log is signed as it is now."""
    if not wait:
        return checkpoint_json(await run_in_threadpool(sign_checkpoint, hub))
    end = time.monotonic() + min(wait, hub.config.max_wait_seconds)
    async with hub.notifier.listen(CHECKPOINT_TOPIC) as listener:
        while True:
            found = await run_in_threadpool(latest, hub)
            left = end - time.monotonic()
            if found.size > newer_than or left <= 0 or not hub.notifier.running or not await listener.wait(left):
                return checkpoint_json(found)


@router.post("/follow", response_model=answers.Followed, response_model_exclude_unset=True)
async def post_follow(hub: HubDep, caller: AnyCaller, body: Follow, wait: Wait = 0) -> dict[str, Any]:
    """Everything that a follower needs for its next step, as soon as there is news or when ``wait`` is over.

    The newest checkpoint, the proof that it keeps the ``size`` entries that the caller has verified, proofs for the
    ``digests`` asked for and for a node's own messages from ``size`` on. A node or witness sends its cosignature of the
    checkpoint before along.
    """
    if body.cosignature is not None:
        await run_in_threadpool(accept_cosignature, hub, caller, body.cosignature.size, body.cosignature.line)
    end = time.monotonic() + min(wait, hub.config.max_wait_seconds)
    async with hub.notifier.listen(CHECKPOINT_TOPIC) as listener:
        while True:
            answer, new = await run_in_threadpool(look, hub, caller, body.size, body.again, body.digests)
            left = end - time.monotonic()
            if new or left <= 0 or not hub.notifier.running or not await listener.wait(left):
                return answer


@router.get("/inclusion", response_model=answers.Inclusion, response_model_exclude_unset=True)
def get_inclusion(
    hub: HubDep,
    caller: AnyCaller,
    size: Size,
    index: Annotated[int | None, Query(ge=0, le=2**53)] = None,
    digest: Annotated[str | None, Query(pattern=r"^sha256:[0-9a-f]{64}$")] = None,
) -> dict[str, Any]:
    """An entry and its proof (RFC 9162): by index, or the first that you may read and that names this digest."""
    if index is not None and digest is None:
        return place_json(prove(hub, caller, index, size))
    if digest is not None and index is None:
        return place_json(prove_named(hub, caller, digest, size))
    raise InvalidSpec("ask by index or by digest, not by both or neither")


@router.get("/consistency", response_model=answers.Consistency)
def get_consistency(hub: HubDep, caller: AnyCaller, first: Size, second: Size) -> dict[str, Any]:
    """Proof that the log of ``second`` entries keeps the ``first`` ones (RFC 9162)."""
    return {"proof": [encode_base64(value) for value in consistency(hub, first, second)]}
