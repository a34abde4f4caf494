"""How far each node says that its scan is. Said under the node's token, not signed, not logged: it decides nothing.

A node can spoil nothing but its own line of a job that it takes part in and that runs, once a second.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select

from jobs.documents import moment_text
from sandbox.errors import NotFound
from sandbox.hub.core.hub import Hub
from sandbox.hub.running.jobstate import topic
from sandbox.policy.states import State
from sandbox.store.tables import job_nodes, jobs, scans


def note_scan(hub: Hub, node: str, job: str, percent: int, seconds_left: int) -> None:
    """Keep a node's latest word and wake who follows the job; a second word within a second is passed over.

    Raises ``NotFound`` unless this node takes part in a job of that name that runs now.
    """
    at = moment_text(hub.store.now())
    with hub.store.read() as connection:
        query = (
            select(scans.c.at)
            .select_from(jobs.join(job_nodes, job_nodes.c.job == jobs.c.id))
            .outerjoin(scans, (scans.c.job == jobs.c.id) & (scans.c.node == job_nodes.c.node))
            .where((jobs.c.id == job) & (jobs.c.state == State.RUNNING) & (job_nodes.c.node == node))
        )
        found = connection.execute(query).first()
    if found is None:
        raise NotFound(f"no job {job} runs at {node}")
    if found.at == at:
        return
    row = {"job": job, "node": node, "percent": percent, "seconds_left": seconds_left, "at": at}
    own = (scans.c.job == job) & (scans.c.node == node)
    hub.store.inform(topic(job), delete(scans).where(own), insert(scans).values(row))


def scans_json(connection: Connection, row: Row[Any]) -> list[dict[str, Any]]:
    """Of a running job, in the permit's order: the nodes that have said something."""
    if row.state != State.RUNNING:
        return []
    query = (
        select(scans.c.node, scans.c.percent, scans.c.seconds_left)
        .join(job_nodes, (job_nodes.c.job == scans.c.job) & (job_nodes.c.node == scans.c.node))
        .where(scans.c.job == row.id)
        .order_by(job_nodes.c.place)
    )
    return [dict(found._mapping) for found in connection.execute(query)]
