"""A whole small world with fixed keys: authority, three owners with a node each, hub, witness, operator, one release.

``World`` makes and signs every document, so a test bends one document (``bend``) or one signer (``signer``) and all
that follows is made over the bent one: what is refused is then the bend, not a broken digest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from jobs.documents import (
    Commitment,
    Commits,
    DataScope,
    DatasetRecord,
    DataUse,
    Delivery,
    Document,
    Envelope,
    ExactVersion,
    Grant,
    HubEntry,
    OperatorEntry,
    Output,
    OutputRule,
    OwnerEntry,
    ParameterRule,
    Participant,
    Period,
    Permit,
    Release,
    RootKeys,
    Roster,
    SealingKey,
    SentMessage,
    SentRecord,
    SigningKey,
    StatusList,
    Terms,
    Verdict,
    WitnessEntry,
    digest,
    json_digest,
    salted_commitment,
)  # fmt: skip
from jobs.documents.execution import PROTOCOL_VERSION
from jobs.documents.message import ALL
from jobs.kinds.registry import algorithm_of, kind_of
from sandbox.audit import (
    RELEASED,
    Checkpoint,
    Cosigner,
    LogEntry,
    Note,
    SeenLog,
    append,
    prove_consistency,
    prove_inclusion,
    root,
)  # fmt: skip
from sandbox.keys import Trust, certify_node
from sandbox.verify import assemble_receipt
from tests.support.asked import plan_of

NOW = datetime(2026, 11, 21, 8, 0, 0, tzinfo=UTC)
DAY = timedelta(days=1)
ORIGIN = "log.example/joint"
OWNERS = ("ewr", "jfk", "lga")
NODES = tuple(f"node-{owner}" for owner in OWNERS)
PLAN = plan_of().model_dump(mode="json")
ALGORITHM = algorithm_of(kind_of("statistics"))
CANONICAL = b'{"columns":["carrier","flights"],"rows":[["AA",120],["UA",null]]}'
CONTENT = b"carrier,flights\nAA,120\nUA,suppressed\n"
SALT = bytes(range(32))
RULE = OutputRule(form="aggregate", profile="standard", version=1, digest=digest(b"profile"))

Bend = Callable[[Any], Any]


def key(name: str) -> SigningKey:
    return SigningKey.from_seed(hashlib.sha256(name.encode()).digest())


def seal(name: str) -> SealingKey:
    return SealingKey.from_seed(hashlib.sha256(f"seal {name}".encode()).digest())


def change(**fields: Any) -> Bend:
    """A bend that replaces fields, unchecked."""
    return lambda document: document.model_copy(update=fields)


class Nodes(dict[tuple[int, int], bytes]):
    """The storage port in memory; a second write to one place is an error."""

    def get(self, level: int, index: int) -> bytes:  # type: ignore[override]
        return self[level, index]

    def put(self, level: int, index: int, value: bytes) -> None:
        if (level, index) in self:
            raise AssertionError("a stored hash was written twice")
        self[level, index] = value


@dataclass
class World:
    """Every document of one released job, in envelopes."""

    bend: Mapping[str, Bend] = field(default_factory=dict)
    signer: Mapping[str, tuple[SigningKey, ...]] = field(default_factory=dict)

    def made(self, name: str, document: Document, *keys: SigningKey) -> Envelope:
        bent = self.bend.get(name, lambda same: same)(document)
        envelope: Envelope = bent.sign(*self.signer.get(name, keys))
        return envelope

    def __post_init__(self) -> None:
        self.trust = Trust(root=ROOT, origin=ORIGIN)
        self.roster = self.made("roster", roster(), key("root-1"), key("root-2"))
        self.commitment = self.made("commitment", _commitment(), key("operator"))
        self.records = [self.made(f"record:{o}", record(o), *owner_keys(o)) for o in OWNERS]
        self.grants = [self.made(f"grant:{o}", self.grant(o), *owner_keys(o)) for o in OWNERS]
        self.status = self.made("status", self._status(), key("status"))
        self.permit = self.made("permit", self._permit(), key("hub"))
        self.sent = [self.made(f"sent:{node}", self._sent(node), key(node)) for node in NODES]
        self.release = self.made("release", self._release(), key("hub"))
        self.deliveries = [self.made("delivery", self._delivery(), key("hub"))]
        self.vouches: list[Envelope] = []
        self.leaf = self.bend.get("entry", lambda same: same)(self._entry()).leaf()
        self._log()

    def grant(self, owner: str) -> Grant:
        return Grant(
            id=f"grant-{owner}", owner=owner, issued=NOW - DAY, operator="op-1", commitment=self.commitment.digest,
            scenario="punctuality", purpose="public statistics", algorithm=ALGORITHM,
            plan_digest=json_digest(PLAN), parameters=(ParameterRule(name="year", allowed=(2013,)),),
            data=(
                DataScope(
                    dataset="flights", columns=("arr_delay", "carrier", "tailnum"),
                    version=ExactVersion(commitment=record(owner).version),
                ),
            ),
            period=Period(start=NOW - DAY, end=NOW + 30 * DAY), runs=2, output=RULE,
            participants=participants(NODES), terms=TERMS,
        )  # fmt: skip

    def _status(self) -> StatusList:
        roster = Roster.open(self.roster)
        return StatusList(
            number=7, issued=NOW - DAY, expires=NOW + DAY, roster=self.roster.digest, roster_version=roster.version
        )

    def _permit(self) -> Permit:
        return Permit(
            id="permit-1", nonce="ab" * 32, job="job-1", protocol=PROTOCOL_VERSION, operator="op-1", scenario="punctuality",
            commitment=self.commitment.digest, algorithm=ALGORITHM, plan_digest=json_digest(PLAN),
            plan=PLAN, parameters={"year": 2013},
            data=tuple(
                DataUse(node=f"node-{o}", dataset="flights", columns=("arr_delay", "carrier"),
                        version=record(o).version)
                for o in OWNERS
            ),
            grants=tuple(item.digest for item in self.grants), participants=NODES, roster=self.roster.digest,
            status=self.status.digest, output=RULE, issued_at=NOW, expires_at=NOW + timedelta(minutes=10), deadline=NOW + timedelta(hours=1),
        )  # fmt: skip

    def _sent(self, node: str) -> SentRecord:
        messages = tuple(
            SentMessage(sequence=0, round=name, receiver=ALL if name == "key" else "hub", size=64, digest=digest(f"{node}{name}".encode()),
                        sent_at=NOW + timedelta(seconds=i))
            for i, name in enumerate(("key", "flags", "values"), start=1)
        )  # fmt: skip
        return SentRecord(
            node=node, permit=self.permit.digest, nonce="ab" * 32, messages=messages, transcript=digest(b"told"),
            metered={"cells": 12},
            commits=Commits(part=digest(node.encode()), seed=None, environment=digest(b"packages")),
        )  # fmt: skip

    def _release(self) -> Release:
        return Release(
            id="release-1", job="job-1", operator="op-1", spec=digest(b"spec"), permit=self.permit.digest,
            plan_digest=json_digest(PLAN), commitment=self.commitment.digest,
            grants=tuple(item.digest for item in self.grants), roster=self.roster.digest,
            sent=tuple(item.digest for item in self.sent),
            verdict=Verdict(passed=True, output=RULE, released=11, withheld=1),
            content=salted_commitment(SALT, digest(CANONICAL)),
            source_line="Source: flights of 2013; providers EWR, JFK, LGA", released_at=NOW + timedelta(seconds=30),
        )  # fmt: skip

    def _delivery(self) -> Delivery:
        return Delivery(
            id="delivery-1", release=self.release.digest, receiver="op-1",
            outputs=(Output(media_type="text/csv", size=len(CONTENT),
                            commitment=salted_commitment(SALT, digest(CONTENT))),),
            delivered_at=NOW + timedelta(seconds=30),
        )  # fmt: skip

    def _entry(self) -> LogEntry:
        return LogEntry(
            salt="00" * 32,
            event=RELEASED,
            at=NOW,
            actor="hub:hub",
            subject="job-1",
            digests=(self.release.digest, self.permit.digest),
        )

    def _log(self) -> None:
        self.nodes, size = Nodes(), 0
        for leaf in (b"one", b"two", b"three", self.leaf, b"five"):
            size = append(self.nodes, size, leaf)
        self.index, self.proof = 3, prove_inclusion(self.nodes, 3, size)
        head = Checkpoint(ORIGIN, size, root(self.nodes, size))
        self.note: Note = head.sign(*self.signer.get("checkpoint", (key("hub"),)))
        proof = prove_consistency(self.nodes, 0, size)
        at = NOW + timedelta(minutes=1)
        for name in (*NODES, "witness-1"):
            cosigner = Cosigner(name, key(name), ORIGIN, key("hub").public)
            if "checkpoint" not in self.signer:
                step = cosigner.advance(SeenLog.nothing(ORIGIN), self.note.encode(), proof, at)
                self.note = self.note.added(step.signature)

    def receipt(self) -> bytes:
        return assemble_receipt(
            [self.roster], self.commitment, self.grants, self.records, self.permit, self.status, self.sent,
            self.release,
            self.deliveries, self.leaf, self.index, self.proof, self.note, vouches=self.vouches,
        )  # fmt: skip


def participants(nodes: Sequence[str]) -> tuple[Participant, ...]:
    return tuple(Participant(node=node, owner=node.removeprefix("node-"), key=key(node).public.text) for node in nodes)


def owner_keys(owner: str) -> tuple[SigningKey, ...]:
    """The keys that sign for the owner: ``ewr`` needs two of three."""
    return (key("ewr-1"), key("ewr-2")) if owner == "ewr" else (key(f"{owner}-1"),)


def roster(**fields: Any) -> Roster:
    start, end = NOW - 10 * DAY, NOW + 300 * DAY
    owners = tuple(
        OwnerEntry(
            id=o, name=o.upper(), keys=tuple(key(f"{o}-{i}").public.text for i in range(1, 4 if o == "ewr" else 2)),
            threshold=2 if o == "ewr" else 1,
            nodes=(certify_node(o, f"node-{o}", key(f"node-{o}").public, seal(f"node-{o}").public, start, end,
                                owner_keys(o)),),
        )
        for o in OWNERS
    )  # fmt: skip
    plain: dict[str, Any] = {
        "version": 1, "issued": start, "expires": end, "origin": ORIGIN, "root": ROOT,
        "hub": HubEntry(id="hub", key=key("hub").public.text), "status_key": key("status").public.text, "owners": owners,
        "witnesses": (WitnessEntry(name="witness-1", key=key("witness-1").public.text),
                      WitnessEntry(name="witness-2", key=key("witness-2").public.text)),
        "operators": (OperatorEntry(id="op-1", name="Operator", keys=(key("operator").public.text,)),
                      OperatorEntry(id="op-token", name="Operator with a token")),
    }  # fmt: skip
    return Roster(**(plain | fields))


def record(owner: str) -> DatasetRecord:
    return DatasetRecord(
        owner=owner, node=f"node-{owner}", dataset="flights", dataset_digest=digest(b"dataset"),
        schema_digest=digest(b"schema"), sequence=1, version=salted_commitment(SALT, digest(owner.encode())),
        label="2013", frequency="yearly", data_until=datetime(2013, 12, 31, tzinfo=UTC), rows_at_most=200_000,
        legal_basis="open data act", issued=NOW - 5 * DAY,
    )  # fmt: skip


def _commitment() -> Commitment:
    return Commitment(
        id="commitment-1", operator="op-1", issued=NOW - 2 * DAY, datasets=("flights",), plans=(json_digest(PLAN),), scenario="punctuality",
        purpose="public statistics", security_measures="results stay inside", disposal="deleted after a year",
        feedback="yearly report", period=Period(start=NOW - 2 * DAY, end=NOW + 60 * DAY),
    )  # fmt: skip


ROOT = RootKeys(keys=(key("root-1").public.text, key("root-2").public.text), threshold=2)
TERMS = Terms(
    mode="joint statistic", volume="two runs", conditions="", prohibited_uses="re-identification",
    security_duties="", confidentiality="", revenue_share="0", disposal="", feedback="", breach_and_exit="",
    signatories=("data office",),
)  # fmt: skip
