"""The node's loop: ``tick`` polls the inbox once and dispatches; ``serve`` repeats it; ``recover`` runs first.

After a crash no mask key survives. So ``recover`` resends what was stored, and fails every job that would still need a
new message: never a second message under one mask, never a charge given back after flags were stored.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Row

from adapters.errors import AdapterError
from jobs.documents import Envelope, Permit, Revocation, Verified, moment_text
from jobs.errors import JobError
from jobs.permit import Order
from sandbox.errors import IntegrityFailure, Rejected, SandboxError, Unavailable
from sandbox.messages import Abort, permit_bytes, session_of
from sandbox.node.accept import Accepted, check, check_log_caught_up, enter
from sandbox.node.closing import GRACE, end_job, public_code, public_text
from sandbox.node.context import Context
from sandbox.node.follower import LogFollower
from sandbox.node.hub_port import HubAway, HubRefused, Item
from sandbox.node.revoke import read_revocation, store_revocation
from sandbox.node.run import JobRun

_CURSOR: Final = "inbox_cursor"
_POLL_S: Final = 25.0
_RETRY_S: Final = 0.5
_GOODBYE_S: Final = 5.0
"""How long a stopping node waits for its jobs to store and post their last message."""
_LOST: Final = "the node restarted while the job ran; its mask key is gone. Submit again."


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
        self._late: list[Item] = []
        """Ends of jobs whose order is being checked at this moment, by another thread than the loop's."""
        self._read_to = 0
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        context.forget = self._ended

    # life -------------------------------------------------------------------------------------------------------

    def recover(self) -> None:
        """Bring jobs that a crash interrupted to a typed end. Run once, before the first tick."""
        context = self.context
        at = moment_text(context.clock())
        with context.state.write() as connection:
            for row in context.state.open_jobs(connection):
                if row.state != "sent":  # else all that this node had to say is in the outbox; the hub closes the job
                    end_job(context, connection, row.permit, row.nonce, at, code="node-lost", advice=_LOST)

    def serve(self) -> None:
        """Run until ``stop``: the log follower in its own thread, the inbox here."""
        follower = threading.Thread(target=self._follow, name="log follower", daemon=True)
        follower.start()
        while not self._stopping.is_set():
            try:
                self.tick(_POLL_S)
            except HubAway as away:
                self.context.log.warning("%s; trying again", away)
                self._stopping.wait(_RETRY_S)
            except HubRefused as refused:
                self.context.log.error("the hub refuses this node: %s", refused)
                self._stopping.wait(10 * _RETRY_S)
        self.end_runs()

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
        context.outbox.post()
        with context.state.read() as connection:
            cursor = max(int(context.state.setting(connection, _CURSOR) or b"0"), self._read_to)
        # what was dispatched before a crash, or is shown again, is passed over or answered by what is stored
        items = [item for item in context.hub.inbox(cursor, wait) if item.sequence > cursor]
        for item in items:
            self._dispatch(item)
        if items:
            self._read_to = items[-1].sequence
            with self._lock:  # an order that waits is read again after a crash
                done = min([order.sequence - 1 for order in (*self._waiting, *self._starting)], default=self._read_to)
            with context.state.write() as connection:
                context.state.set_setting(connection, _CURSOR, str(done).encode())
        return len(items)

    # items ------------------------------------------------------------------------------------------------------

    def _dispatch(self, item: Item) -> None:
        if item.kind == "permit":
            with self._lock:
                self._waiting.append(item)
            self._start_waiting()
            return
        if item.kind == "revoked":
            self._revoked(item)
        with self._lock:
            runs = [run for run in self._runs.values() if run.job == item.job]
            if item.kind in ("finished", "abort"):
                self._waiting = deque(order for order in self._waiting if order.job != item.job)
                self._late += [item for order in self._starting if order.job == item.job]
        for run in runs if item.kind != "revoked" else ():
            run.deliver(item)
        if not runs and item.kind in ("finished", "abort"):
            self._close_recovered(item)

    def _start_waiting(self) -> None:
        """Take up orders while there are places. Called by the loop for a new order, by a job's thread at its end."""
        while True:
            with self._lock:
                places = self.context.config.jobs_at_once - len(self._runs) - len(self._starting)
                if places <= 0 or not self._waiting or self._stopping.is_set():
                    return
                item = self._waiting.popleft()
                self._starting.append(item)
            try:
                self._order(item)
            finally:
                with self._lock:
                    self._starting.remove(item)
                    late = [end for end in self._late if end.job == item.job]
                    self._late = [end for end in self._late if end.job != item.job]
            for end in late:
                self._dispatch(end)

    def _order(self, item: Item) -> None:
        """Accept the order, or answer with one typed refusal. Nothing else changes on a refusal."""
        permit: Envelope | None = None
        try:
            order = Order.read(item.body)
            permit = order.permit
            accepted = self._accept(order, item)
            if accepted is None:
                return
            self._start(accepted)
        except (SandboxError, JobError, AdapterError) as error:
            self._refuse(permit, error)
        except Exception as error:  # one order that nobody foresaw must not stop the node for all others
            self.context.log.exception("an order failed")
            text = f"the node failed with {type(error).__name__}; its owner sees the details"
            self._refuse(permit, Unavailable(text))

    def _accept(self, order: Order, item: Item) -> Accepted | None:
        """Check what can be checked before anything is written; ``None`` if this permit was answered before."""
        context = self.context
        with context.state.read() as connection:
            # the inbox was read again, or the hub repeats itself: job and outbox hold what was answered
            if context.state.job(connection, order.permit.digest) is not None:
                return None
            if context.state.rounds(connection, order.permit.digest):
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

    def _start(self, accepted: Accepted) -> None:
        """One transaction: nonce, charges, job and key message. Or raise, and nothing changed."""
        run, context = JobRun(accepted, self.context), self.context
        with self._lock:
            self._runs[accepted.permit] = run
        now = context.clock()
        try:
            with context.state.write() as connection:
                enter(connection, context.state, accepted, now)
                context.outbox.queue(connection, accepted.permit, run.key_message(), moment_text(now))
        except BaseException:
            self._forget(accepted.permit)
            raise
        run.start()

    def _wait_for_log(self) -> None:
        """Nodes refuse new jobs until their earlier messages appear in the log; it is given a little time to."""
        end = time.monotonic() + self.context.config.log_patience_s
        while True:
            try:
                with self.context.state.read() as connection:
                    check_log_caught_up(connection)
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
        context.log.warning("refused an order: %s: %s", code, text)
        if permit is None:
            return
        try:
            session = session_of(Permit.open(permit).nonce)
        except JobError:
            return
        at = moment_text(context.clock())
        with context.state.write() as connection:
            if context.state.rounds(connection, permit.digest):
                return
            abort = Abort(session, context.config.node, permit_bytes(permit.digest), code, text)
            context.outbox.queue(connection, permit.digest, abort, at)
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

    def _close_recovered(self, item: Item) -> None:
        """The hub closes a job whose thread is gone: after a restart between values and the end."""
        code = None if item.kind == "finished" else str(item.body.get("code", "aborted"))[:64]
        with self.context.state.read() as connection:
            rows = [row for row in self.context.state.open_jobs(connection) if row.job == item.job]
        self._close(rows, code)

    def _close_overdue(self) -> None:
        """Close jobs without a thread that the hub has forgotten: long past the deadline, charge kept as it is."""
        late = moment_text(self.context.clock() - GRACE)
        with self.context.state.read() as connection, self._lock:
            open_jobs = self.context.state.open_jobs(connection)
            rows = [row for row in open_jobs if row.deadline < late and row.permit not in self._runs]
        self._close(rows, "timeout")

    def _close(self, rows: Sequence[Row[Any]], code: str | None) -> None:
        context, at = self.context, moment_text(self.context.clock())
        with self._lock:
            rows = [row for row in rows if row.permit not in self._runs]
        if not rows:
            return
        with context.state.write() as connection:
            for row in rows:
                end_job(context, connection, row.permit, row.nonce, at, code=code)
        context.outbox.post()

    # threads ----------------------------------------------------------------------------------------------------

    def _follow(self) -> None:
        while not self._stopping.is_set():
            try:
                self.follower.step(_POLL_S)
            except (HubAway, HubRefused) as error:
                self.context.log.info("log: %s", error)
                self._stopping.wait(_RETRY_S)
            except (SandboxError, JobError):
                if self.follower.failure is not None:
                    return
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
            return [{"job": run.job, "permit": permit} for permit, run in self._runs.items()]
