"""A tiny hub: it relays signed messages, adds vectors, keeps a log. It bends on request, as a dishonest hub would.

``Hub`` knows the statistic's rounds and nothing of the platform; ``Port`` is one node's view of it. It releases what
the statistic's referee makes of the messages, once every node has recomputed and signed it.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from jobs.documents import Document, Envelope, Release, SentRecord, Verdict, Vouch, digest, salted_commitment
from jobs.documents.ed25519 import encode_base64
from jobs.documents.message import ALL, Destroyed, Header, Stop
from jobs.errors import DisclosureBlocked
from jobs.kinds.base import Case, Output
from jobs.kinds.statistics.messages import (
    FLAGS,
    VALUES,
    decode_key,
    decode_open,
    decode_vector,
    encode_open,
)
from jobs.kinds.statistics.opening import flag_count, opening, pack
from jobs.kinds.statistics.referee import REFEREE
from jobs.schema import Digest
from mpc.ring import Z64, Ring
from sandbox.audit import Checkpoint, LogEntry, append, prove_consistency, prove_inclusion, root
from sandbox.inbox import AbortBody, Carried, FinishedBody, OutputBody
from sandbox.log_link import Cosignature, Inclusion, News
from sandbox.messages import INLINE_BYTES, Message, first_transcript, next_transcript, read_message, write_message
from sandbox.node.hub_port import HubAway, HubRefused, Item
from tests.support.orders import ORIGIN, PARTIES, PROFILE, RULE, SALT, Documents
from tests.support.signed import key
from tests.support.tree import Nodes

HUB = "hub"
INVENTED = Output(b"what was released", 8, 0, {}, {})
"""Of a hub that computes nothing."""
_WORDS: dict[type[Document], str] = {SentRecord: "sent", Stop: "stop", Destroyed: "destroyed", Vouch: "vouch"}
Json = dict[str, Any]


@dataclass
class Told:
    """One job as this hub sees it."""

    documents: Documents
    case: Case
    transcript: Digest
    rounds: dict[str, dict[str, Message]] = field(default_factory=dict)
    sent: dict[str, Envelope] = field(default_factory=dict)
    """The participants' signed records."""
    draft: Envelope | None = None
    """What it would release, as shown to the participants."""
    vouches: dict[str, Envelope] = field(default_factory=dict)

    @property
    def job(self) -> str:
        return self.documents.job


class Hub:
    """One hub for all nodes. ``hold``: rounds that it does not go on from; ``bend_*``: what it does instead."""

    def __init__(self, nodes: Sequence[str], clock: Callable[[], datetime]) -> None:
        self.nodes, self.clock = tuple(nodes), clock
        self.inboxes: dict[str, list[Item]] = {node: [] for node in nodes}
        self.posted: list[tuple[str, bytes]] = []
        self.bodies: dict[str, bytes] = {}
        """Of everything posted, by the header's digest of it."""
        self.uploads: list[tuple[str, str, int, int]] = []
        self.told: dict[str, Told] = {}
        self._now: Told | None = None
        self.cosigned: list[tuple[str, int, str]] = []
        self.scans: list[tuple[str, str, int, int]] = []
        """Node, job, percent and seconds left, as the nodes say."""
        self.away: set[str] = set()
        self.refuse: str | None = None
        self.log = True
        self.hold: set[str] = set()
        self.faults: list[Exception] = []
        """What the next pieces are answered with."""
        self.bend_piece: Callable[[bytes], bytes] = lambda piece: piece
        self.bend_keys: Callable[[list[Json]], list[Json]] = list
        self.bend_passed: Callable[[npt.NDArray[np.bool_]], npt.NDArray[np.bool_]] = lambda passed: passed
        self.bend_output: Callable[[Output], Output] = lambda output: output
        """What it would release instead of what the messages give."""
        self.bend_shown: Callable[[Json], Json] = lambda body: body
        """The item in which the output is shown."""
        self.bend_finished: Callable[[Json], Json] = lambda body: body
        self.bend_inclusions: Callable[[int], tuple[Inclusion, ...]] | None = None
        """Proofs of its own choice for a log of this size."""
        self.chain: list[Json] = [PARTIES.roster_envelope.to_json()]
        """The rosters that it shows, oldest first."""
        self.apart: set[str] = set()
        """Nodes to which the same pass bits are said in a message of their own."""
        self.totals: list[list[int | None]] | None = None
        self.passed = np.zeros((0, 0), bool)
        self.tree = Nodes()
        self.leaves: list[bytes] = []
        self.lock = threading.RLock()
        self.note: Callable[[], bytes] | None = None

    # what the nodes call ----------------------------------------------------------------------------------------------

    def inbox(self, node: str, after: int) -> list[Item]:
        self.reach(node)
        with self.lock:
            return [item for item in self.inboxes[node] if item.sequence > after]

    def post(self, node: str, messages: Sequence[tuple[Envelope, bytes | None]]) -> None:
        self.reach(node)
        with self.lock:
            if self.refuse is not None:
                raise HubRefused(self.refuse, "no")
            for envelope, body in messages:
                self._take(node, envelope, body)

    def upload(self, node: str, body: str, offset: int, piece: bytes) -> None:
        self.reach(node)
        with self.lock:
            self.uploads.append((node, body, offset, len(piece)))
            self.bodies[body] = self.bodies.get(body, b"")[:offset] + piece

    def piece(self, node: str, place: tuple[str, int, str, str], number: int) -> bytes:
        """A piece of a body that travels beside its message. Fails with ``faults`` first."""
        self.reach(node)
        with self.lock:
            if self.faults:
                raise self.faults.pop(0)
            message = self.now.rounds.get(place[0], {}).get(place[2])
            body = b"" if message is None else message.body  # the hub's own are not kept
            return self.bend_piece(body[number * INLINE_BYTES : (number + 1) * INLINE_BYTES])

    def inclusions(self, names: Sequence[str], size: int) -> tuple[Inclusion, ...]:
        """Proofs for the digests asked for, as far as the log names them."""
        if self.bend_inclusions is not None:
            return self.bend_inclusions(size)
        return tuple(
            Inclusion(index, leaf, tuple(prove_inclusion(self.tree, index, size)))
            for index, leaf in enumerate(self.leaves[:size])
            if set(names) & set(LogEntry.read(leaf).digests)
        )

    def checkpoint(self) -> bytes:
        with self.lock:
            if self.note is not None:
                return self.note()
            size = len(self.leaves)
            return Checkpoint(ORIGIN, size, root(self.tree, size)).sign(key("hub")).encode()

    def reach(self, node: str) -> None:
        if node in self.away:
            raise HubAway("away")

    # what a test calls ------------------------------------------------------------------------------------------------

    def put(self, node: str, kind: str, job: str, body: Json) -> None:
        with self.lock:
            self.inboxes[node].append(Item(len(self.inboxes[node]) + 1, kind, job, body))

    @property
    def now(self) -> Told:
        """The job of the last order."""
        if self._now is None:
            raise AssertionError("no order yet")
        return self._now

    def expect(self, documents: Documents) -> None:
        """Know this order's job, without laying it into an inbox."""
        case = Case(
            documents.permit.digest, documents.nonce, documents.plan, documents.parameters, documents.nodes, PROFILE
        )
        self._now = Told(documents, case, first_transcript(case.permit, documents.nodes))
        self.told.setdefault(case.permit, self._now)

    def order(self, documents: Documents) -> None:
        self.expect(documents)
        for node in documents.nodes:
            self.put(node, "permit", documents.job, documents.body)

    def abort(self, node: str, job: str, code: str = "cancelled", stop: Envelope | None = None) -> None:
        body = AbortBody(code=code, advice="the hub says so", stop=None if stop is None else stop.to_json())
        self.put(node, "abort", job, body.model_dump(mode="json"))

    def show(self) -> None:
        """What it would release and all that this was computed from, to everybody: to recompute and to sign."""
        told = self.now
        output = self.bend_output(self.output())
        told.draft = release_of(told, output).sign(key("hub"))
        rounds = [message for name in ("flags", "values") for message in told.rounds[name].values()]
        body = OutputBody(
            release=told.draft.to_json(),
            content=encode_base64(output.content),
            salt=encode_base64(SALT),
            messages=tuple(Carried(**carried(message)) for message in rounds),
        )
        for node in self.nodes:
            self.put(node, "output", told.job, self.bend_shown(body.model_dump(mode="json")))

    def output(self) -> Output:
        """What the messages give; something of its own where they give nothing."""
        told = self.now
        bodies = {node: message.body for node, message in told.rounds["values"].items()}
        try:
            output = REFEREE.advance(told.case, pack(self.passed), "values", 0, bodies).output
        except DisclosureBlocked:
            return INVENTED
        if output is None:
            raise AssertionError("all values are there")
        return output

    def finish(self) -> None:
        """Release: what was shown, and what every participant signed that it sent, to everybody."""
        told = self.now
        release = told.draft or release_of(told, INVENTED).sign(key("hub"))
        body = FinishedBody(release=release.to_json(), sent=tuple(item.to_json() for item in records_of(told)))
        for node in self.nodes:
            self.put(node, "finished", told.job, self.bend_finished(body.model_dump(mode="json")))

    def open(self) -> None:
        """Add the flags and say which pairs passed."""
        told = self.now
        flags = [self._decoded(message) for message in told.rounds["flags"].values()]
        passed = np.add.reduce(flags, dtype=np.uint64) == 0
        self.passed = self.bend_passed(passed.reshape(len(told.case.plan.aggregates), told.case.plan.cells))
        self.say(encode_open(told.case, self.passed))

    def say(self, body: bytes, to: Sequence[str] | None = None) -> None:
        """A message of the hub in round ``open``, to all or to some."""
        told = self.now
        message = self._message(told, body)
        for node in to or self.nodes:
            shown = self._message(told, body) if node in self.apart else message
            self.put(node, "messages", told.job, {"messages": [carried(shown)]})
        told.transcript = next_transcript(told.transcript, [message])

    def add_values(self) -> None:
        told = self.now
        parts = [self._decoded(message) for message in told.rounds["values"].values()]
        plan = told.case.plan
        ring, opened = Ring(plan.ring_bits), opening(plan, self.passed)
        total = ring.zeros(len(opened))
        for part in parts:
            ring.add_into(total, part)
        self.totals = [[None] * plan.cells for _ in plan.channels]
        for channel, cell, value in zip(opened.channel, opened.cell, ring.decode_signed(total), strict=True):
            self.totals[channel][cell] = value

    def add(self, entry: LogEntry) -> None:
        with self.lock:
            append(self.tree, len(self.leaves), entry.leaf())
            self.leaves.append(entry.leaf())

    def rounds(self, node: str) -> list[str]:
        """Names of all that this node posted, in order, repetitions included."""
        with self.lock:  # what is posted is taken, too
            posted = list(self.posted)
        return [round_of(Envelope.parse(data)) for name, data in posted if name == node]

    def messages(self, node: str, round: str) -> list[Any]:
        """What this node said in a round: public keys, vectors, numbers; or the documents ``sent``, ``stop``."""
        envelopes = [Envelope.parse(data) for name, data in self.posted if name == node]
        found = [item for item in envelopes if round_of(item) == round]
        for kind, name in _WORDS.items():
            if name == round:
                return [kind.open(item) for item in found]
        return [self._decoded(read_message(item, self.bodies[Header.open(item).body])) for item in found]

    # the walk ---------------------------------------------------------------------------------------------------------

    def _take(self, node: str, envelope: Envelope, body: bytes | None) -> None:
        self.posted.append((node, envelope.encode()))
        name = round_of(envelope)
        if self.log:
            self.add(
                LogEntry(
                    salt="00" * 32, event="message.received", at=self.clock(), actor=f"node:{node}",
                    subject=f"{node}:{name}", digests=(digest(envelope.payload), envelope.digest),
                )
            )  # fmt: skip
        if name in _WORDS.values():
            self._hear(node, name, envelope)
            return
        header = Header.open(envelope)
        if body is not None:
            self.bodies[header.body] = body
        message = read_message(envelope, self.bodies[header.body])
        told = self.told.get(header.permit)
        if told is None or node in (held := told.rounds.setdefault(name, {})):
            return
        held[node] = message
        if name in self.hold or len(held) < len(self.nodes):
            return
        if name == "key":
            self._tell_keys(told)
        elif name == "flags":
            self.open()

    def _hear(self, node: str, name: str, envelope: Envelope) -> None:
        """A node's word about a job."""
        kind: Any = next(kind for kind, word in _WORDS.items() if word == name)
        told = self.told.get(kind.open(envelope).permit)
        if told is None:
            return
        if name == "stop":
            for other in self.nodes:
                self.abort(other, told.job, "node-stopped", envelope)
        held = {"sent": told.sent, "vouch": told.vouches}.get(name)
        if held is None or node in held:
            return
        held[node] = envelope
        if name in self.hold or len(held) < len(self.nodes):
            return
        if name == "sent":
            self.add_values()
            self.show()
        else:
            self.finish()

    def _tell_keys(self, told: Told) -> None:
        messages = [told.rounds["key"][node] for node in self.nodes]
        shown = self.bend_keys([carried(message) for message in messages])
        for node in self.nodes:
            self.put(node, "messages", told.job, {"messages": shown})
        told.transcript = next_transcript(told.transcript, messages)

    def _message(self, told: Told, body: bytes) -> Message:
        return write_message(
            key("hub"), told.case.permit, told.transcript, "open", 0, HUB, ALL, body, secrets.token_bytes, state=None
        )

    def _decoded(self, message: Message) -> Any:
        case, body = self.told[message.header.permit].case, message.body
        match message.header.round:
            case "key":
                return decode_key(case, body)
            case "flags":
                return decode_vector(case, FLAGS, Z64, body, flag_count(case.plan))
            case "values":
                pairs = len(opening(case.plan, self.passed))
                return decode_vector(case, VALUES, Ring(case.plan.ring_bits), body, pairs)
        return decode_open(case, body)


class Port:
    """One node's view of the hub."""

    def __init__(self, hub: Hub, node: str) -> None:
        self._hub, self._node = hub, node

    def inbox(self, after: int, read: int, wait: float) -> list[Item]:
        return self._hub.inbox(self._node, after)

    def post(self, messages: Sequence[tuple[Envelope, bytes | None]]) -> None:
        self._hub.post(self._node, messages)

    def scan(self, job: str, percent: int, seconds_left: int) -> None:
        self._hub.reach(self._node)
        if self._hub.refuse is not None:
            raise HubRefused(self._hub.refuse, "no")
        self._hub.scans.append((self._node, job, percent, seconds_left))

    def upload(self, body: str, offset: int, piece: bytes) -> None:
        self._hub.upload(self._node, body, offset, piece)

    def piece(self, job: str, key: tuple[str, int, str, str], number: int) -> bytes:
        return self._hub.piece(self._node, key, number)

    def rosters(self) -> list[Json]:
        return self._hub.chain

    def follow(
        self, size: int, again: bool, digests: Sequence[str], wait: float, cosignature: Cosignature | None
    ) -> News:
        self._hub.reach(self._node)
        if cosignature is not None:
            self._hub.cosigned.append((self._node, cosignature.size, cosignature.line))
        with self._hub.lock:
            now = len(self._hub.leaves)
            proof = tuple(prove_consistency(self._hub.tree, size, now)) if 0 < size < now else ()
            return News(self._hub.checkpoint(), proof, self._hub.inclusions(digests, now))


def carried(message: Message) -> Json:
    """As a hub relays it."""
    shown = Carried(header=message.envelope.to_json(), body=encode_base64(message.body))
    return shown.model_dump(mode="json")


def records_of(told: Told) -> list[Envelope]:
    """Of the participants that have sent all, in the permit's order."""
    return [told.sent[node] for node in told.case.participants if node in told.sent]


def release_of(told: Told, output: Output) -> Release:
    documents = told.documents
    return Release(
        id="release-1", job=told.job, operator="acme", spec=digest(b"spec"), permit=told.case.permit,
        plan_digest=documents.plan.digest(), commitment=documents.commitment.digest,
        grants=tuple(item.digest for item in documents.grants), roster=documents.roster.digest,
        sent=tuple(item.digest for item in records_of(told)) or (digest(b"none"),),
        verdict=Verdict(passed=True, output=RULE, released=output.released, withheld=output.withheld),
        content=salted_commitment(SALT, digest(output.content)), source_line="Source: flights.",
        released_at=documents.at,
    )  # fmt: skip


def round_of(envelope: Envelope) -> str:
    """A message by its round; a node's word about a job by its name."""
    names: Mapping[str, str] = {kind.payload_type(): name for kind, name in _WORDS.items()}
    return names.get(envelope.payload_type) or Header.open(envelope).round
