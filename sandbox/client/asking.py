"""One question from SQL to a verified table: what ``Client.ask`` does, one step after the other."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from jobs.documents import Envelope, canonical
from jobs.kinds.registry import kind_of
from sandbox.client.operator import Signer
from sandbox.client.table import Table
from sandbox.client.views import Job, Preview, reason_text
from sandbox.errors import Denied, IntegrityFailure, Rejected, Unavailable
from sandbox.keys import Trust
from sandbox.notebook import bullets, folded
from sandbox.verify import VerifiedReceipt, verify_receipt

if TYPE_CHECKING:
    from sandbox.client.client import Client

_OPEN = ("needs_approval", "ready", "running")
_RECEIPT_S = 60.0
Tell = Callable[[str], None]


class QuestionDenied(Denied):
    """A rule or an owner says no. ``reasons`` as the hub gives them."""

    advice = "Change what the reasons name, then ask again; an owner's own no is the owner's to explain."

    def __init__(self, what: str, reasons: tuple[Mapping[str, Any], ...]) -> None:
        super().__init__("; ".join([what, *map(reason_text, reasons)]))
        self.reasons = reasons


class NotReleased(Rejected):
    """The job ended without a release."""

    code = "not-released"
    advice = "Ask again: a new job needs a new permit, and grants with a run left."


class StillWaiting(Unavailable):
    """The time is over, the job is not."""

    code = "still-waiting"
    advice = "Nothing is lost: ask the same again, and it goes on with this job."


@dataclass(frozen=True)
class Answer:
    """A released table whose receipt held on this machine, and whose every number is the one that was committed."""

    table: Table
    job: Job
    receipt: bytes = field(repr=False)
    """Its exact bytes, for whoever wants to verify the table without us."""
    verified: VerifiedReceipt = field(repr=False)

    def to_pandas(self, *, errors: bool = False) -> Any:
        return self.table.to_pandas(errors=errors)

    def to_arrow(self, *, errors: bool = False) -> Any:
        return self.table.to_arrow(errors=errors)

    def __len__(self) -> int:
        return len(self.table)

    def _repr_html_(self) -> str:
        receipt = folded(f"receipt verified here ({self.job.id})", bullets(self.verified.checks))
        return self.table._repr_html_() + receipt


@dataclass(frozen=True)
class Question:
    """A statistic, what it is for, and for how long its commitment is good."""

    sql: str
    parameters: Mapping[str, Any]
    scenario: str
    purpose: str
    days: int

    @property
    def request(self) -> dict[str, Any]:
        return {"sql": self.sql, "parameters": dict(self.parameters)}


def ask(client: Client, signer: Signer, trust: Trust, question: Question, timeout: float, tell: Tell) -> Answer:
    """Preview, commit, submit, wait, verify. See ``Client.ask``."""
    preview = client.preview(question.sql, question.parameters)
    if preview.decision == "denied":
        raise QuestionDenied("this question is refused", preview.reasons)
    tell(str(preview.words.get("summary", "")) or "the question is understood")
    job = _job(client, signer, question, preview, tell)
    return verified_answer(client, trust, _follow(client, job, timeout, tell), preview)


def verified_answer(client: Client, trust: Trust, job: Job, preview: Preview) -> Answer:
    """The released table of a job, held against its receipt; raises ``ReceiptRefused`` or ``IntegrityFailure``."""
    shown: Mapping[str, Any] = client.release(job.id)
    receipt = client.receipt(job.id, wait=_RECEIPT_S)
    content = canonical({name: shown[name] for name in Table.CONTENT})
    verified = verify_receipt(receipt, trust, datetime.now(UTC), content, base64.b64decode(shown["content_salt"]))
    permit = verified.permit.document
    parameters: object = preview.raw.get("parameters")
    if (permit.operator, permit.plan_digest, dict(permit.parameters)) != (
        job.operator,
        preview.plan_digest,
        parameters,
    ):
        raise IntegrityFailure(f"the receipt of {job.id} holds, but it is one of another question")
    return Answer(Table.read(shown), job, receipt, verified)


def _job(client: Client, signer: Signer, question: Question, preview: Preview, tell: Tell) -> Job:
    """A job under the commitment that was signed for this question: the one that waits already, or a new one."""
    now = datetime.now(UTC).replace(microsecond=0)
    end = now + timedelta(days=question.days)
    kind = kind_of(preview.kind)
    datasets = tuple(kind.touched(kind.read(preview.plan)))
    signed = signer.commitment(preview.plan_digest, datasets, question.scenario, question.purpose, now, end)
    waiting = _waiting(client, preview, signed)
    if waiting is not None:
        tell(f"{waiting.id} asks this already")
        return waiting
    job = client.submit(question.sql, question.parameters, commitment=signed)
    tell(f"{job.id} submitted")
    return job


def _waiting(client: Client, preview: Preview, signed: Envelope) -> Job | None:
    for state in _OPEN:
        for line in client.jobs(state=state):
            if line.plan_digest == preview.plan_digest:
                job = client.job(line.id)
                same = (signed.digest, preview.raw.get("parameters"))
                if (job.raw.get("commitment"), job.raw.get("parameters")) == same:
                    return job
    return None


def _follow(client: Client, job: Job, timeout: float, tell: Tell) -> Job:
    """The job after its release; says each change once. Raises why there is no release."""
    said = ""
    end = time.monotonic() + timeout

    def say(current: Job) -> None:
        nonlocal said
        owners = current.waiting_for
        line = "not approved yet by " + ", ".join(owners) if owners else current.state.replace("_", " ")
        if line != said:
            tell(line)
            said = line

    say(job)
    try:
        done = client.wait(job, max(0.0, end - time.monotonic()), on_change=say).job
    except TimeoutError as error:
        raise StillWaiting(str(error)) from None
    failure = done.failure or {}
    why = failure.get("detail") or failure.get("code") or done.progress
    if done.state == "denied":
        raise QuestionDenied(f"{done.id}: {why}", ())
    if done.state != "released":
        raise NotReleased(f"{done.id} ended as {done.state}: {why}")
    return done


__all__ = ["Answer", "NotReleased", "Question", "QuestionDenied", "StillWaiting", "ask", "verified_answer"]
