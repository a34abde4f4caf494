"""The node's loop: ``tick`` polls the inbox once and dispatches; ``serve`` repeats it; ``recover`` runs first.

After a crash ``recover`` goes on with every job whose party wrote a checkpoint and ends every other that would still
need a new message: never a second message under one mask, never a charge given back after something informative.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import Row

from adapters.errors import AdapterError
from jobs.documents import Envelope, Permit, Revocation, Verified, moment_text, parse_json, verify_permit
from jobs.documents.message import Stop
from jobs.errors import JobError
from jobs.permit import Order
from sandbox.errors import IntegrityFailure, NodeLost, Rejected, SandboxError, Unavailable
from sandbox.inbox import AbortBody, FinishedBody, MessagesBody, OutputBody, PermitBody, RevokedBody, StatusBody
from sandbox.logs import facts
from sandbox.messages import SENT
from sandbox.node.accept import Accepted, check, check_may_start, enter
from sandbox.node.alarms import ALTERED, raise_alarm
from sandbox.node.closing import GRACE, end_job, plain, public_code, public_text
from sandbox.node.context import Context
from sandbox.node.finish import check_finished
from sandbox.node.follower import LogFollower
from sandbox.node.hub_port import HubAway, HubRefused, Item
from sandbox.node.restored import check_memory
from sandbox.node.revoke import read_revocation, store_revocation
from sandbox.node.run import JobRun

_CURSOR: Final = "inbox_cursor"
_POLL_S: Final = 25.0
_RETRY_S: Final = 0.5
_SOON_S: Final = 1.0
"""How long a poll lasts while something small waits for a transaction to be written with."""
_OVERDUE_S: Final = 1.0
"""How often jobs without a thread are looked for; their time is over a minute later than their deadline."""
_GOODBYE_S: Final = 5.0
"""How long a stopping node waits for its jobs to store and post their last message."""
_LOST: Final = "the node restarted while the job ran; its keys are gone. Submit again."
_ENDS: Final = (AbortBody.KIND, FinishedBody.KIND)
_OF_A_JOB: Final = (MessagesBody.KIND, OutputBody.KIND, *_ENDS)


class Node:
    """One owner's node. ``context.forget`` is set here."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.follower = LogFollower(context)
        self._runs: dict[str, JobRun] = {}
        self._waiting: deque[Item] = deque()
        """Orders without a place, first come first served. The hub lays every order into all inboxes in one
        transaction, so all nodes have the same order of orders, and the first of them has its place everywhere."""
        self._starting: list[Item] = []
        """Orders that are being checked, each in a thread of its own: one that waits for the log holds up no other."""
        self._early: dict[str, list[Item]] = {}
        """What came for jobs that have not started yet: other participants may be faster."""
        self._read_to = 0
        """The last item that was dispatched."""
        self._kept: int | None = None
        """The cursor as it is stored; ``None`` before the first tick."""
        self._looked: datetime | None = None
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        context.forget = self._ended

    # life -------------------------------------------------------------------------------------------------------

    def look_back(self) -> None:
        """Before anything is taken up again: is this the newest state of this node? The log knows; it is waited for."""
        check_memory(self.context)
        while not self._stopping.is_set():
            try:
                with self.context.reach.call():
                    self.follower.step(0.0)
                return
            except (HubAway, HubRefused) as error:
                self._stopping.wait(self.context.reach.pause(error))
            except (SandboxError, JobError) as error:
                self.context.log.error("%s", error, extra=facts(event="log.trouble", code=public_code(error)))
                if self.follower.failure is not None:
                    return
                self._stopping.wait(_RETRY_S)

    def recover(self) -> None:
        """Go on with the jobs that a crash interrupted, or bring them to a typed end. Run once, after ``look_back`` and
        before any tick: a job of an older state must not send a second message under one mask."""
        with self.context.state.read() as connection:
            rows = self.context.state.open_jobs(connection)
        for row in rows:
            try:
                if row.checkpoint is not None:
                    self._resume(row)
                    continue
            except (SandboxError, JobError, AdapterError) as error:
                self.context.log.error("a job cannot go on: %s", error, extra=facts(event="job.lost", job=row.job))
            self._give_up(row)

    def _resume(self, row: Row[Any]) -> None:
        context = self.context
        then = datetime.fromisoformat(row.now_used)
        order = Order.read(parse_json(bytes(row.order)))
        accepted = check(order, context.state, context.config, context.state.roster(context.clock()), then)
        run = JobRun(accepted, context, context.vault.decrypt(row.permit, bytes(row.checkpoint)), row.seen)
        with self._lock:
            self._runs[accepted.permit] = run
        run.start()

    def _give_up(self, row: Row[Any]) -> None:
        """Without a checkpoint: what was sent whole is closed by the hub, anything else ends here."""
        context, at = self.context, moment_text(self.context.clock())
        with context.state.write() as connection:
            if context.state.sent(connection, row.permit, SENT, 0) is None:
                end_job(context, connection, row.permit, row.nonce, at, code=NodeLost.code, advice=_LOST)

    def serve(self) -> None:
        """Run until ``stop``: the log follower in its own thread, the inbox here."""
        follower = threading.Thread(target=self._follow, name="log follower", daemon=True)
        follower.start()
        while not self._stopping.is_set():
            try:
                with self.context.reach.call():
                    self.tick(_POLL_S)
            except (HubAway, HubRefused) as error:
                self._stopping.wait(self.context.reach.pause(error))
        self.end_runs()
        self.context.state.catch_up()

    def stop(self) -> None:
        """Ask ``serve`` to end. Takes no lock: signal handlers call it in the thread that may hold one."""
        self._stopping.set()

    def end_runs(self) -> None:
        """Tell every job that the node shuts down and give it time to say so to the hub."""
        with self._lock:
            runs = list(self._runs.values())
        for run in runs:
            run.deliver(None)
        end = time.monotonic() + _GOODBYE_S
        for run in runs:
            run.join(max(end - time.monotonic(), 0.0))

    def tick(self, wait: float) -> int:
        """Resend what waits, poll once, dispatch; returns the number of items. Raises ``HubAway``, ``HubRefused``."""
        context = self.context
        self._close_overdue()
        context.outbox.post_again()
        read = self._stored_cursor()
        cursor = max(read, self._read_to)
        if context.state.behind:
            wait = min(wait, _SOON_S)
        # what was dispatched before a crash, or is shown again, is passed over or answered by what is stored
        items = [item for item in context.hub.inbox(cursor, read, wait) if item.sequence > cursor]
        for item in items:
            self._dispatch(item)
        if items:
            self._read_to = items[-1].sequence
        self._set_cursor(read)
        if not items:
            context.state.catch_up()
        return len(items)

    def _stored_cursor(self) -> int:
        if self._kept is None:
            with self.context.state.read() as connection:
                self._kept = int(self.context.state.setting(connection, _CURSOR) or b"0")
        return self._kept

    def _set_cursor(self, read: int) -> None:
        """How far a next start need not read again: orders that wait, and jobs that can go on, are read again.

        Written with the next transaction, at once only where other nodes wait until this one has read their messages.
        """
        state = self.context.state
        with self._lock:
            orders = [order.sequence - 1 for order in (*self._waiting, *self._starting)]
            runs = [run.seen for run in self._runs.values() if run.resumable]
            awaited = any(run.hears_nodes for run in self._runs.values())
        done = min([*orders, *runs, self._read_to])
        if done <= read:
            return
        value = str(done).encode()
        state.later(lambda connection: state.set_setting(connection, _CURSOR, value), partial(self._note_kept, done))
        if awaited:
            state.catch_up()

    def _note_kept(self, cursor: int) -> None:
        self._kept = max(cursor, self._kept or 0)

    # items ------------------------------------------------------------------------------------------------------

    def _dispatch(self, item: Item) -> None:
        match item.kind:
            case PermitBody.KIND:
                with self._lock:
                    self._waiting.append(item)
                    self._early.setdefault(item.job, [])
                self._start_waiting()
            case RevokedBody.KIND:
                self._revoked(item)
            case StatusBody.KIND:
                self._status(item)
            case kind if kind in _OF_A_JOB:
                self._hand_over(item)
            case _:
                self.context.log.warning("the hub sends an item of an unknown kind")

    def _hand_over(self, item: Item) -> None:
        with self._lock:
            run = next((run for run in self._runs.values() if run.job == item.job), None)
            if item.job in self._early:  # first things first, also while the run is just being made
                self._early[item.job].append(item)
                if item.kind in _ENDS and any(order.job == item.job for order in self._waiting):
                    self._waiting = deque(order for order in self._waiting if order.job != item.job)
                    del self._early[item.job]
                return
        if run is not None:
            run.deliver(item)
        elif item.kind in _ENDS:
            self._close_recovered(item)

    def _start_waiting(self) -> None:
        """Give orders their places. Called by the loop for a new order, by a job's thread at its end."""
        while True:
            with self._lock:
                places = self.context.config.jobs_at_once - len(self._runs) - len(self._starting)
                if places <= 0 or not self._waiting or self._stopping.is_set():
                    return
                item = self._waiting.popleft()
                self._starting.append(item)
            threading.Thread(target=self._order, args=(item,), name=f"order {item.job}", daemon=True).start()

    def _order(self, item: Item) -> None:
        """In a thread of its own: accept the order and run it, or answer with one typed refusal."""
        permit: Envelope | None = None
        run: JobRun | None = None
        try:
            order = Order.read(item.body)
            permit = order.permit
            accepted = self._accept(order, item)
            if accepted is not None:
                run = self._begin(accepted, item)
        except (SandboxError, JobError, AdapterError) as error:
            self._refuse(permit, error)
        except Exception as error:  # one order that nobody foresaw must not stop the node for all others
            self.context.log.exception("an order failed")
            text = f"the node failed with {type(error).__name__}; its owner sees the details"
            self._refuse(permit, Unavailable(text))
        finally:
            with self._lock:
                self._starting.remove(item)
                # an order that is read again after a restart finds its job already going on
                goes_on = run or next((known for known in self._runs.values() if known.job == item.job), None)
                for early in self._early.pop(item.job, []):
                    if goes_on is not None:
                        goes_on.deliver(early)
        if run is None:
            self._start_waiting()
        else:
            run.run()

    def _accept(self, order: Order, item: Item) -> Accepted | None:
        """Check what can be checked before anything is written; ``None`` if this permit was answered before."""
        context = self.context
        with context.state.read() as connection:
            # the inbox was read again, or the hub repeats itself: job and outbox hold what was answered
            if context.state.job(connection, order.permit.digest) is not None:
                return None
            if context.state.sent_rows(connection, order.permit.digest):
                return None
        if self.follower.failure is not None:
            raise IntegrityFailure("this node has seen two histories of the hub's log; it accepts no job")
        if "roster" in item.body:
            context.state.trust_roster(Envelope.from_json(item.body["roster"]))
        now = context.clock()
        context.state.take_status(order.status, now)
        accepted = check(order, context.state, context.config, context.state.roster(now), now)
        self._wait_for_log()
        return accepted

    def _begin(self, accepted: Accepted, item: Item) -> JobRun | None:
        """One transaction: nonce, charges, job and first messages. Or raise, and nothing changed.

        ``None``: the same order again, while the job is being made or runs.
        """
        run, context = JobRun(accepted, self.context, seen=item.sequence), self.context
        with self._lock:
            if self._runs.setdefault(accepted.permit, run) is not run:
                return None
        try:
            with context.state.write() as connection:
                enter(connection, context.state, accepted, context.clock())
                run.begin(connection)
        except BaseException:
            self._forget(accepted.permit)
            raise
        context.log.info("a job begins", extra=facts(event="job.begins", job=run.job, permit=accepted.permit))
        return run

    def _wait_for_log(self) -> None:
        """Nodes refuse new jobs until their earlier messages appear in the log; it is given a little time to."""
        end = time.monotonic() + self.context.config.log_patience_s
        self.context.state.catch_up()  # what was posted must be known to be: it is what the log has to show
        while True:
            try:
                with self.context.state.read() as connection:
                    check_may_start(connection)
                return
            except Unavailable:
                if time.monotonic() >= end or self._stopping.is_set():
                    raise
            with self.follower.grown:
                self.follower.grown.wait(0.25)

    def _refuse(self, permit: Envelope | None, error: Exception) -> None:
        """Tell the hub why this order will not run here. An order too broken to name gets no answer but a log line."""
        context = self.context
        code, text = public_code(error), public_text(error)
        context.log.warning("refused an order: %s: %s", code, text, extra=facts(event="order.refused", code=code))
        if permit is None:
            return
        try:
            nonce = Permit.open(permit).nonce
        except JobError:
            return
        at = moment_text(context.clock())
        stop = Stop(
            node=context.config.node, permit=permit.digest, nonce=nonce, bound=False, code=code[:64], advice=plain(text)
        )
        with context.state.write() as connection:
            if context.state.sent_rows(connection, permit.digest):
                return
            context.outbox.queue_stop(connection, stop, at)
        context.outbox.post()

    def _revoked(self, item: Item) -> None:
        """A revocation that came through the hub: obeyed if this node's owner signed it."""
        context = self.context
        try:
            revocation = read_revocation(context.state, context.config.node, item.body.get("revocation"))
        except (JobError, Rejected) as error:
            context.log.warning("refused a revocation: %s", error)
            return
        self.revoke(revocation)

    def revoke(self, revocation: Verified[Revocation]) -> bool:
        """Store it, then stop the jobs under this grant that have not sent their values; returns whether it was new."""
        new = store_revocation(self.context.state, revocation)
        grant = revocation.document.grant
        with self._lock:
            runs = [run for run in self._runs.values() if run.accepted.checked.own_grant.digest == grant]
        for run in runs:
            run.deliver(Item(0, "revoked", run.job, {}))
        return new

    def _status(self, item: Item) -> None:
        """A newer list of the authority: kept if it is good; every running job looks at it before it sends."""
        state = self.context.state
        try:
            body = StatusBody.read(item.body)
            state.trust_roster(Envelope.from_json(body.roster))
            state.take_status(Envelope.from_json(body.status), self.context.clock())
        except JobError as error:
            self.context.log.warning("refused a status list: %s", error)

    def _close_recovered(self, item: Item) -> None:
        """The hub closes a job whose thread is gone: after a restart between its last message and the end."""
        code = None if item.kind == FinishedBody.KIND else str(item.body.get("code", "aborted"))[:64]
        stop = item.body.get("stop")
        with self.context.state.read() as connection:
            rows = [row for row in self.context.state.open_jobs(connection) if row.job == item.job]
        if item.kind == FinishedBody.KIND:
            for row in rows:
                self._compare(row, item)
        self._close(rows, code, stop if isinstance(stop, dict) else None)

    def _compare(self, row: Row[Any], item: Item) -> None:
        context = self.context
        try:
            envelope = Order.read(parse_json(bytes(row.order))).permit
            permit: Verified[Permit] = verify_permit(envelope, context.state.roster(context.clock()))
            body = FinishedBody.read(item.body)
        except JobError as error:
            text = f"what the hub says of the job's end cannot be compared with what was signed: {error}"
            context.log.critical(text, extra=facts(event="alarm.raised", job=row.job))
            with context.state.write() as connection:
                raise_alarm(connection, row.job, row.permit, ALTERED, text, moment_text(context.clock()))
            return
        with context.state.write() as connection:
            check_finished(context, connection, permit, body)

    def _close_overdue(self) -> None:
        """Close jobs without a thread that the hub has forgotten: long past the deadline, charge kept as it is."""
        now = self.context.clock()
        if self._looked is not None and abs((now - self._looked).total_seconds()) < _OVERDUE_S:
            return
        self._looked, late = now, moment_text(now - GRACE)
        with self.context.state.read() as connection, self._lock:
            open_jobs = self.context.state.open_jobs(connection)
            rows = [row for row in open_jobs if row.deadline < late and row.permit not in self._runs]
        self._close(rows, "timeout")

    def _close(self, rows: Sequence[Row[Any]], code: str | None, stop: dict[str, Any] | None = None) -> None:
        context, at = self.context, moment_text(self.context.clock())
        with self._lock:
            rows = [row for row in rows if row.permit not in self._runs]
        if not rows:
            return
        with context.state.write() as connection:
            for row in rows:
                end_job(context, connection, row.permit, row.nonce, at, code=code, stop=stop)
        context.outbox.post()

    # threads ----------------------------------------------------------------------------------------------------

    def _follow(self) -> None:
        told = ""
        while not self._stopping.is_set():
            try:
                with self.context.reach.call():
                    self.follower.step(_POLL_S)
            except (HubAway, HubRefused) as error:
                self._stopping.wait(self.context.reach.pause(error))
            except (SandboxError, JobError) as error:
                if self.follower.failure is not None:
                    return
                if str(error) != told:
                    self.context.log.error("%s", error, extra=facts(event="log.trouble", code=public_code(error)))
                told = str(error)
                self._stopping.wait(_RETRY_S)

    def _ended(self, permit: str) -> None:
        """A job's thread is over: its place is free."""
        self._forget(permit)
        self._start_waiting()

    def _forget(self, permit: str) -> None:
        with self._lock:
            self._runs.pop(permit, None)

    def states(self) -> list[dict[str, Any]]:
        """What runs here now, for the control socket."""
        with self._lock:
            runs = list(self._runs.items())
        return [
            {"job": run.job, "permit": permit, "scan": asdict(scan) if (scan := run.scanned) else None}
            for permit, run in runs
        ]
