"""The one task of a hub that signs checkpoints while it runs, at the pace of ``Pace``; followers wait for its news."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from fastapi.concurrency import run_in_threadpool

from sandbox.hub.core.hub import Hub
from sandbox.hub.log.checkpoints import sign_checkpoint
from sandbox.store.store import LOG_TOPIC

_LOG: Final = logging.getLogger("unseen.hub")
_IDLE_S: Final = 60.0
_RETRY_S: Final = 1.0


async def keep_signed(hub: Hub) -> None:
    """Run until cancelled, or the hub ends. What a hub that ended had not signed yet is signed first."""
    hub.pace.grow()
    async with hub.notifier.listen(LOG_TOPIC) as listener:
        while hub.notifier.running:
            left = hub.pace.seconds_left()
            if left is None or left > 0:
                await listener.wait(_IDLE_S if left is None else left)
                continue
            hub.pace.take()
            try:
                await run_in_threadpool(sign_checkpoint, hub)
            except Exception:  # a failed signature must not end the task; the next one tries again
                _LOG.exception("no checkpoint could be signed")
                hub.pace.grow()
                await asyncio.sleep(_RETRY_S)
