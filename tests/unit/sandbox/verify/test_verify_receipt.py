"""The offline verifier: an honest receipt passes, every class of field that could be bent is refused by name."""

from __future__ import annotations

import dataclasses
import json
import random
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.documents import (
    Envelope,
    ForbiddenUse,
    Release,
    RootKeys,
    SigningKey,
    StatusEntry,
    canonical,
    digest,
)
from sandbox.audit import Checkpoint, Cosigner, Note, SeenLog
from sandbox.errors import ReceiptRefused
from sandbox.keys import Trust
from sandbox.verify import VerifiedReceipt, verify_receipt
from tests.support import orders
from tests.support.orders import ORIGIN, RULE, SALT, roster
from tests.support.signed import DAY, NODES, key
from tests.support.world import CONTENT, World

OTHER = digest(b"another")
SUSPENDED = StatusEntry(
    kind="operator", subject="acme", state="suspended", since=datetime(2026, 11, 1, tzinfo=UTC), reason="complaint"
)
FORBIDDEN = ForbiddenUse(id="N-1", dataset="flights", column="carrier", ground="dispute", reason="in court")
NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)


@pytest.fixture(scope="module")
def honest() -> World:
    return World()


def refused(receipt: bytes, trust: Trust, step: str, words: str = "", **more: Any) -> None:
    with pytest.raises(ReceiptRefused) as error:
        verify_receipt(receipt, trust, **more)
    assert (error.value.step, words in str(error.value)) == (step, True), f"{error.value.step}: {error.value}"


def test_an_honest_receipt_passes_and_says_what_it_proves(honest: World) -> None:
    verified = verify_receipt(honest.receipt(), honest.trust, orders.NOW + DAY, CONTENT, SALT)
    assert isinstance(verified, VerifiedReceipt)
    assert verified.output is not None
    assert verified.output.media_type == "text/csv"
    assert verified.cosigned.participants == NODES
    assert verified.cosigned.witnesses == ("witness-1",)
    assert len(verified.checks) == 10
    assert "recomputed and signed by all 3 participant(s)" in verified.checks
    assert "11 shown, 1 withheld; its content matches" in "\n".join(verified.checks)
    assert "not given" in "\n".join(verify_receipt(honest.receipt(), honest.trust).checks)


def test_any_json_spelling_of_the_receipt_is_the_receipt(honest: World) -> None:
    pretty = json.dumps(json.loads(honest.receipt()), indent=2, ensure_ascii=True).encode() + b"\n"
    assert verify_receipt(pretty, honest.trust).release.digest == honest.release.digest


BENDS = [
    # name of the document, fields, the step that must refuse, words that must be said
    ("commitment", {"scenario": "x"}, "scope", "scenario"),
    ("commitment", {"operator": "op-token"}, "commitment", "signature"),
    ("commitment", {"plans": (OTHER,)}, "scope", "never asked"),
    ("commitment", {"datasets": ("planes",)}, "scope", "does not list"),
    ("grant:jfk", {"scenario": "x"}, "scope", "scenario"),
    ("grant:jfk", {"algorithm": OTHER}, "scope", "algorithm"),
    ("grant:jfk", {"plan_digest": OTHER}, "scope", "plan_digest"),
    ("grant:jfk", {"parameters": ()}, "scope", "parameters"),
    ("grant:jfk", {"requires": ("certificate",)}, "scope", "certificate"),
    ("grant:jfk", {"owner": "ewr"}, "grant", "signature"),
    ("record:ewr", {"version": OTHER, "lineage": OTHER}, "scope", "no record by ewr"),
    ("record:ewr", {"node": "node-jfk"}, "record", "domain"),
    ("permit", {"scenario": "x"}, "scope", "scenario"),
    ("permit", {"operator": "op-token"}, "scope", "operator"),
    ("permit", {"algorithm": OTHER}, "kind", "unknown here"),
    ("permit", {"plan_digest": OTHER}, "permit", "plan_digest"),
    ("permit", {"parameters": {"year": 2014}}, "scope", "year"),
    ("permit", {"commitment": OTHER}, "scope", "commitment"),
    ("permit", {"grants": (OTHER,)}, "scope", "grants"),
    ("permit", {"roster": OTHER}, "permit", "another roster"),
    ("permit", {"participants": ("node-jfk", "node-ewr", "node-lga")}, "scope", "participants"),
    ("permit", {"protocol": 1}, "scope", "protocol version 2"),
    ("permit", {"status": OTHER}, "scope", "another status list"),
    ("permit", {"deadline": NOW + timedelta(hours=25)}, "permit", "24 hours"),
    ("permit", {"evidence": {"certificate": OTHER}}, "scope", "further documents"),
    ("status", {"roster_version": 2}, "scope", "not the latest"),
    ("status", {"roster": OTHER}, "scope", "two different rosters"),
    ("status", {"issued": NOW - timedelta(days=2), "expires": NOW}, "scope", "expired"),
    ("status", {"expires": NOW + timedelta(minutes=29)}, "scope", "runs longer"),
    ("status", {"stopped": (SUSPENDED,)}, "scope", "operator acme is suspended"),
    ("status", {"forbidden": (FORBIDDEN,)}, "scope", "entry N-1"),
    ("sent:node-lga", {"permit": OTHER}, "sent", "another permit"),
    ("sent:node-lga", {"nonce": "cd" * 32}, "sent", "another permit"),
    ("sent:node-lga", {"messages": ()}, "sent", "nothing"),
    ("sent:node-lga", {"node": "node-jfk"}, "sent", "signature"),
    ("sent:node-lga", {"transcript": OTHER}, "sent", "told different things"),
    ("delivery", {"release": OTHER}, "delivery", "another release"),
    ("delivery", {"delivered_at": NOW - timedelta(hours=1)}, "delivery", "before the release"),
    ("release", {"permit": OTHER}, "release", "another permit"),
    ("release", {"job": "job-2"}, "release", "another job"),
    ("release", {"operator": "op-token"}, "release", "another operator"),
    ("release", {"plan_digest": OTHER}, "release", "another plan"),
    ("release", {"commitment": OTHER}, "release", "another commitment"),
    ("release", {"grants": (OTHER,)}, "release", "another grants"),
    ("release", {"roster": OTHER}, "release", "another roster"),
    ("release", {"sent": (OTHER,)}, "release", "another sent messages"),
    ("vouch:node-lga", {"release": OTHER}, "vouch", "another release"),
    ("vouch:node-lga", {"permit": OTHER}, "vouch", "another release"),
    ("vouch:node-lga", {"node": "node-jfk"}, "vouch", "signature"),
    ("entry", {"event": "job.submitted"}, "entry", "does not record"),
    ("entry", {"digests": (OTHER,)}, "entry", "does not record"),
    ("entry", {"actor": "operator:acme"}, "entry", "hub's own"),
    ("entry", {"subject": "job-2"}, "entry", "of this job"),
    ("entry", {"at": NOW + timedelta(hours=1)}, "entry", "another time"),
]


@pytest.mark.parametrize(("name", "fields", "step", "words"), BENDS)
def test_a_bent_document_is_refused_even_when_all_else_is_made_over_it(
    name: str, fields: dict[str, Any], step: str, words: str
) -> None:
    """Everything after the bend is signed again by its rightful signer: only the contradiction is left."""
    world = World(bend={name: orders.change(**fields)})
    refused(world.receipt(), world.trust, step, words)


def with_verdict(fields: dict[str, Any], release: Release) -> Release:
    return release.model_copy(update={"verdict": release.verdict.model_copy(update=fields)})


def test_a_release_whose_verdict_did_not_pass_or_used_another_profile() -> None:
    cases: tuple[tuple[dict[str, Any], str], ...] = (
        ({"passed": False}, "did not pass"),
        ({"output": RULE.model_copy(update={"digest": OTHER})}, "output rule"),
    )
    for fields, words in cases:
        world = World(bend={"release": partial(with_verdict, fields)})
        refused(world.receipt(), world.trust, "release", words)


@pytest.mark.parametrize(
    ("name", "keys", "step"),
    [
        ("roster", ("root-1",), "roster"),
        ("roster", ("hub", "root-1"), "roster"),
        ("commitment", ("hub",), "commitment"),
        ("grant:ewr", ("ewr-1",), "grant"),
        ("grant:lga", ("hub",), "grant"),
        ("grant:lga", ("jfk",), "grant"),
        ("record:jfk", ("node-jfk",), "record"),
        ("permit", ("ewr-1",), "permit"),
        ("sent:node-jfk", ("node-ewr",), "sent"),
        ("sent:node-jfk", ("jfk",), "sent"),
        ("status", ("hub",), "status"),
        ("release", ("node-ewr",), "release"),
        ("checkpoint", ("witness-1",), "checkpoint"),
    ],
)
def test_a_wrong_signer_is_refused(name: str, keys: tuple[str, ...], step: str) -> None:
    world = World(signer={name: tuple(map(key, keys))})
    refused(world.receipt(), world.trust, step)


FIELDS = ["rosters", "commitment", "grants", "records", "permit", "status", "sent", "release", "deliveries"]
STEPS = {"rosters": "roster", "grants": "grant", "records": "record", "deliveries": "delivery"}


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("part", ["payload", "payloadType", "sig", "unsigned"])
def test_an_envelope_altered_after_signing_is_refused(honest: World, field: str, part: str) -> None:
    plain = json.loads(honest.receipt())
    envelope = plain[field] if isinstance(plain[field], dict) else plain[field][0]
    if part == "payload":
        payload = Envelope.from_json(envelope).payload
        envelope["payload"] = Envelope("", payload.replace(b":", b" :", 1), ()).to_json()["payload"]
    elif part == "payloadType":
        envelope["payloadType"] = "application/vnd.unseen.grant+json;v=2"
    elif part == "sig":
        envelope["signatures"][0]["sig"] = "A" * 86 + "=="
    else:
        envelope["signatures"] = []
    refused(canonical(plain), honest.trust, STEPS.get(field, field))


def test_a_reader_is_told_that_it_was_changed_and_nothing_for_signers(honest: World) -> None:
    plain = json.loads(honest.receipt())
    plain["release"]["signatures"][0]["sig"] = "A" * 86 + "=="
    with pytest.raises(ReceiptRefused, match="it was changed after signing, or others signed it") as told:
        verify_receipt(canonical(plain), honest.trust)
    assert "sign the" not in f"{told.value} {told.value.advice}"
    assert "Get the receipt again from where it came" in told.value.advice


def test_documents_left_out_doubled_or_swapped(honest: World) -> None:
    for field, bend, step in (
        ("rosters", lambda x: [], "receipt"),
        ("grants", lambda x: x[:2], "scope"),
        ("grants", lambda x: [*x, x[0]], "receipt"),
        ("records", lambda x: x[1:], "scope"),
        ("sent", lambda x: x[:2], "sent"),
        ("sent", lambda x: [x[1], x[0], x[2]], "sent"),
        ("sent", lambda x: [x[0], x[0], x[2]], "receipt"),
        ("rosters", lambda x: [*x, x[0]], "receipt"),
        ("records", lambda x: [*x, x[0]], "receipt"),
        ("deliveries", lambda x: [*x, x[0]], "receipt"),
    ):
        plain = json.loads(honest.receipt())
        plain[field] = bend(plain[field])
        refused(canonical(plain), honest.trust, step)


def test_another_document_in_the_place_of_one(honest: World) -> None:
    for field in ("commitment", "permit", "release"):
        plain = json.loads(honest.receipt())
        plain[field] = plain["grants"][0]
        refused(canonical(plain), honest.trust, field, "expected a")


def test_the_log_proof_is_bound_to_index_size_entry_and_root(honest: World) -> None:
    plain = json.loads(honest.receipt())
    for change in ({"index": 2}, {"index": 5}, {"proof": plain["proof"][:-1]}, {"proof": plain["proof"][::-1]}):
        refused(canonical(plain | change), honest.trust, "inclusion")
    refused(canonical(plain | {"proof": ["x"]}), honest.trust, "inclusion", "base64")
    refused(canonical(plain | {"entry": "AAAA"}), honest.trust, "entry")


def lines(note: Note, drop: tuple[str, ...] = (), keep: tuple[str, ...] | None = None) -> Note:
    kept = tuple(s for s in note.signatures if s.name not in drop and (keep is None or s.name in keep))
    return dataclasses.replace(note, signatures=kept)


def test_every_participant_and_an_independent_witness_must_have_cosigned() -> None:
    for node in NODES:
        world = World()
        world.note = lines(world.note, drop=(node,))
        refused(world.receipt(), world.trust, "cosignature", node)
    world = World()
    world.note = lines(world.note, drop=("witness-1",))
    refused(world.receipt(), world.trust, "witness", "0 witness(es)")


def test_hub_or_participant_keys_make_no_witness() -> None:
    """The same cosignature under a witness's name does not count, whoever else's key made it."""
    for signer in ("hub", "node-ewr", "ewr-1", "stranger"):
        world = World()
        bare = lines(world.note, keep=(ORIGIN,))
        forged = Cosigner("witness-1", key(signer), ORIGIN, key("hub").public)
        step = forged.advance(SeenLog.nothing(ORIGIN), bare.encode(), (), orders.NOW + DAY)
        world.note = lines(world.note, drop=("witness-1",)).added(step.signature)
        refused(world.receipt(), world.trust, "witness", "0 witness(es)")


def test_the_witness_policy_of_the_trust_file_counts(honest: World) -> None:
    refused(honest.receipt(), honest.trust.model_copy(update={"witnesses_needed": 2}), "witness", "2 needed")
    world = World()
    bare = lines(world.note, keep=(ORIGIN,))
    second = Cosigner("witness-2", key("witness-2"), ORIGIN, key("hub").public)
    step = second.advance(SeenLog.nothing(ORIGIN), bare.encode(), (), orders.NOW + DAY)
    world.note = world.note.added(step.signature)
    trust = world.trust.model_copy(update={"witnesses_needed": 2})
    assert verify_receipt(world.receipt(), trust).cosigned.witnesses == ("witness-1", "witness-2")


def test_cosignatures_of_another_history_do_not_carry_over() -> None:
    """The hub signs a second root for the same size: the cosignatures belong to the first."""
    world = World()
    forked = Checkpoint(ORIGIN, 5, digest(b"fork").encode()[:32]).sign(key("hub"))
    world.note = forked.added(*world.note.signatures[1:])
    refused(world.receipt(), world.trust, "inclusion")


def test_a_cosignature_before_the_release_or_after_the_roster_is_refused() -> None:
    for at in (orders.NOW - DAY, orders.NOW + 400 * DAY):
        world = World()
        bare = lines(world.note, keep=(ORIGIN,))
        cosigner = Cosigner("witness-1", key("witness-1"), ORIGIN, key("hub").public)
        step = cosigner.advance(SeenLog.nothing(ORIGIN), bare.encode(), (), at)
        world.note = lines(world.note, drop=("witness-1",)).added(step.signature)
        refused(world.receipt(), world.trust, "witness", "cosigned before the release, or after")


def test_only_the_pinned_root_and_origin_are_believed(honest: World) -> None:
    """A whole world of the attacker's own, perfectly signed: its keys come from the receipt and count for nothing."""
    own = RootKeys(keys=(key("evil").public.text,), threshold=1)
    evil = World(bend={"roster": orders.change(root=own)}, signer={"roster": (key("evil"),)})
    refused(evil.receipt(), honest.trust, "roster", "trusted root")
    refused(honest.receipt(), honest.trust.model_copy(update={"origin": "log.example/other"}), "roster", "another log")
    refused(honest.receipt(), honest.trust.model_copy(update={"oldest_roster": 2}), "roster", "before version 2")


def test_times_are_judged_by_the_roster_the_permit_and_now(honest: World) -> None:
    refused(honest.receipt(), honest.trust, "time", now=orders.NOW - DAY)
    later = roster().expires + DAY
    assert verify_receipt(honest.receipt(), honest.trust, later)  # a receipt does not expire with its roster
    world = World(bend={"roster": orders.change(expires=orders.NOW)})
    refused(world.receipt(), world.trust, "permit", "roster's period")
    world = World(bend={"release": orders.change(released_at=orders.NOW + DAY)})
    refused(world.receipt(), world.trust, "release", "outside the permit's time")


def test_the_content_is_compared_under_its_salt(honest: World) -> None:
    receipt, trust = honest.receipt(), honest.trust
    for content, salt, words in (
        (CONTENT.replace(b"120", b"121"), SALT, "not what was released"),
        (CONTENT, bytes(32), "not what was released"),
        (CONTENT, None, "needs its salt"),
        (CONTENT, b"short", "32 bytes"),
        (b"", SALT, "not what was released"),
    ):
        refused(receipt, trust, "output", words, content=content, salt=salt)


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"null", b"[" * 10_000, b"x" * (17 << 20)])
def test_what_is_no_receipt_is_refused(honest: World, data: bytes) -> None:
    refused(data, honest.trust, "receipt")


@pytest.mark.slow
@given(st.data())
@settings(max_examples=150, deadline=None)
def test_no_single_byte_can_change(data: st.DataObject) -> None:
    """Any other byte anywhere gives a typed refusal: nothing in a receipt is decoration."""
    world = CACHE.setdefault("world", World())
    whole = CACHE.setdefault("receipt", world.receipt())
    at = data.draw(st.integers(0, len(whole) - 1))
    new = data.draw(st.integers(32, 126).filter(lambda byte: byte != whole[at]))
    with pytest.raises(ReceiptRefused):
        verify_receipt(bytes((*whole[:at], new, *whole[at + 1 :])), world.trust)


CACHE: dict[str, Any] = {}


def test_a_key_from_inside_the_receipt_is_never_used() -> None:
    """Swap a node's key in the roster for the attacker's: the root did not sign that."""
    world = World()
    plain = json.loads(world.receipt())
    envelope = Envelope.from_json(plain["rosters"][0])
    stranger = SigningKey.from_seed(random.Random(7).randbytes(32))
    payload = envelope.payload.replace(key("hub").public.text.encode(), stranger.public.text.encode())
    assert payload != envelope.payload
    plain["rosters"][0] = Envelope(envelope.payload_type, payload, envelope.signatures).to_json()
    refused(canonical(plain), world.trust, "roster", "0 valid signature")


def test_now_a_little_ahead_is_tolerated(honest: World) -> None:
    assert verify_receipt(honest.receipt(), honest.trust, orders.NOW - timedelta(minutes=3))
