"""The node's loop: ``tick`` polls the inbox once and dispatches; ``serve`` repeats it; ``recover`` runs first.

After a crash no mask key survives. So ``recover`` resends what was stored, and fails every job that would still need a
new message: never a second message under one mask, never a charge given back after flags were stored.
"""

from __future__ import annotations

import threading
import time
from typing import Any, Final

from jobs.documents import Envelope, Permit, Revocation, Verified, moment_text, verify_revocation
from jobs.errors import JobError
from jobs.permit import Order
from sandbox.errors import IntegrityFailure, SandboxError, Unavailable
from sandbox.messages import Abort, Destroyed, permit_bytes, session_of
from sandbox.node.accept import Accepted, check, check_log_caught_up, enter
from sandbox.node.context import Context
from sandbox.node.follower import LogFollower
from sandbox.node.hub_port import HubAway, HubRefused, Item
from sandbox.node.revoke import store_revocation
from sandbox.node.run import JobRun, public_text, settle

_CURSOR: Final = "inbox_cursor"
_POLL_S: Final = 25.0
_RETRY_S: Final = 0.5


class Node:
    """One owner's node. ``context.forget`` is set here."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.follower = LogFollower(context)
        self._runs: dict[str, JobRun] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        context.forget = self._forget

    # life -------------------------------------------------------------------------------------------------------

    def recover(self) -> None:
        """Bring jobs that a crash interrupted to a typed end. Run once, before the first tick."""
        context = self.context
        at = moment_text(context.clock())
        with context.state.write() as connection:
            for row in context.state.open_jobs(connection):
                if row.state == "sent":
                    continue  # all that this node had to say is in the outbox; the hub will close the job
                permit = Permit.open(Envelope.parse(row.envelope))
                session, digest = session_of(permit.nonce), permit_bytes(row.permit)
                text = "the node restarted while the job ran; its mask key is gone. Submit again."
                abort = Abort(session, context.config.node, digest, "node-lost", text)
                context.outbox.queue(connection, row.permit, abort, at)
                settle(context, connection, row.permit, at)
                context.state.set_job(connection, row.permit, "failed", "node-lost")
                destroyed = Destroyed(session, context.config.node, digest)
                context.outbox.queue(connection, row.permit, destroyed, at)

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

    def stop(self) -> None:
        self._stopping.set()
        with self._lock:
            runs = list(self._runs.values())
        for run in runs:
            run.deliver(None)

    def tick(self, wait: float) -> int:
        """Resend what waits, poll once, dispatch; returns the number of items. Raises ``HubAway``, ``HubRefused``."""
        context = self.context
        context.outbox.post()
        with context.state.read() as connection:
            cursor = int(context.state.setting(connection, _CURSOR) or b"0")
        items = context.hub.inbox(cursor, wait)
        for item in items:
            self._dispatch(item)
        if items:
            with context.state.write() as connection:
                context.state.set_setting(connection, _CURSOR, str(items[-1].sequence).encode())
        return len(items)

    # items ------------------------------------------------------------------------------------------------------

    def _dispatch(self, item: Item) -> None:
        if item.kind == "permit":
            self._order(item)
            return
        if item.kind == "revoked":
            self._revoked(item)
        with self._lock:
            runs = [run for run in self._runs.values() if run.job == item.job]
        for run in runs:
            run.deliver(item)
        if not runs and item.kind in ("finished", "abort"):
            self._close_recovered(item)

    def _order(self, item: Item) -> None:
        """Accept the order, or answer with one typed refusal. Nothing else changes on a refusal."""
        permit: Envelope | None = None
        try:
            order = Order.read(item.body)
            permit = order.permit
            accepted = self._accept(order, item)
        except (SandboxError, JobError) as error:
            self._refuse(permit, error)
            return
        if accepted is None:
            return
        run = JobRun(accepted, self.context)
        now = self.context.clock()
        try:
            with self.context.state.write() as connection:
                enter(connection, self.context.state, accepted, now)
                self.context.outbox.queue(connection, accepted.permit, run.key_message(), moment_text(now))
        except SandboxError as error:
            self._refuse(permit, error)
            return
        with self._lock:
            self._runs[accepted.permit] = run
        run.start()

    def _accept(self, order: Order, item: Item) -> Accepted | None:
        context = self.context
        if self.follower.failure is not None:
            raise IntegrityFailure("this node has seen two histories of the hub's log; it accepts no job")
        with context.state.read() as connection:
            if context.state.job(connection, order.permit.digest) is not None:
                return None  # the inbox was read again after a crash; the outbox holds what was answered
        with self._lock:
            if len(self._runs) >= context.config.jobs_at_once:
                raise Unavailable(f"this node runs {context.config.jobs_at_once} jobs at once and has no place left")
        if "roster" in item.body:
            context.state.trust_roster(Envelope.from_json(item.body["roster"]))
        now = context.clock()
        accepted = check(order, context.state, context.config, context.state.trusted.current(now), now)
        self._wait_for_log()
        return accepted

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

    def _refuse(self, permit: Envelope | None, error: SandboxError | JobError) -> None:
        """Tell the hub why this order will not run here. An order too broken to name gets no answer but a log line."""
        context = self.context
        code, text = getattr(error, "code", "refused"), public_text(error)
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
        """A revocation that came through the hub: obeyed if the owner signed it."""
        context = self.context
        try:
            envelope = Envelope.from_json(item.body.get("revocation"))
            revocation: Verified[Revocation] = verify_revocation(envelope, context.state.trusted.last)
        except JobError as error:
            context.log.warning("a revocation that does not verify: %s", error)
            return
        store_revocation(context.state, revocation)

    def _close_recovered(self, item: Item) -> None:
        """The hub closes a job whose thread is gone: after a crash between values and the end."""
        context = self.context
        at = moment_text(context.clock())
        with context.state.write() as connection:
            for row in context.state.open_jobs(connection):
                if row.job != item.job:
                    continue
                settle(context, connection, row.permit, at)
                code = None if item.kind == "finished" else str(item.body.get("code", "aborted"))[:64]
                context.state.set_job(connection, row.permit, "failed" if code else "finished", code)
                permit = Permit.open(Envelope.parse(row.envelope))
                done = Destroyed(session_of(permit.nonce), context.config.node, permit_bytes(row.permit))
                context.outbox.queue(connection, row.permit, done, at)
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

    def _forget(self, permit: str) -> None:
        with self._lock:
            self._runs.pop(permit, None)

    def states(self) -> list[dict[str, Any]]:
        """What runs here now, for the control socket."""
        with self._lock:
            return [{"job": run.job, "permit": permit} for permit, run in self._runs.items()]
