"""The log for everyone: entries, checkpoints with cosignatures, proofs."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field

from jobs.documents.ed25519 import encode_base64
from sandbox.errors import InvalidSpec
from sandbox.hub.api.routes.access import After, AnyCaller, Cosigner, HubDep, Limit, Wait
from sandbox.hub.log.checkpoints import (
    accept_cosignature,
    checkpoint_json,
    consistency,
    latest,
    sign_checkpoint,
)
from sandbox.hub.log.reading import place_json, prove, prove_named, read_page
from sandbox.store.store import LOG_TOPIC

router = APIRouter(prefix="/log", tags=["log"])
Size = Annotated[int, Query(ge=0, le=2**53)]
Filter = Annotated[str | None, Query(max_length=160)]


class Cosignature(BaseModel):
    """One signature line of C2SP tlog-cosignature for the checkpoint of this size."""

    model_config = ConfigDict(extra="forbid")
    size: Annotated[int, Field(ge=0, le=2**53)]
    line: Annotated[str, Field(min_length=1, max_length=8192)]


@router.get("/entries")
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


@router.get("/checkpoint")
async def get_checkpoint(
    hub: HubDep, caller: AnyCaller, newer_than: Annotated[int, Query(ge=-1, le=2**53)] = -1, wait: Wait = 0
) -> dict[str, Any]:
    """The latest signed note with its cosignatures so far. With ``wait``: as soon as the log is larger."""
    end = time.monotonic() + min(wait, hub.config.max_wait_seconds)
    async with hub.notifier.listen(LOG_TOPIC) as listener:
        found = await run_in_threadpool(latest, hub)
        while True:
            # A busy log would be signed at every entry: followers share the checkpoint that is worth it.
            while wait and found.size <= newer_than and found.log_size > found.size and hub.notifier.running:
                if not (pause := hub.pace.seconds_left()):
                    break
                await asyncio.sleep(pause)
            if found.log_size > found.size and (not wait or found.size <= newer_than):
                found = await run_in_threadpool(sign_checkpoint, hub)
                hub.pace.mark()
            left = end - time.monotonic()
            if found.size > newer_than or left <= 0 or not hub.notifier.running or not await listener.wait(left):
                return checkpoint_json(found)
            found = await run_in_threadpool(latest, hub)


@router.get("/inclusion")
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


@router.get("/consistency")
def get_consistency(hub: HubDep, caller: AnyCaller, first: Size, second: Size) -> dict[str, Any]:
    """Proof that the log of ``second`` entries keeps the ``first`` ones (RFC 9162)."""
    return {"proof": [encode_base64(value) for value in consistency(hub, first, second)]}


@router.post("/cosignatures", status_code=202)
def post_cosignature(hub: HubDep, caller: Cosigner, body: Cosignature) -> dict[str, Any]:
    """A node's or witness's word that this checkpoint keeps all it has seen."""
    accept_cosignature(hub, caller, body.size, body.line)
    return {"size": body.size}
