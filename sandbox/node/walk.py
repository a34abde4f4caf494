"""One party's walk through the rounds of its kind: what is relayed is verified, what it says is stored before sending.

Knows no kind: the table of rounds says who speaks and who reads. The transcript over everything that was relayed to
all participants is kept here, so that the party can bind its masks to it and the node can sign it.
"""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection

from jobs.disclosure.gate import Verdict
from jobs.documents import Envelope, canonical, digest, json_digest, parse_canonical, verify_threshold
from jobs.documents.ed25519 import encode_base64
from jobs.documents.message import ALL, Header
from jobs.errors import ProtocolViolation
from jobs.kinds.base import Act, Case, Compute, Done, Incoming, Party, Receiver, Round, Seat, Send
from jobs.kinds.registry import make_party
from jobs.schema import Digest
from sandbox.errors import Timeout
from sandbox.inbox import Carried
from sandbox.messages import (
    INLINE_BYTES,
    SENT,
    Message,
    bodies_of,
    check_header,
    first_transcript,
    next_transcript,
    read_message,
    round_of,
    seal,
    transcript_bytes,
    unseal,
    write_message,
)
from sandbox.node import ledger
from sandbox.node.accept import Accepted
from sandbox.node.asking import rows_digest
from sandbox.node.closing import GRACE
from sandbox.node.commits import commit_run
from sandbox.node.context import Context
from sandbox.node.hub_port import HubAway

_RETRY_S: Final = 0.5


class Walk:
    """Made for an accepted order, or from the checkpoint of one. Not thread-safe: the job's thread owns it."""

    def __init__(self, accepted: Accepted, context: Context, checkpoint: bytes | None = None) -> None:
        order = accepted.checked.permit.document
        self._accepted, self._context = accepted, context
        self._kind, self._own = accepted.checked.kind, context.config.node
        self._hub = context.state.trusted.last.document.hub.id
        self.case = Case(
            permit=accepted.permit,
            nonce=order.nonce,
            plan=accepted.checked.plan,
            parameters=accepted.checked.parameters,
            participants=order.participants,
            profile=accepted.profile,
        )
        kept: dict[str, Any] = {} if checkpoint is None else parse_canonical(checkpoint)
        self.transcript = Digest(kept.get("transcript") or first_transcript(accepted.permit, order.participants))
        self.heard: dict[str, str] = kept.get("heard", {})
        """Of each message of the hub: the digest of its body, by ``round sequence``."""
        self._taken: dict[str, int] = kept.get("taken", {})
        self._metered: dict[str, int] = kept.get("metered", {})
        self._parts: list[str] = kept.get("parts", [])
        self._done = bool(kept.get("done", False))
        self.party: Party = AllSent() if kept and kept["party"] is None else self._party(kept.get("party"))

    def _party(self, kept: str | None) -> Party:
        with self._context.state.read() as connection:
            gate = self._context.gate.seeds(rows_digest(connection, self._accepted.inputs))
        seat = Seat(self.case, self._own, self._context.rng, gate)
        return make_party(self._kind)(seat, None if kept is None else base64.b64decode(kept))

    # in -----------------------------------------------------------------------------------------------------------

    def take(self, job: str, carried: Sequence[Carried]) -> Incoming | None:
        """Verify what the hub relays; ``None`` for what was taken before. Raises a typed error for anything else."""
        if not carried:  # the job has ended at the hub, and the bodies are gone: its last word comes next
            return None
        messages = [self.verified(job, item) for item in carried]
        first = messages[0].header
        row = round_of(self._kind, first.round)
        if any((m.header.round, m.header.sequence) != (first.round, first.sequence) for m in messages):
            raise ProtocolViolation("the hub relays messages of different rounds together")
        place = f"{first.round} {first.sender if row.receiver is Receiver.NODE else ALL}"
        expected = self._taken.get(place, 0)
        if first.sequence < expected:
            return None
        if first.sequence > expected:
            raise ProtocolViolation(f"the hub relays message {first.sequence} of round {row.name} before {expected}")
        incoming = self._incoming(row, messages)
        self._taken[place] = expected + 1
        return incoming

    def verified(self, job: str, item: Carried) -> Message:
        """A message that its sender signed, with the body that it named."""
        envelope = Envelope.from_json(item.header)
        header = Header.open(envelope)
        check_header(self._kind, header, self.case.permit, self.case.participants, self._hub)
        roster = self._context.state.roster(self._context.clock()).document
        key = roster.hub_key() if header.sender == self._hub else roster.node_key(header.sender)
        verify_threshold(envelope, [key], 1, f"message of {header.sender}")
        return read_message(envelope, self._body(job, header, item.body))

    def _body(self, job: str, header: Header, inline: str | None) -> bytes:
        if inline is not None:
            try:
                return base64.b64decode(inline, validate=True)
            except (binascii.Error, ValueError):
                raise ProtocolViolation("a relayed body is not base64") from None
        parts = []
        for start in range(0, header.size, INLINE_BYTES):
            parts.append(self._piece(job, header, start // INLINE_BYTES))
            if len(parts[-1]) != min(INLINE_BYTES, header.size - start):  # before the next one fills the memory
                raise ProtocolViolation("the hub hands over a piece of another size than the header names")
        return b"".join(parts)

    def _piece(self, job: str, header: Header, number: int) -> bytes:
        """Asked for again while the hub is away: it may be restarting. Raises ``Timeout`` at the job's end."""
        end = self._accepted.checked.permit.document.deadline + GRACE
        while self._context.clock() < end:
            try:
                return self._context.hub.piece(job, header.key, number)
            except HubAway:
                time.sleep(_RETRY_S)
        raise Timeout("the hub did not hand over a body before the job's end")

    def _incoming(self, row: Round, messages: Sequence[Message]) -> Incoming:
        first = messages[0].header
        if row.receiver is Receiver.NODE:
            (message,) = messages
            if message.header.receiver != self._own:
                raise ProtocolViolation("the hub relays a message that is for another node")
            bodies: Mapping[str, bytes] = {first.sender: unseal(self._context.sealing_key.private(), message)}
        else:
            bodies = bodies_of(messages)
            speakers = {self._hub} if row.by_hub else set(self.case.participants)
            if set(bodies) != speakers or len(messages) != len(speakers):
                raise ProtocolViolation(f"the hub did not relay one message of each speaker of round {row.name}")
            self._check_own(messages)
            self.transcript = next_transcript(self.transcript, messages)
            if row.by_hub:
                self.heard[f"{row.name} {first.sequence}"] = first.body
        return Incoming(row.name, first.sequence, bodies, transcript_bytes(self.transcript))

    def _check_own(self, messages: Sequence[Message]) -> None:
        """What the hub relays as this node's is what this node sent."""
        with self._context.state.read() as connection:
            for message in messages:
                if message.header.sender != self._own:
                    continue
                sent = self._context.state.sent(connection, self.case.permit, *message.header.key[:2], ALL)
                if sent is None or sent.digest != message.digest:
                    raise ProtocolViolation("the hub relays another message as this node's than it sent")

    # out ----------------------------------------------------------------------------------------------------------

    def store(self, connection: Connection, acts: Sequence[Act], at: str) -> bool:
        """Store what leaves: message, owner's record and charge; then what is needed to go on. One transaction.

        Returns whether the job can go on from there after a crash: where its party can, or has sent all and this node
        still has to recompute the output, for which it needs to know what it was told.
        """
        remembered = self._context.gate.state_digest(connection)
        for act in acts:
            if isinstance(act, Send):
                self._send(connection, act, at, remembered)
            elif isinstance(act, Done):
                self._say_done(connection, at)
                self._done = True
        kept = self.party.checkpoint()
        goes_on = kept is not None or (self._done and self._kind.recomputed)
        box = self._context.vault.encrypt(self.case.permit, self._checkpoint(kept)) if goes_on else None
        self._context.state.keep(connection, self.case.permit, box)
        return goes_on

    def is_binding(self, act: Act) -> bool:
        """Whether this is the point of no return."""
        return isinstance(act, Send) and round_of(self._kind, act.round).binding

    def _send(self, connection: Connection, send: Send, at: str, remembered: Digest) -> None:
        context, row = self._context, round_of(self._kind, send.round)
        receiver, body = self._receiver(row, send), send.body
        key = (row.name, send.sequence, self._own, receiver)
        if row.receiver is Receiver.NODE:
            body = seal(context.state.trusted.last.document.sealing_key(receiver), key, self.case.permit, body)
        message = write_message(
            context.key, self.case.permit, self.transcript, row.name, send.sequence, self._own, receiver, body,
            context.rng, state=remembered,
        )  # fmt: skip
        if row.reveals or row.binding:
            context.record.append(connection, {**self._entry(row, at), **send.record})
        if row.binding:
            self._metered = dict(send.metered or {})
            ledger.commit(connection, self.case.permit, self._accepted.amounts(self._metered), at)
        if send.part is not None:
            self._parts.append(digest(send.part))
        context.outbox.queue(connection, message, row, at)

    def _receiver(self, row: Round, send: Send) -> str:
        match row.receiver:
            case Receiver.HUB:
                return self._hub
            case Receiver.ALL:
                return ALL
        if send.receiver is None or send.receiver not in self.case.participants or send.receiver == self._own:
            raise ProtocolViolation(f"a message of round {row.name} names one other participant")
        return send.receiver

    def _say_done(self, connection: Connection, at: str) -> None:
        commits, salts = commit_run(json_digest(self._parts), self._context.rng)
        order = self._accepted.checked.permit.document
        named = {"job": order.job, "permit": self.case.permit, "operator": order.operator, "kind": self._kind.name}
        self._context.record.append(connection, {"at": at, "round": SENT, **named, "salts": salts})
        self._context.outbox.queue_sent_record(
            connection, self._accepted.checked.permit, self.transcript, self._metered, commits, at
        )

    def _entry(self, row: Round, at: str) -> dict[str, Any]:
        """What the owner's record keeps of every message, beside the kind's own words."""
        order, checked = self._accepted.checked.permit.document, self._accepted.checked
        return {
            "at": at,
            "round": row.name,
            "kind": self._kind.name,
            "job": order.job,
            "permit": self.case.permit,
            "grant": checked.own_grant.digest,
            "operator": order.operator,
            "plan": order.plan_digest,
            "parameters": dict(order.parameters),
            "versions": dict(checked.versions),
        }

    def _checkpoint(self, party: bytes | None) -> bytes:
        return canonical(
            {
                "party": None if party is None else encode_base64(party),
                "transcript": self.transcript,
                "heard": self.heard,
                "taken": self._taken,
                "metered": self._metered,
                "parts": self._parts,
                "done": self._done,
            }
        )


class AllSent:
    """After a restart, of a party that had sent all and wrote no checkpoint: the output is still to be recomputed."""

    def start(self) -> Sequence[Act]:
        raise ProtocolViolation("this node has sent all of the job")

    def computed(self, result: Any) -> Sequence[Act]:
        return self.start()

    def judged(self, verdict: Verdict) -> Sequence[Act]:
        return self.start()

    def receive(self, incoming: Incoming) -> Sequence[Act]:
        return self.start()

    def resume(self) -> Sequence[Compute]:
        return ()

    def checkpoint(self) -> bytes | None:
        return None

    def destroy(self) -> None:
        return
