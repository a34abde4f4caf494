"""``GET /metrics`` in Prometheus' text format: how the hub does, for whoever has a monitor's token.

Counts over all parties, never of one: no label names a dataset, an operator, an owner, a node or a job, so what a
monitoring system stores tells of nobody's questions.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Response
from sqlalchemy import Connection, func, select

from jobs.documents import StatusList, moment_text
from jobs.errors import JobError
from sandbox.errors import NotFound
from sandbox.exposition import CONTENT_TYPE, Metric, exposition
from sandbox.hub.api.routes.access import HubDep, Monitor
from sandbox.hub.core.hub import Hub
from sandbox.hub.core.version import VERSION
from sandbox.hub.people.status import latest_status
from sandbox.hub.running.jobstate import INBOX
from sandbox.policy.states import State
from sandbox.store.tables import checkpoints, jobs, tokens
from sandbox.store.tree import read_size

router = APIRouter()
ENDING_SOON: Final = timedelta(days=14)
_STARTED: Final = time.time()


@router.get("/metrics", include_in_schema=False)
def get_metrics(hub: HubDep, caller: Monitor) -> Response:
    """All metrics of this hub now. Where several workers serve, what they share: a scrape meets any one of them."""
    with hub.store.read() as connection:
        found = shared(hub, connection, hub.store.now())
    if hub.config.workers == 1:
        found += of_this_process(hub)
    return Response(exposition(found), media_type=CONTENT_TYPE)


def shared(hub: Hub, connection: Connection, now: datetime) -> list[Metric]:
    """What the database knows."""
    counted = connection.execute(select(jobs.c.state, func.count().label("number")).group_by(jobs.c.state))
    states = {row.state: row.number for row in counted}
    signed = connection.execute(select(func.max(checkpoints.c.size))).scalar()
    ending = tokens.c.expires.between(moment_text(now), moment_text(now + ENDING_SOON)) & tokens.c.revoked.is_(None)
    tokens_ending = connection.execute(select(func.count()).select_from(tokens).where(ending)).scalar()

    def left(end: Callable[[], datetime]) -> float | None:
        try:
            return (end() - now).total_seconds()
        except (NotFound, JobError):
            return None

    return [
        Metric("unseen_build_info", "gauge", "The hub's version.", (({"version": VERSION}, 1),)),
        Metric("unseen_jobs", "gauge", "Jobs by state.", [({"state": s.value}, states.get(s, 0)) for s in State]),
        Metric.single("unseen_log_entries", "Entries of the log.", read_size(connection)),
        Metric.single("unseen_log_signed_entries", "Entries under the newest signed checkpoint.", signed or 0),
        Metric.single("unseen_tokens_ending", "Tokens that end within 14 days.", tokens_ending),
        Metric.single(
            "unseen_status_list_seconds",
            "Until the status list ends and nothing runs.",
            left(lambda: StatusList.open(latest_status(connection)).expires),
        ),
        Metric.single(
            "unseen_roster_seconds",
            "Until the roster ends and nothing runs.",
            left(lambda: hub.roster().document.expires),
        ),
    ]


def of_this_process(hub: Hub) -> list[Metric]:
    """What is counted in memory, from zero at each start."""
    calls = [({"method": m, "route": r, "status": s}, n) for (m, r, s), n in sorted(dict(hub.calls).items())]
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    return [
        Metric.single("unseen_nodes_listening", "Nodes that wait for work now.", hub.notifier.waiting(INBOX)),
        Metric("unseen_calls_total", "counter", "Calls answered.", calls),
        Metric.single("process_start_time_seconds", "Start, since the epoch.", _STARTED),
        Metric.single("process_resident_memory_bytes", "Resident memory.", resident),
        Metric.single("process_open_fds", "Open files.", len(os.listdir("/proc/self/fd"))),
    ]
