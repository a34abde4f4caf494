"""One job at one node, from the accepted order to the destroyed intermediates. One thread each; all state durable.

The walk (docs/architecture.md): key, scan, flags, values, destroyed. Whatever goes wrong before the values ends in one
typed ``Abort``; a message is stored with its record entry, ledger change and job state in one transaction.
"""

from __future__ import annotations

import base64
import binascii
import queue
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn

from adapters.errors import AdapterError
from jobs.documents import Envelope, moment_text, verify_threshold
from jobs.errors import JobError
from jobs.kinds.statistics.evidence import LocalResult
from jobs.opening import Bits, pack, unpack
from jobs.runner.port import Input
from mpc.errors import MpcError
from sandbox.disclosure.part import PartVerdict, decide_part
from sandbox.errors import IntegrityFailure, NodeLost, NotGranted, SandboxError, Timeout
from sandbox.messages import PAYLOAD_TYPE, Abort, Destroyed, Key, decode, permit_bytes, session_of
from sandbox.node import ledger
from sandbox.node.accept import Accepted
from sandbox.node.context import Context
from sandbox.node.hub_port import Item
from sandbox.node.joint import JointParty
from sandbox.node.post import INFORMATIVE

END_KINDS = ("abort", "finished")


@dataclass(frozen=True)
class _Ended(Exception):
    """The hub closed the job; ``item`` says how."""

    item: Item


class JobRun:
    """Drives one accepted order. ``deliver`` may be called from any thread; ``run`` is this job's own thread."""

    def __init__(self, accepted: Accepted, context: Context) -> None:
        self.accepted = accepted
        self._context = context
        order = accepted.checked.permit.document
        self._order = order
        self._party = JointParty(
            context.config.node, accepted.permit, order.nonce, accepted.checked.plan, order.participants, context.rng
        )
        self.job = order.job
        self._items: queue.Queue[Item | None] = queue.Queue()
        self._result: Future[LocalResult] | None = None

    def start(self) -> None:
        """Queue the key (the caller's transaction has just accepted the order) and go on in a thread."""
        threading.Thread(target=self.run, name=f"job {self._order.job}", daemon=True).start()

    def key_message(self) -> Key:
        return self._party.key()

    def deliver(self, item: Item | None) -> None:
        """Hand over an inbox item; ``None`` stops the thread without closing the job (the node is shutting down)."""
        self._items.put(item)

    def run(self) -> None:
        """To the end, whatever it is. Never raises."""
        try:
            self._result = self._context.runner.submit(self.accepted.checked, self._inputs())
            self._walk(self._result)
        except _Ended as ended:
            self._close(ended.item)
        except (SandboxError, JobError, AdapterError, MpcError) as error:
            self._abort(getattr(error, "code", "failed"), public_text(error))
        except Exception as error:
            self._context.log.exception("job %s failed", self._order.job)
            self._abort("node-fault", f"the node failed with {type(error).__name__}; its owner sees the details")
        finally:
            self._party.destroy()
            self._context.forget(self.accepted.permit)

    # the walk ---------------------------------------------------------------------------------------------------

    def _walk(self, pending: Future[LocalResult]) -> NoReturn:
        self._context.outbox.post()
        publics = self._keys(self._next("keys"))
        result = self._scanned(pending)
        verdict = self._judge(result)
        self._send_flags(publics, verdict)
        passed = self._passed(self._next("open"))
        self._send_values(passed, result)
        raise _Ended(self._next("finished"))

    def _keys(self, item: Item) -> dict[str, bytes]:
        """Every participant's mask key, each signed by its node: what the hub relays is not believed."""
        publics: dict[str, bytes] = {}
        messages = item.body.get("messages")
        if not isinstance(messages, list) or len(messages) != len(self._order.participants):
            raise IntegrityFailure("the hub did not relay one key of each participant")
        roster = self._context.state.trusted.current(self._context.clock()).document
        for value in messages:
            envelope = Envelope.from_json(value)
            if envelope.payload_type != PAYLOAD_TYPE:
                raise IntegrityFailure("the hub relayed something that is no message")
            message = decode(envelope.payload)
            if not isinstance(message, Key) or message.permit != permit_bytes(self.accepted.permit):
                raise IntegrityFailure("the hub relayed a message that is no key of this job")
            verify_threshold(envelope, [roster.node_key(message.node)], 1, f"mask key of node {message.node}")
            publics[message.node] = message.public
        return publics

    def _judge(self, result: LocalResult) -> PartVerdict:
        functions = [aggregate.function for aggregate in self.accepted.checked.plan.aggregates]
        return decide_part(functions, result.evidence, self.accepted.profile)

    def _send_flags(self, publics: Mapping[str, bytes], verdict: PartVerdict) -> None:
        message = self._party.flags(publics, verdict)
        context, now = self._context, self._context.clock()
        with context.state.write() as connection:
            self._check_not_revoked(connection)
            entry = self._entry("flags", now, verdict.present | verdict.fail)
            context.record.append(connection, {**entry, "failed": verdict.by_rule})
            context.outbox.queue(connection, self.accepted.permit, message, moment_text(now))
            context.state.set_job(connection, self.accepted.permit, "flagged")
        context.outbox.post()

    def _send_values(self, passed: Bits, result: LocalResult) -> None:
        """The point of no return: charge, record, job state and message in one transaction."""
        message = self._party.values(passed, result.values)
        context, now = self._context, self._context.clock()
        actual = {account: int(passed.sum()) for account in self.accepted.cell_accounts}
        with context.state.write() as connection:
            self._check_not_revoked(connection)
            ledger.commit(connection, self.accepted.permit, actual, moment_text(now))
            context.record.append(connection, self._entry("values", now, passed))
            context.outbox.queue(connection, self.accepted.permit, message, moment_text(now))
            hub = context.state.trusted.last.document.hub.id
            context.outbox.queue_sent_record(connection, self.accepted.permit, self._order.nonce, hub, now)
            context.state.set_job(connection, self.accepted.permit, "sent")
        context.outbox.post()

    # waiting ----------------------------------------------------------------------------------------------------

    def _next(self, kind: str) -> Item:
        """Wait for this kind of item until the deadline; anything else that arrives closes or fails the job."""
        while True:
            left = (self._order.deadline - self._context.clock()).total_seconds()
            try:
                item = self._items.get(timeout=max(left, 0.0))
            except queue.Empty:
                raise Timeout(f"the hub did not answer with {kind!r} before the deadline") from None
            if item is None:
                raise NodeLost("the node is shutting down")
            if item.kind == kind:
                return item
            if item.kind in END_KINDS:
                raise _Ended(item)
            if item.kind == "revoked":
                raise _revoked()
            # A repeated item of an earlier round: the outbox already holds its answer.

    def _scanned(self, pending: Future[LocalResult]) -> LocalResult:
        while True:
            try:
                return pending.result(timeout=0.25)
            except FutureTimeout:
                if pending.done():
                    raise
            if self._context.clock() >= self._order.deadline:
                raise Timeout("the scan did not end before the deadline")
            if not self._items.empty() and (item := self._items.queue[0]) is not None and item.kind in END_KINDS:
                raise _Ended(item)

    def _passed(self, item: Item) -> Bits:
        try:
            return unpack(self.accepted.checked.plan, base64.b64decode(str(item.body.get("passed")), validate=True))
        except (ValueError, binascii.Error):
            raise IntegrityFailure("the hub's pass bits are not those of this plan") from None

    # ending -----------------------------------------------------------------------------------------------------

    def _close(self, item: Item) -> None:
        """The hub ended the job: settle the ledger, destroy, and say so."""
        context, at = self._context, moment_text(self._context.clock())
        with context.state.write() as connection:
            self._settle(connection, at)
            code = None if item.kind == "finished" else str(item.body.get("code", "aborted"))[:64]
            context.state.set_job(connection, self.accepted.permit, "failed" if code else "finished", code)
            self._queue_destroyed(connection, at)
        context.outbox.post()

    def _abort(self, code: str, advice: str) -> None:
        context, at = self._context, moment_text(self._context.clock())
        session, permit = session_of(self._order.nonce), permit_bytes(self.accepted.permit)
        with context.state.write() as connection:
            if "values" not in context.state.rounds(connection, self.accepted.permit):
                message = Abort(session, context.config.node, permit, code, advice)
                context.outbox.queue(connection, self.accepted.permit, message, at)
            self._settle(connection, at)
            context.state.set_job(connection, self.accepted.permit, "failed", code)
            self._queue_destroyed(connection, at)
        context.outbox.post()

    def _settle(self, connection: Any, at: str) -> None:
        settle(self._context, connection, self.accepted.permit, at)

    def _queue_destroyed(self, connection: Any, at: str) -> None:
        self._party.destroy()
        session, permit = session_of(self._order.nonce), permit_bytes(self.accepted.permit)
        message = Destroyed(session, self._context.config.node, permit)
        self._context.outbox.queue(connection, self.accepted.permit, message, at)

    def _check_not_revoked(self, connection: Any) -> None:
        if self._context.state.is_revoked(connection, self.accepted.checked.own_grant.digest):
            raise _revoked()

    # pieces -----------------------------------------------------------------------------------------------------

    def _inputs(self) -> dict[str, Input]:
        return {name: Input(held.source, held.manifest) for name, held in self.accepted.inputs.items()}

    def _entry(self, round: str, now: datetime, cells: Bits) -> dict[str, Any]:
        """What the owner's record keeps of one message: plan, data versions, and which (aggregate, cell) pairs."""
        return {
            "at": moment_text(now),
            "round": round,
            "job": self._order.job,
            "permit": self.accepted.permit,
            "grant": self.accepted.checked.own_grant.digest,
            "operator": self._order.operator,
            "plan": self._order.plan_hash,
            "parameters": dict(self._order.parameters),
            "versions": dict(self.accepted.checked.versions),
            "aggregates": len(self.accepted.checked.plan.aggregates),
            "cells": base64.b64encode(pack(cells)).decode(),
            "count": int(cells.sum()),
        }


def settle(context: Context, connection: Any, permit: str, at: str) -> None:
    """Refund if nothing informative was queued, else the whole reservation is spent."""
    rounds = context.state.rounds(connection, permit)
    if any(name in rounds for name in INFORMATIVE):
        ledger.commit(connection, permit, {}, at)
    else:
        ledger.refund(connection, permit, at)


def public_text(error: Exception) -> str:
    """What the hub and operator may read of an error: our own typed texts hold no data value."""
    return f"{error} {getattr(error, 'advice', '')}".strip()[:900]


def _revoked() -> SandboxError:
    return NotGranted("the owner has revoked this grant")
