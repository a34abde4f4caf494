"""A node that a test drives by hand: the kind's real party over toy data, real signed messages over the real API."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from jobs.disclosure.profile import load_profile
from jobs.documents import (
    Commits,
    Envelope,
    Permit,
    Release,
    SentMessage,
    SentRecord,
    Vouch,
    digest,
)
from jobs.documents.message import ALL, Destroyed, Header, Stop
from jobs.kinds.base import Act, Ask, Case, Compute, Done, Incoming, LocalStep, Receiver, Seat, Send
from jobs.kinds.registry import kind_by, make_party
from jobs.kinds.statistics.evidence import LocalResult
from jobs.kinds.statistics.run import run_local
from jobs.kinds.statistics.step import ScanStep
from sandbox.audit import SeenLog
from sandbox.messages import (
    INLINE_BYTES,
    Message,
    bodies_of,
    first_transcript,
    next_transcript,
    read_message,
    round_of,
    seal,
    transcript_bytes,
    unseal,
    write_message,
)
from tests.support.gates import OpenGate, all_may_be_answered
from tests.support.signed import OWNERS, key, seeded
from tests.support.signed import seal as seal_key

if TYPE_CHECKING:
    from tests.integration.conftest import World

ORIGIN = "log.example/unseen"
HUB = "hub-1"
Said = Message | Envelope
"""What a node posts: a message of a round, or a signed word about the job."""


@dataclass(frozen=True)
class Row:
    tail: str
    carrier: str
    delay: int


def rows_of(owner: str) -> tuple[Row, ...]:
    """20 aircraft each for AA and DL; B6 has two at jfk only, so that its cell is suppressed."""
    shift = OWNERS.index(owner)
    rows = [Row(f"{owner}-{c}-{n}", c, 10 * shift + n) for c in ("AA", "DL") for n in range(20)]
    return (*rows, *(Row(f"b6-{n}", "B6", n) for n in range(2 if owner == "jfk" else 0)))


class Node:
    """A participant of the jobs whose permits come into its inbox."""

    def __init__(self, world: World, owner: str) -> None:
        self.world, self.owner, self.name = world, owner, f"node-{owner}"
        self.key, self.sealing = key(self.name), seal_key(self.name)
        self.after = 0
        self.seen = SeenLog.nothing(ORIGIN)
        self.runs: dict[str, Run] = {}
        self.only_carrier: str | None = None

    # in -----------------------------------------------------------------------------------------------------------

    def inbox(self, wait: float = 0) -> list[dict[str, Any]]:
        """What is new, without the status lists, which belong to no job and end no waiting here."""
        self._pass_lists()
        answer = self.world.call("GET", f"/nodes/{self.name}/inbox?after={self.after}&wait={wait}", self.name)
        items: list[dict[str, Any]] = answer["items"]
        if items:
            self.after = items[-1]["seq"]
        return [item for item in items if item["kind"] != "status"]

    def _pass_lists(self) -> None:
        for item in self.world.call("GET", f"/nodes/{self.name}/inbox?after={self.after}", self.name)["items"]:
            if item["kind"] != "status":
                return
            self.after = item["seq"]

    def work(self) -> list[str]:
        """Answer everything in the inbox once; returns the kinds."""
        kinds = []
        for item in self.inbox():
            kinds.append(item["kind"])
            for said in self.answer(item):
                self.post(said)
        return kinds

    def answer(self, item: Mapping[str, Any]) -> list[list[Said]]:
        """What this node posts next, post by post."""
        job, body = item["job"], item["body"]
        if item["kind"] == "permit":
            self.runs[job] = Run(self, job, Envelope.from_json(body["permit"]))
            said = self.runs[job].start()
        elif job in self.runs:
            said = self.runs[job].take(item["kind"], body)
        else:
            said = []
        return [said] if said else []

    def piece(self, job: str, header: Header, number: int, status: int = 200) -> Any:
        """One piece of a message's body."""
        round, sequence, sender, receiver = header.key
        place = {"round": round, "sequence": sequence, "sender": sender, "receiver": receiver, "number": number}
        return self.world.call("GET", f"/nodes/{self.name}/jobs/{job}/bodies", self.name, params=place, status=status)

    # out ----------------------------------------------------------------------------------------------------------

    def post(self, said: Sequence[Said], status: int = 202) -> Any:
        """One post; large bodies go before it, in pieces."""
        return self.world.call("POST", f"/nodes/{self.name}/messages", self.name, json=self.posted(said), status=status)

    def posted(self, said: Sequence[Said]) -> dict[str, Any]:
        items: list[dict[str, Any]] = []
        for one in said:
            if isinstance(one, Envelope):
                items.append({"envelope": one.to_json()})
            elif len(one.body) > INLINE_BYTES:
                self.upload(one.body)
                items.append({"envelope": one.envelope.to_json(), "body": None})
            else:
                items.append({"envelope": one.envelope.to_json(), "body": base64.b64encode(one.body).decode()})
        return {"messages": items}

    def upload(self, body: bytes) -> None:
        for start in range(0, len(body), INLINE_BYTES):
            self.put_piece(digest(body), start, body[start : start + INLINE_BYTES])

    def put_piece(self, named: str, offset: int, piece: bytes, status: int = 204) -> Any:
        return self.world.call(
            "PUT",
            f"/nodes/{self.name}/bodies/{named}?offset={offset}",
            self.name,
            content=piece,
            headers={"Content-Type": "application/octet-stream"},
            status=status,
        )

    def resigned(self, message: Message, body: bytes | None = None, **changed: Any) -> Message:
        """The same message with another body or header, properly signed by this node."""
        content = message.body if body is None else body
        named = {"size": len(content), "body": digest(content), **changed}
        header = message.header.model_copy(update=named)
        return Message(header.sign(self.key), header, content)

    def cosign(self) -> None:
        """Take the newest checkpoint, check that it keeps what was seen, post the cosignature."""
        self.seen = self.world.cosign(self.name, self.key, self.seen)


class Run:
    """One job at one node: the kind's party, and what a node keeps around it."""

    def __init__(self, node: Node, job: str, envelope: Envelope) -> None:
        self.node, self.job, self.envelope, self.permit = node, job, envelope, Permit.open(envelope)
        self.rng = seeded(node.name)
        self.kind = kind_by(self.permit.algorithm)
        plan = self.kind.read(self.permit.plan)
        self.case = Case(
            permit=envelope.digest,
            nonce=self.permit.nonce,
            plan=plan,
            parameters=self.kind.parameters(plan, self.permit.parameters),
            participants=self.permit.participants,
            profile=load_profile(self.kind.profile(plan)),
        )
        self.transcript = first_transcript(envelope.digest, self.permit.participants)
        self.party = make_party(self.kind)(Seat(self.case, node.name, self.rng, OpenGate(node.name)))
        self.sent: list[SentMessage] = []
        self.metered: Mapping[str, int] = {}

    def start(self) -> list[Said]:
        return self._follow(self.party.start())

    def take(self, kind: str, body: Mapping[str, Any]) -> list[Said]:
        match kind:
            case "messages" if body["messages"]:  # of an ended job the bodies are gone
                return self._follow(self.party.receive(self._incoming([self._message(m) for m in body["messages"]])))
            case "output" if body["messages"]:
                release = Envelope.from_json(body["release"])
                assert Release.open(release).permit == self.case.permit
                return [Vouch(node=self.node.name, permit=self.case.permit, release=release.digest).sign(self.node.key)]
            case "finished" | "abort":
                self.party.destroy()
                return [self.destroyed()]
        return []

    def destroyed(self) -> Envelope:
        return Destroyed(**self._named()).sign(self.node.key)

    def stop(self, code: str, advice: str, bound: bool = False) -> Envelope:
        return Stop(**self._named(), bound=bound, code=code, advice=advice).sign(self.node.key)

    def sent_record(self) -> SentRecord:
        return SentRecord(
            **self._named(),
            messages=tuple(self.sent),
            transcript=self.transcript,
            metered=dict(self.metered),
            commits=Commits(part=digest(b"part"), seed=None, environment=digest(b"environment")),
        )

    def message(self, round: str, body: bytes, receiver: str = HUB, sequence: int = 0) -> Message:
        """A signed message, noted as sent; sealed if its round is from node to node."""
        if round_of(self.kind, round).receiver is Receiver.NODE:
            public = seal_key(receiver).public.raw
            body = seal(public, (round, sequence, self.node.name, receiver), self.case.permit, body)
        made = write_message(
            self.node.key, self.case.permit, self.transcript, round, sequence, self.node.name, receiver, body, self.rng,
            state=digest(b"what its gate remembers"),
        )  # fmt: skip
        self.sent.append(
            SentMessage(
                round=round,
                sequence=sequence,
                receiver=receiver,
                size=len(body),
                digest=made.digest,
                sent_at=self.node.world.clock(),
            )
        )
        return made

    def _named(self) -> dict[str, Any]:
        return {"node": self.node.name, "permit": self.case.permit, "nonce": self.permit.nonce}

    def _follow(self, acts: Sequence[Act]) -> list[Said]:
        said: list[Said] = []
        for act in acts:
            match act:
                case Send():
                    said.append(self._send(act))
                case Ask():
                    said += self._follow(self.party.judged(all_may_be_answered(act)))
                case Compute():
                    said += self._follow(self.party.computed(self._compute(act.step)))
                case Done():
                    said.append(self.sent_record().sign(self.node.key))
        return said

    def _send(self, act: Send) -> Message:
        if act.metered is not None:
            self.metered = act.metered
        receiver = {Receiver.HUB: HUB, Receiver.ALL: ALL}.get(round_of(self.kind, act.round).receiver)
        return self.message(act.round, act.body, receiver or str(act.receiver), act.sequence)

    def _compute(self, step: LocalStep[Any]) -> Any:
        rows = [row for row in rows_of(self.node.owner) if self.node.only_carrier in (None, row.carrier)]
        if isinstance(step, ScanStep):
            return scanned(step, rows)
        return [row.delay for row in rows]

    def _message(self, carried: Mapping[str, Any]) -> Message:
        envelope, body = Envelope.from_json(carried["header"]), carried["body"]
        if body is not None:
            return read_message(envelope, base64.b64decode(body))
        header = Header.open(envelope)
        numbers = range(-(-header.size // INLINE_BYTES))
        return read_message(envelope, b"".join(self.node.piece(self.job, header, number) for number in numbers))

    def _incoming(self, messages: Sequence[Message]) -> Incoming:
        first = messages[0].header
        if round_of(self.kind, first.round).receiver is Receiver.NODE:
            bodies: Mapping[str, bytes] = {first.sender: unseal(self.node.sealing.private(), messages[0])}
        else:
            bodies = bodies_of(messages)
            self.transcript = next_transcript(self.transcript, messages)
        return Incoming(first.round, first.sequence, bodies, transcript_bytes(self.transcript))


def scanned(step: ScanStep, rows: Sequence[Row]) -> LocalResult:
    """The real local step over a small Arrow table."""
    table = pa.table(
        {
            "tail": pa.array([row.tail for row in rows], pa.string()),
            "carrier": pa.array([row.carrier for row in rows], pa.string()),
            "delay": pa.array([row.delay for row in rows], pa.int64()),
        }
    )
    return run_local(step.plan, step.parameters, {"flights": lambda names: table.select(list(names)).to_reader()})
