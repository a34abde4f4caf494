"""One way to move a job: by the transition table, with its log event, waking whoever follows it."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, Row, bindparam, delete, select, update

from jobs.documents import moment_text
from jobs.schema import Digest
from sandbox.errors import InvalidTransition, NotFound
from sandbox.policy.states import Cause, NoSuchTransition, State, decide_next, is_final
from sandbox.policy.states import Event as Step
from sandbox.store.event import Actor, Event
from sandbox.store.store import Change
from sandbox.store.tables import job_nodes, jobs, scans

INBOX: Final = "inbox:"
"""What the topics of all inboxes begin with."""
_JOB: Final = select(jobs).where(jobs.c.id == bindparam("job"))


def move(
    change: Change,
    row: Row[Any],
    step: Step,
    cause: Cause,
    actor: Actor,
    *,
    progress: str = "",
    digests: tuple[Digest, ...] = (),
    facts: dict[str, Any] | None = None,
    **columns: Any,
) -> int:
    """Take one step and return the index of its log entry; raises ``InvalidTransition``."""
    state = current_state(change.connection, row.id)
    try:
        target = decide_next(state, step, cause)
    except NoSuchTransition as error:
        raise InvalidTransition(str(error)) from None
    values = {
        "state": target,
        "progress": progress or target.replace("_", " "),
        "changed": moment_text(change.now),
        **columns,
    }
    change.execute(update(jobs).where(jobs.c.id == row.id).values(values))
    if is_final(target):
        change.execute(delete(scans).where(scans.c.job == row.id))
    change.wake(topic(row.id))
    noted = {"from": state.value, "to": target.value, **(facts or {})}
    return change.also(Event(f"job.{_PAST[step]}", actor, job=row.id, digests=digests, facts=noted))


def set_progress(change: Change, job: str, progress: str) -> None:
    """Say how far the job is: informs people, decides nothing."""
    change.execute(
        update(jobs).where(jobs.c.id == job).values(progress=progress[:160], changed=moment_text(change.now))
    )
    change.wake(topic(job))


def job_row(connection: Connection, job: str) -> Row[Any]:
    """The job's row; raises ``NotFound``."""
    row = connection.execute(_JOB, {"job": job}).first()
    if row is None:
        raise NotFound(f"there is no job {job}")
    return row


def current_state(connection: Connection, job: str) -> State:
    return State(connection.execute(select(jobs.c.state).where(jobs.c.id == job)).scalar_one())


def participants(connection: Connection, job: str) -> tuple[str, ...]:
    """Node ids in the permit's order."""
    query = select(job_nodes.c.node).where(job_nodes.c.job == job).order_by(job_nodes.c.place)
    return tuple(connection.execute(query).scalars())


def topic(job: str) -> str:
    return f"job:{job}"


def inbox_topic(node: str) -> str:
    return f"{INBOX}{node}"


_PAST = {
    Step.ALLOW: "allowed",
    Step.ASK: "asked",
    Step.REFUSE: "refused",
    Step.REPLAY: "replayed",
    Step.GRANT: "granted",
    Step.DENY: "denied",
    Step.PERMIT: "permitted",
    Step.RELEASE: "released",
    Step.FAIL: "failed",
    Step.REVOKE: "revoked",
    Step.CANCEL: "cancelled",
    Step.EXPIRE: "expired",
}
