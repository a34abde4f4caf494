"""One job at one node, from the accepted order to the destroyed intermediates. One thread each; all state durable.

The rounds are the kind's (``sandbox.node.walk``); here is what is the same for all: waiting, deadlines, revocation,
crashes, and one typed end. A message is stored with its record entry, ledger change and checkpoint in one transaction.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection

from adapters.errors import AdapterError
from jobs.documents import Envelope, StatusList, check_fresh, moment_text
from jobs.documents.status import check_not_stopped, ordered
from jobs.documents.verify import check_period
from jobs.errors import BadKind, JobError
from jobs.kinds.base import Act, Ask, Compute, Done, Receiver, Send
from jobs.runner.port import Progress
from mpc.errors import MpcError
from sandbox.errors import IntegrityFailure, NodeLost, NotGranted, SandboxError, Timeout
from sandbox.inbox import AbortBody, FinishedBody, MessagesBody, OutputBody
from sandbox.logs import facts
from sandbox.messages import VOUCH
from sandbox.node import snapshots
from sandbox.node.accept import Accepted
from sandbox.node.alarms import check_quiet
from sandbox.node.asking import Asking
from sandbox.node.closing import GRACE, end_job, public_code, public_text
from sandbox.node.context import Context
from sandbox.node.excluding import check_exclusions
from sandbox.node.finish import check_finished
from sandbox.node.hub_port import HubRefused, Item
from sandbox.node.recompute import vouch_for
from sandbox.node.scanning import ScanReport
from sandbox.node.state import LOG_FAILURE, STATUS
from sandbox.node.walk import Walk

_LOOK_S: Final = 1.0
"""How often a waiting job looks at the clock, which may be set or have slept."""

_GONE: Final = ("content-destroyed", "not-found")
"""What the hub answers for a body of a job that has ended."""


@dataclass(frozen=True)
class _Computed:
    """A local step has ended."""

    future: Future[Any] = field(repr=False)


class _Left(Exception):
    """The node shuts down, and the next start can go on: the job stays open."""


class JobRun:
    """Drives one accepted order. ``deliver`` may be called from any thread; ``run`` is this job's own thread."""

    def __init__(self, accepted: Accepted, context: Context, checkpoint: bytes | None = None, seen: int = 0) -> None:
        self.accepted = accepted
        self._context = context
        self._order = accepted.checked.permit.document
        self.job = self._order.job
        self.seen = seen
        """The inbox item that the stored checkpoint has taken last: the next start needs none before it again."""
        self.resumable = checkpoint is not None
        """Whether the next start of the node can go on with this job; set by the job's thread."""
        self._resumed = checkpoint is not None
        self._walk = Walk(accepted, context, checkpoint)
        self._asking = Asking(context.gate, context.state, accepted)
        self._events: queue.Queue[Item | _Computed | None] = queue.Queue()
        self._acts: Sequence[Act] = ()
        self._scan: ScanReport | None = None
        self._done = False
        self._bound = False
        self._over = threading.Event()

    @property
    def hears_nodes(self) -> bool:
        """Whether other nodes write to this one: how far it has read is what they may go on after."""
        return any(row.receiver is Receiver.NODE for row in self.accepted.checked.kind.rounds)

    # life ---------------------------------------------------------------------------------------------------------

    def begin(self, connection: Connection) -> None:
        """Store the first messages, in the transaction that accepts the order."""
        self._acts = self._walk.party.start()
        self._check_acts(self._acts)
        self._store(connection, self._acts)

    def start(self) -> None:
        threading.Thread(target=self.run, name=f"job {self.job}", daemon=True).start()

    def join(self, seconds: float) -> None:
        """Wait for ``run`` to end, in whichever thread it runs."""
        self._over.wait(seconds)

    def deliver(self, item: Item | None) -> None:
        """Hand over an inbox item; ``None`` says that the node is shutting down."""
        self._events.put(item)

    @property
    def scanned(self) -> Progress | None:
        """How far a long scan is, while there is one."""
        scan = self._scan
        return None if scan is None else scan.latest

    def run(self) -> None:
        """To the end, whatever it is. Never raises."""
        try:
            if self._resumed:
                self._recall()
                self._acts = self._walk.party.resume()
            self._compute(self._acts)
            self._context.outbox.post()
            while not self._step():
                pass
        except _Left:
            self._context.log.info("a job is left for the next start", extra=facts(event="job.left", job=self.job))
        except (SandboxError, JobError, AdapterError, MpcError) as error:
            code = public_code(error)
            self._context.log.warning("a job ends: %s", error, extra=facts(event="job.ends", job=self.job, code=code))
            self._end(code, public_text(error))
        except Exception as error:
            self._context.log.exception("a job failed", extra=facts(event="job.ends", job=self.job, code="node-fault"))
            self._end("node-fault", f"the node failed with {type(error).__name__}; its owner sees the details")
        finally:
            if self._scan is not None:
                self._scan.stop()
            self._walk.party.destroy()
            self._context.forget(self.accepted.permit)
            self._over.set()

    def _recall(self) -> None:
        """What an earlier process of this node has sent."""
        with self._context.state.read() as connection:
            rows = self._context.state.sent_rows(connection, self.accepted.permit)
        self._bound = any(row.binding for row in rows)
        self._done = any(row.round == "sent" for row in rows)

    # steps --------------------------------------------------------------------------------------------------------

    def _step(self) -> bool:
        """Take one event; returns whether the job has ended here."""
        event = self._next()
        match event:
            case _Computed(future):
                self._act(self._walk.party.computed(future.result()))
            case Item(kind="messages" | "output"):
                self._hear(event)
            case Item(kind="finished"):
                self._finish(FinishedBody.read(event.body))
                return True
            case Item(kind="abort"):
                body = AbortBody.read(event.body)
                self._end(body.code[:64], None, body.stop)
                return True
            case Item(kind="revoked") if not self._bound:
                raise NotGranted("the owner has revoked this grant")
        return False

    def _hear(self, item: Item) -> None:
        """Messages, or the output. Of a job that has ended at the hub the bodies are gone; its last word comes next."""
        try:
            if item.kind == "output":
                self._vouch(OutputBody.read(item.body))
                return
            incoming = self._walk.take(self.job, MessagesBody.read(item.body).messages)
        except HubRefused as refused:
            if refused.code not in _GONE:
                raise
            self._context.log.info("a body is gone: %s", refused, extra=facts(event="body.gone", job=self.job))
            return
        self._act(() if incoming is None else self._walk.party.receive(incoming), item.sequence)

    def _next(self) -> Item | _Computed:
        """The next event before the deadline; after everything was sent the hub gets a while longer."""
        end = self._order.deadline + (GRACE if self._bound or self._done else timedelta(0))
        while True:
            left = (end - self._context.clock()).total_seconds()
            if left <= 0:
                raise Timeout("the job did not end before its deadline")
            try:
                event = self._events.get(timeout=min(left, _LOOK_S))
            except queue.Empty:
                continue
            if event is not None:
                return event
            if self.resumable:
                raise _Left
            raise NodeLost("the node is shutting down")

    def _act(self, acts: Sequence[Act], seen: int | None = None) -> None:
        if len(acts) == 1 and isinstance(acts[0], Ask):
            acts = self._ask(acts[0], seen)
        elif acts or self.resumable:
            self._check_acts(acts)
            with self._context.state.write() as connection:
                self._store(connection, acts, seen)
        self.seen = self.seen if seen is None else seen  # only now: what is stored needs it no more
        self._compute(acts)
        if acts:
            self._context.outbox.post()

    def _ask(self, ask: Ask, seen: int | None) -> Sequence[Act]:
        """Judge what was asked and store it with what the party says to the verdict; returns the party's acts.

        What was asked is never forgotten and what was not stored never leaves: one transaction, or nothing.
        """
        with self._asking.answered(ask) as answer:
            acts = self._walk.party.judged(answer.verdict)
            self._check_acts(acts)
            if not any(isinstance(act, Send) for act in acts):
                raise BadKind(self.accepted.checked.kind.name, "its party asks and says nothing to the answer")
            with self._context.state.write() as connection:
                answer.store(connection)
                self._store(connection, acts, seen)
        return acts

    def _check_acts(self, acts: Sequence[Act]) -> None:
        if self._context.clock() >= self._order.deadline and any(isinstance(act, Send) for act in acts):
            raise Timeout("the deadline has passed: nothing more leaves this node")
        if any(isinstance(act, Ask) for act in acts):
            raise BadKind(self.accepted.checked.kind.name, "its party asks before it computes, or beside other acts")

    def _store(self, connection: Connection, acts: Sequence[Act], seen: int | None = None) -> None:
        if any(isinstance(act, Send) for act in acts):
            self._check_may_send(connection)
        kept = self._walk.store(connection, acts, moment_text(self._context.clock()))
        self._context.state.set_seen(connection, self.accepted.permit, self.seen if seen is None else seen)
        self._bound |= any(map(self._walk.is_binding, acts))
        self._done |= any(isinstance(act, Done) for act in acts)
        self.resumable = kept or self._done

    def _compute(self, acts: Sequence[Act]) -> None:
        for act in acts:
            if isinstance(act, Compute):
                inputs = snapshots.inputs(self._context.state, self.accepted.inputs)
                scan = self._scan = ScanReport(self._context.hub, self.job)
                pending = self._context.runner.submit(self.accepted.checked, act.step, inputs, scan)
                pending.add_done_callback(partial(self._computed, scan))

    def _computed(self, scan: ScanReport, future: Future[Any]) -> None:
        """In the runner's thread: a local step has ended."""
        scan.stop()
        self._events.put(_Computed(future))

    def _check_may_send(self, connection: Connection) -> None:
        """Last look before bytes are stored for sending: grant and commitment still valid, the log whole, no alarm,
        nobody excluded since the version was written, nothing said against it in a status list that came since.

        An alarm stops what was accepted before it, too: a hub that misuses one job had others under way.
        """
        state, checked, now = self._context.state, self.accepted.checked, self._context.clock()
        check_quiet(connection)
        if state.is_revoked(connection, checked.own_grant.digest):
            raise NotGranted("the owner has revoked this grant")
        if state.setting(connection, LOG_FAILURE) is not None:
            raise IntegrityFailure("this node has seen two histories of the hub's log; nothing more leaves it")
        check_exclusions(connection, self.accepted.inputs)
        self._check_not_stopped(connection, now)
        grant, commitment = checked.own_grant.document, checked.commitment.document
        check_period(grant.period, now, f"grant {grant.id}")
        check_period(commitment.period, now, f"commitment {commitment.id}")

    def _check_not_stopped(self, connection: Connection, now: datetime) -> None:
        """The newest status list that this node has, if it is another than the order was accepted under."""
        state, order = self._context.state, self.accepted.checked.permit.document
        seen = state.setting(connection, STATUS)
        if seen is None or (envelope := Envelope.parse(seen)).digest == order.status:
            return
        status = StatusList.open(envelope)  # verified when it was taken
        check_fresh(status, now)
        check_not_stopped(status, ordered(order), state.trusted.last.document)

    # ending -------------------------------------------------------------------------------------------------------

    def _vouch(self, body: OutputBody) -> None:
        if not body.messages:  # the job has ended at the hub
            return
        with self._context.state.read() as connection:
            if self._context.state.sent(connection, self.accepted.permit, VOUCH, 0) is not None:
                return  # the item is read again after a restart; what was signed is in the outbox
        vouch = vouch_for(body, self.job, self.accepted.checked.kind, self._walk, self._context)
        with self._context.state.write() as connection:
            self._context.outbox.queue_vouch(connection, vouch, moment_text(self._context.clock()))
        self._context.outbox.post()

    def _finish(self, body: FinishedBody) -> None:
        """The hub released: settle, destroy, and compare what every participant signed."""
        code = None if self._done else "released-without-this-node"
        self._end(code, None, finished=body)

    def _end(
        self,
        code: str | None,
        advice: str | None,
        stop: Mapping[str, Any] | None = None,
        finished: FinishedBody | None = None,
    ) -> None:
        self._walk.party.destroy()
        context, at = self._context, moment_text(self._context.clock())
        permit = self.accepted.checked.permit
        with context.state.write() as connection:
            nonce = permit.document.nonce
            if finished is not None:
                check_finished(context, connection, permit, finished)
            end_job(context, connection, permit.digest, nonce, at, code=code, advice=advice, stop=stop)
        context.outbox.post()
