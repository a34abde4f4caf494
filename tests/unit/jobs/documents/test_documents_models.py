"""Strict parsing of every document: what is signed is exactly what the reader understood."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest

from jobs.documents import (
    Commitment,
    DatasetRecord,
    Delivery,
    Denial,
    Document,
    Envelope,
    Grant,
    NodeCertificate,
    OutboxEntry,
    OutboxRecord,
    Permit,
    Receipt,
    Release,
    Revocation,
    Roster,
    SentRecord,
    StatusList,
    Vouch,
    canonical,
    digest,
    json_digest,
    verify_denial,
    verify_outbox_record,
    verify_revocation,
)
from jobs.documents.message import Destroyed, Header, Stop
from jobs.errors import BadDocument, BadSignature
from tests.support import signed
from tests.support.orders import NOW
from tests.support.world import World


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def documents(world: World) -> list[Any]:
    sent = SentRecord.open(world.sent[0])
    entries = tuple(
        OutboxEntry(
            number=number,
            permit=world.permit.digest,
            message=message,
            binding=False,
            refused=None,
            transcript=None,
        )
        for number, message in enumerate(sent.messages, start=1)
    )
    return [
        Roster.open(world.roster),
        Commitment.open(world.commitment),
        Grant.open(world.grants[0]),
        DatasetRecord.open(world.records[0]),
        Permit.open(world.permit),
        sent,
        Release.open(world.release),
        Receipt.parse(world.receipt()),
        Denial(
            id="d", owner="ewr", issued=NOW, operator="acme", request="job-1", plan=digest(b"p"), reasons=("no",)
        ),
        Revocation(id="r", owner="ewr", issued=NOW, grant=world.grants[0].digest, reason="recalled"),
        NodeCertificate.open(Envelope.from_json(Roster.open(world.roster).owners[0].nodes[0].certificate)),
        OutboxRecord(node="node-ewr", owner="ewr", issued=NOW, first=1, last=3, entries=entries),
        Delivery.open(world.deliveries[0]),
        StatusList.open(world.status),
        Vouch(node="node-ewr", permit=world.permit.digest, release=world.release.digest),
        Header(
            permit=world.permit.digest, round="values", sequence=0, sender="node-ewr", receiver="hub", size=4,
            body=digest(b"body"), transcript=digest(b"told"), state=digest(b"asked"), salt="ab" * 16,
        ),
        Stop(node="node-ewr", permit=world.permit.digest, nonce="ab" * 32, bound=False, code="timeout", advice="too late"),
        Destroyed(node="node-ewr", permit=world.permit.digest, nonce="ab" * 32),
    ]  # fmt: skip


def test_every_kind_is_here(documents: list[Any]) -> None:
    def leaves(kind: Any) -> list[Any]:
        return [kind] if not kind.__subclasses__() else [leaf for sub in kind.__subclasses__() for leaf in leaves(sub)]

    ours = {kind for kind in leaves(Document) if kind.__module__.startswith("jobs.documents")}
    assert ours == {type(document) for document in documents}
    assert len({kind.payload_type() for kind in ours}) == len(ours)


def test_each_reads_back_to_the_same_bytes(documents: list[Any]) -> None:
    for document in documents:
        assert type(document).parse(document.payload()) == document


NULLABLE = {(Header, "state")}  # the hub has no gate that remembers anything
RETYPED: tuple[Any, ...] = (None, 7.5, [[]], {"": ""}, -1, "x" * 300_000)


def test_each_refuses_unknown_missing_and_retyped_fields(documents: list[Any]) -> None:
    for document in documents:
        plain = json.loads(document.payload())
        for name in plain:
            for value in RETYPED:
                if value is plain[name] or (value is None and (type(document), name) in NULLABLE):
                    continue
                with pytest.raises(BadDocument):
                    type(document).parse(json.dumps(plain | {name: value}, separators=(",", ":")).encode())
            missing = {key: value for key, value in plain.items() if key != name}
            with pytest.raises(BadDocument):
                type(document).parse(canonical(missing))
        with pytest.raises(BadDocument, match="unheard_of: is no field"):
            type(document).parse(canonical(plain | {"unheard_of": 1}))


def test_no_kind_opens_as_another(documents: list[Any]) -> None:
    for document in documents:
        for other in documents:
            if type(other) is not type(document):
                with pytest.raises(BadDocument, match="expected"):
                    type(other).open(document.sign())


def test_errors_name_the_place_and_not_the_value(world: World) -> None:
    plain = json.loads(Permit.open(world.permit).payload()) | {
        "operator": "secret value!",
        "issued_at": "a canary here",
    }
    with pytest.raises(BadDocument) as refused:
        Permit.parse(canonical(plain))
    assert "operator" in str(refused.value)
    assert "issued_at" in str(refused.value)
    assert "secret" not in str(refused.value)
    assert "canary" not in str(refused.value)


def test_a_time_needs_a_zone_and_has_one_spelling(world: World) -> None:
    with pytest.raises(ValueError, match="zone"):
        Revocation(id="r", owner="ewr", issued=datetime(2026, 1, 1), grant=digest(b""), reason="")
    plain = json.loads(Permit.open(world.permit).payload())
    for text in ("2026-11-21T08:00:00+00:00", "2026-11-21T08:00:00.5Z", "2026-11-21 08:00:00Z", "2026-13-21T08:00:00Z"):
        with pytest.raises(BadDocument):
            Permit.parse(canonical(plain | {"issued_at": text}))


def test_a_permit_binds_its_plan(world: World) -> None:
    plain = json.loads(Permit.open(world.permit).payload())
    with pytest.raises(BadDocument, match="plan_digest"):
        Permit.parse(canonical(plain | {"plan": plain["plan"] | {"cells": 13}}))
    assert plain["plan_digest"] == json_digest(plain["plan"])


@pytest.mark.parametrize(
    "bend",
    [
        {"participants": ["node-ewr", "node-ewr", "node-lga"]},
        {"participants": ["node-ewr", "node-jfk"]},  # data names a node that does not take part
        {"expires_at": "2026-11-21T07:00:00Z"},
        {"deadline": "2026-11-21T08:00:01Z"},
        {"deadline": "2026-11-22T08:00:01Z"},
        {"evidence": {"certificate": "none"}},
        {"nonce": "ab"},
        {"parameters": {"year": 1.5}},
        {"parameters": {"year": None}},
    ],
)
def test_a_permit_that_contradicts_itself_is_refused(world: World, bend: dict[str, Any]) -> None:
    plain = json.loads(Permit.open(world.permit).payload())
    with pytest.raises(BadDocument):
        Permit.parse(json.dumps(plain | bend, sort_keys=True, separators=(",", ":")).encode())


def test_one_key_of_an_owner_revokes_and_denies(world: World, documents: list[Any]) -> None:
    roster = world.trust.rosters().update(world.roster)
    denial, revocation = documents[8], documents[9]
    assert verify_denial(denial.sign(signed.key("ewr-3")), roster).document == denial
    assert verify_revocation(revocation.sign(signed.key("ewr-3")), roster).document == revocation
    for foreign in ("jfk", "hub", "node-ewr"):
        with pytest.raises(BadSignature):
            verify_revocation(revocation.sign(signed.key(foreign)), roster)


def test_an_outbox_record_has_no_gap_and_the_right_owner(world: World, documents: list[Any]) -> None:
    roster, record = world.trust.rosters().update(world.roster), documents[11]
    assert verify_outbox_record(record.sign(signed.key("node-ewr")), roster).document == record
    with pytest.raises(BadSignature):
        verify_outbox_record(record.sign(signed.key("node-jfk")), roster)
    with pytest.raises(BadDocument, match="domain"):
        verify_outbox_record(record.model_copy(update={"owner": "jfk"}).sign(signed.key("node-ewr")), roster)
    gap = record.model_copy(update={"entries": record.entries[:1] + record.entries[2:]})
    with pytest.raises(BadDocument, match="gap"):
        verify_outbox_record(gap.sign(signed.key("node-ewr")), roster)
    empty = OutboxRecord(node="node-ewr", owner="ewr", issued=NOW, first=1, last=0, entries=())
    assert verify_outbox_record(empty.sign(signed.key("node-ewr")), roster).document == empty


@pytest.mark.parametrize(
    "text", ["\x1b[2Kharmless", "a\rb", "a\u202egnp.exe", "a\u200bb", "\ufeffa", "a\x9b2Kb", "a\U000e0041b"]
)
def test_text_that_people_read_before_signing_hides_nothing(world: World, text: str) -> None:
    plain = json.loads(Commitment.open(world.commitment).payload())
    for name in ("purpose", "scenario"):
        with pytest.raises(BadDocument, match=name) as refused:
            Commitment.parse(canonical(plain | {name: text}))
        assert text not in str(refused.value)
    assert Commitment.parse(canonical(plain | {"purpose": "统计 à la carte\nsecond line"}))
    with pytest.raises(BadDocument, match="one line"):
        Commitment.parse(canonical(plain | {"scenario": "a\nb"}))


@pytest.mark.parametrize("value", ["a b", "a+b", "", "a\n", "-a", "a" * 129, "\u0430"])
def test_ids_can_stand_on_a_signature_line(world: World, value: str) -> None:
    plain = json.loads(Commitment.open(world.commitment).payload())
    with pytest.raises(BadDocument, match="operator"):
        Commitment.parse(canonical(plain | {"operator": value}))
