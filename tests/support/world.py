"""A whole small world with fixed keys: one order, run and released, its log, and the receipt that proves it.

``World`` makes and signs every document, so a test bends one document (``bend``) or one signer (``signer``) and all
that follows is made over the bent one: what is refused is then the bend, not a broken digest.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from jobs.documents import (
    Commits,
    Delivery,
    Output,
    Release,
    SentMessage,
    SentRecord,
    Verdict,
    Vouch,
    digest,
    json_digest,
    salted_commitment,
)
from jobs.documents.message import ALL
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
)
from sandbox.verify import assemble_receipt
from tests.support.orders import NOW, ORIGIN, RULE, SALT, Documents
from tests.support.signed import key
from tests.support.tree import Nodes

CANONICAL: Final = b'{"columns":["carrier","flights"],"rows":[["AA",120],["UA",null]]}'
CONTENT: Final = b"carrier,flights\nAA,120\nUA,suppressed\n"


@dataclass
class World(Documents):
    """Every document of one released job, in envelopes."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.sent = [self.made(f"sent:{node}", self._sent(node), key(node)) for node in self.nodes]
        self.release = self.made("release", self._release(), key("hub"))
        self.deliveries = [self.made("delivery", self._delivery(), key("hub"))]
        self.vouches = [self.made(f"vouch:{node}", self._vouch(node), key(node)) for node in self.nodes]
        self.leaf = self._bent_entry().leaf()
        self._log()

    def receipt(self) -> bytes:
        return assemble_receipt(
            [self.roster], self.commitment, self.grants, self.records, self.permit, self.status, self.sent,
            self.release, self.deliveries, self.leaf, self.index, self.proof, self.note, vouches=self.vouches,
        )  # fmt: skip

    def _sent(self, node: str) -> SentRecord:
        messages = tuple(
            SentMessage(sequence=0, round=name, receiver=ALL if name == "key" else "hub", size=64,
                        digest=digest(f"{node}{name}".encode()), sent_at=self.at + timedelta(seconds=i))
            for i, name in enumerate(("key", "flags", "values"), start=1)
        )  # fmt: skip
        return SentRecord(
            node=node, permit=self.permit.digest, nonce=self.nonce, messages=messages, transcript=digest(b"told"),
            metered={"cells": 12},
            commits=Commits(part=digest(node.encode()), seed=None, environment=digest(b"packages")),
        )  # fmt: skip

    def _release(self) -> Release:
        return Release(
            id="release-1", job=self.job, operator="acme", spec=digest(b"spec"), permit=self.permit.digest,
            plan_digest=json_digest(self.plan.model_dump(mode="json")), commitment=self.commitment.digest,
            grants=tuple(item.digest for item in self.grants), roster=self.roster.digest,
            sent=tuple(item.digest for item in self.sent),
            verdict=Verdict(passed=True, output=RULE, released=11, withheld=1),
            content=salted_commitment(SALT, digest(CANONICAL)),
            source_line="Source: flights of 2013; providers EWR, JFK, LGA", released_at=self.at + timedelta(seconds=30),
        )  # fmt: skip

    def _delivery(self) -> Delivery:
        return Delivery(
            id="delivery-1", release=self.release.digest, receiver="acme",
            outputs=(Output(media_type="text/csv", size=len(CONTENT),
                            commitment=salted_commitment(SALT, digest(CONTENT))),),
            delivered_at=self.at + timedelta(seconds=30),
        )  # fmt: skip

    def _vouch(self, node: str) -> Vouch:
        return Vouch(node=node, permit=self.permit.digest, release=self.release.digest)

    def _bent_entry(self) -> LogEntry:
        entry = LogEntry(
            salt="00" * 32, event=RELEASED, at=self.at, actor="hub:hub", subject=self.job,
            digests=(self.release.digest, self.permit.digest),
        )  # fmt: skip
        return self.bend["entry"](entry) if "entry" in self.bend else entry

    def _log(self) -> None:
        self.tree, size = Nodes(), 0
        for leaf in (b"one", b"two", b"three", self.leaf, b"five"):
            size = append(self.tree, size, leaf)
        self.index, self.proof = 3, prove_inclusion(self.tree, 3, size)
        head = Checkpoint(ORIGIN, size, root(self.tree, size))
        self.note: Note = head.sign(*self.signer.get("checkpoint", (key("hub"),)))
        if "checkpoint" in self.signer:
            return
        proof = prove_consistency(self.tree, 0, size)
        for name in (*self.nodes, "witness-1"):
            cosigner = Cosigner(name, key(name), ORIGIN, key("hub").public)
            step = cosigner.advance(SeenLog.nothing(ORIGIN), self.note.encode(), proof, NOW + timedelta(minutes=1))
            self.note = self.note.added(step.signature)
