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
from datetime import datetime, timedelta
from typing import Any, Final, NoReturn

from sqlalchemy import Connection

from adapters.errors import AdapterError
from adapters.source import Input
from jobs.disclosure.part import PartVerdict, decide_part
from jobs.documents import Envelope, moment_text, verify_threshold
from jobs.errors import JobError
from jobs.kinds.statistics.evidence import LocalResult
from jobs.kinds.statistics.opening import Bits, pack, unpack
from jobs.kinds.statistics.step import ScanStep
from jobs.schema import Digest
from mpc.errors import MpcError
from sandbox.errors import IntegrityFailure, NodeLost, NotGranted, SandboxError, Timeout
from sandbox.messages import PAYLOAD_TYPE, Key, decode, permit_bytes, transcript_of
from sandbox.node import ledger, snapshots
from sandbox.node.accept import Accepted
from sandbox.node.closing import GRACE, end_job, public_code, public_text
from sandbox.node.commits import commit_run
from sandbox.node.context import Context
from sandbox.node.hub_port import Item
from sandbox.node.joint import JointParty
from sandbox.node.sole import SoleParty
from sandbox.node.state import LOG_FAILURE

END_KINDS: Final = ("abort", "finished")
_LOOK_S: Final = 1.0
"""How often a waiting job looks at the clock, which may be set or have slept."""


@dataclass(frozen=True)
class _Ended(Exception):
    """The hub closed the job; ``item`` says how."""

    item: Item


class _Left(Exception):
    """The node shuts down while only the hub's last word is missing: the job stays open for the next start."""


class JobRun:
    """Drives one accepted order. ``deliver`` may be called from any thread; ``run`` is this job's own thread."""

    def __init__(self, accepted: Accepted, context: Context) -> None:
        self.accepted = accepted
        self._context = context
        order = accepted.checked.permit.document
        self._order = order
        self._party = _party(accepted, context)
        self.job = order.job
        self._items: queue.Queue[Item | None] = queue.Queue()
        self._sent = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Queue the key (the caller's transaction has just accepted the order) and go on in a thread."""
        self._thread = threading.Thread(target=self.run, name=f"job {self._order.job}", daemon=True)
        self._thread.start()

    def join(self, seconds: float) -> None:
        """Wait for this job's thread to end."""
        if self._thread is not None:
            self._thread.join(seconds)

    def key_message(self) -> Key:
        return self._party.key()

    def deliver(self, item: Item | None) -> None:
        """Hand over an inbox item; ``None`` says that the node is shutting down.

        Before the values a shut-down job can never go on, so it aborts at once; after them all that it had to say is
        stored, so it stays ``sent`` and is closed after the next start.
        """
        self._items.put(item)

    def run(self) -> None:
        """To the end, whatever it is. Never raises."""
        try:
            self._walk(self._context.runner.submit(self.accepted.checked, self._step(), self._inputs()))
        except _Ended as ended:
            self._close(ended.item)
        except _Left:
            self._context.log.info("job %s: left for the next start, all is sent", self._order.job)
        except (SandboxError, JobError, AdapterError, MpcError) as error:
            self._context.log.warning("job %s: %s", self._order.job, error)
            self._abort(public_code(error), public_text(error))
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
        self._send_values(passed, result, transcript_of(self.accepted.permit, publics, passed))
        self._next("finished")
        raise NodeLost("the hub ended the job in no way that the protocol has")

    def _keys(self, item: Item) -> dict[str, bytes]:
        """Every participant's mask key, each signed by its node: what the hub relays is not believed."""
        publics: dict[str, bytes] = {}
        messages = item.body.get("messages")
        if not isinstance(messages, list) or len(messages) != len(self._order.participants):
            raise IntegrityFailure("the hub did not relay one key of each participant")
        roster = self._context.state.roster(self._context.clock()).document
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
            self._check_may_send(connection)
            entry = self._entry("flags", now, verdict.present | verdict.fail)
            context.record.append(connection, {**entry, "failed": verdict.by_rule})
            context.outbox.queue(connection, self.accepted.permit, message, moment_text(now))
            context.state.set_job(connection, self.accepted.permit, "flagged")
        context.outbox.post()

    def _send_values(self, passed: Bits, result: LocalResult, transcript: Digest) -> None:
        """The point of no return: charge, record, job state and message in one transaction."""
        message = self._party.values(passed, result.values)
        context, now = self._context, self._context.clock()
        actual = {account: int(passed.sum()) for account in self.accepted.cell_accounts}
        commits, salts = commit_run(result.values, context.rng)
        with context.state.write() as connection:
            self._check_may_send(connection)
            ledger.commit(connection, self.accepted.permit, actual, moment_text(now))
            context.record.append(connection, {**self._entry("values", now, passed), "salts": salts})
            context.outbox.queue(connection, self.accepted.permit, message, moment_text(now))
            hub = context.state.trusted.last.document.hub.id
            context.outbox.queue_sent_record(
                connection, self.accepted.checked.permit, hub, now, transcript, {"cells": int(passed.sum())}, commits
            )
            context.state.set_job(connection, self.accepted.permit, "sent")
        self._sent = True
        context.outbox.post()

    # waiting ----------------------------------------------------------------------------------------------------

    def _next(self, kind: str) -> Item:
        """Wait for this kind of item until the deadline; what ends the job does so whenever it comes.

        A repeated item of an earlier round is passed over: the outbox already holds its answer.
        """
        end = self._order.deadline + (GRACE if self._sent else timedelta(0))
        while True:
            left = (end - self._context.clock()).total_seconds()
            try:
                item = self._items.get(timeout=min(max(left, 0.0), _LOOK_S))
            except queue.Empty:
                if left <= 0:
                    raise Timeout(f"the hub did not answer with {kind!r} before the deadline") from None
                continue
            if self._is_wanted(item, kind) and item is not None:
                if self._context.clock() >= end and not self._sent:
                    raise Timeout(f"the hub answered with {kind!r} after the deadline")
                return item

    def _is_wanted(self, item: Item | None, kind: str | None) -> bool:
        """Raise if the item ends the job; else whether it is of the kind that is waited for."""
        if item is None:
            if self._sent:
                raise _Left
            raise NodeLost("the node is shutting down")
        if item.kind in END_KINDS:
            raise _Ended(item)
        if item.kind == "revoked" and not self._sent:
            raise _revoked()
        return item.kind == kind

    def _scanned(self, pending: Future[LocalResult]) -> LocalResult:
        while True:
            try:
                return pending.result(timeout=0.25)
            except FutureTimeout:
                if pending.done():
                    raise
            if self._context.clock() >= self._order.deadline:
                raise Timeout("the scan did not end before the deadline")
            while not self._items.empty():  # an ``open`` cannot come before this node's flags
                self._is_wanted(self._items.get(), None)

    def _passed(self, item: Item) -> Bits:
        try:
            return unpack(self.accepted.checked.plan, base64.b64decode(str(item.body.get("passed")), validate=True))
        except (ValueError, binascii.Error):
            raise IntegrityFailure("the hub's pass bits are not those of this plan") from None

    # ending -----------------------------------------------------------------------------------------------------

    def _close(self, item: Item) -> None:
        """The hub ended the job: settle the ledger, destroy, and say so."""
        released = item.kind == "finished" and self._sent
        self._end(None if released else str(item.body.get("code", "aborted"))[:64], None)

    def _abort(self, code: str, advice: str) -> None:
        self._end(code[:64], advice)

    def _end(self, code: str | None, advice: str | None) -> None:
        self._party.destroy()
        context, at = self._context, moment_text(self._context.clock())
        with context.state.write() as connection:
            end_job(context, connection, self.accepted.permit, self._order.nonce, at, code=code, advice=advice)
        context.outbox.post()

    def _check_may_send(self, connection: Connection) -> None:
        """Last look before bytes are stored for sending: nothing leaves for a revoked grant or a log that forked."""
        if self._context.state.is_revoked(connection, self.accepted.checked.own_grant.digest):
            raise _revoked()
        if self._context.state.setting(connection, LOG_FAILURE) is not None:
            raise IntegrityFailure("this node has seen two histories of the hub's log; nothing more leaves it")

    # pieces -----------------------------------------------------------------------------------------------------

    def _step(self) -> ScanStep:
        checked = self.accepted.checked
        return ScanStep(checked.plan, checked.parameters)

    def _inputs(self) -> dict[str, Input]:
        return snapshots.inputs(self._context.state, self.accepted.inputs)

    def _entry(self, round: str, now: datetime, cells: Bits) -> dict[str, Any]:
        """What the owner's record keeps of one message: plan, data versions, and which (aggregate, cell) pairs."""
        return {
            "at": moment_text(now),
            "round": round,
            "job": self._order.job,
            "permit": self.accepted.permit,
            "grant": self.accepted.checked.own_grant.digest,
            "operator": self._order.operator,
            "plan": self._order.plan_digest,
            "parameters": dict(self._order.parameters),
            "versions": dict(self.accepted.checked.versions),
            "aggregates": len(self.accepted.checked.plan.aggregates),
            "cells": base64.b64encode(pack(cells)).decode(),
            "count": int(cells.sum()),
        }


def _party(accepted: Accepted, context: Context) -> JointParty | SoleParty:
    """With others this node masks its part; alone it applies the whole gate."""
    order, plan, own = accepted.checked.permit.document, accepted.checked.plan, context.config.node
    if order.participants == (own,):
        return SoleParty(own, accepted.permit, order.nonce, plan, accepted.profile, context.rng)
    return JointParty(own, accepted.permit, order.nonce, plan, order.participants, context.rng)


def _revoked() -> SandboxError:
    return NotGranted("the owner has revoked this grant")
