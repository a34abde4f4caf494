"""Attack: a rival reads the log to learn, or to confirm, what another operator asked. With positive controls."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from jobs.documents import canonical, digest, parse_json
from jobs.documents.ed25519 import decode_base64
from sandbox.audit import Checkpoint, LogEntry, leaf_hash, verify_inclusion
from sandbox.errors import BadProof, ContentDestroyed, InvalidTransition, NotFound
from sandbox.hub.core.hub import HUB
from sandbox.hub.log.destroying import destroy_contents
from sandbox.store.contents import get, put
from sandbox.store.event import Event
from sandbox.verify import Hidden, read_item, verify_entries

OWN = ("acme", "ewr", "node-ewr", "auditor", "authority")
OTHERS = ("rival", "witness-1")


def items(world: Any, who: str, filters: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    after: int | None = -1
    while after is not None:
        page = world.call("GET", f"/log/entries?limit=7&after={after}{filters}", who)
        found, after = found + page["items"], page["next"]
    return found


def guesses(world: Any, job: str) -> Iterator[str]:
    """Digests that a rival who guessed the query, and knows how documents look, could compute."""
    shown = world.call("GET", f"/jobs/{job}", "auditor")
    yield shown["plan_digest"]
    yield world.commitment().digest
    for message in world.call("GET", f"/jobs/{job}/messages", "auditor")["messages"]:
        yield message["digest"]


def confirms(world: Any, who: str, guessed: str, size: int) -> bool:
    """Does the log, read with this token, show that the guess is right?"""
    named = [item for item in items(world, who) if "entry" in item and guessed in canonical(item["entry"]).decode()]
    asked = world.client.get(
        f"/v1/log/inclusion?digest={guessed}&size={size}", headers={"Authorization": f"Bearer {world.tokens[who]}"}
    )
    return bool(named) or asked.status_code == 200


def test_a_rival_confirms_no_guess_from_the_log(world: Any) -> None:
    job = world.released_job()
    size = world.call("GET", "/log/checkpoint", "auditor")["size"]
    plan, *named = guesses(world, job)
    assert len(named) > 10
    for guess in (plan, *named):
        assert not any(confirms(world, who, guess, size) for who in OTHERS)
    for (
        guess
    ) in named:  # positive control: with the defence off, as for those who are entitled, every guess is confirmed
        assert all(confirms(world, who, guess, size) for who in ("acme", "ewr", "auditor"))


def test_the_leaf_hash_confirms_no_guess_without_its_salt(world: Any) -> None:
    """The rival guesses the whole entry right and compares hashes; only the salt is missing."""
    world.released_job()
    seen = {item["index"]: item for item in items(world, "rival")}
    hidden = [item for item in items(world, "auditor") if "hash" in seen[item["index"]]]
    assert len(hidden) > 20
    for item in hidden:
        target = decode_base64(seen[item["index"]]["hash"])
        right = dict(item["entry"])
        assert leaf_hash(canonical(right)) == target  # positive control: with the salt the guess is confirmed
        for salt in ("00" * 32, ""):
            assert leaf_hash(canonical({**right, "salt": salt})) != target
        del right["salt"]
        assert leaf_hash(canonical(right)) != target
    salts = [LogEntry.read(decode_base64(item["leaf"])).salt for item in items(world, "auditor")]
    assert len(set(salts)) == len(salts)


def test_everybody_can_verify_that_nothing_was_left_out(world: Any) -> None:
    world.released_job()
    found = world.call("GET", "/log/checkpoint", "rival")
    checkpoint = Checkpoint.parse(found["note"].rsplit("\n\n", 1)[0] + "\n")
    read = {}
    for who in (*OWN, *OTHERS):
        leaves = [read_item(item) for item in items(world, who)]
        read[who] = len(verify_entries(leaves, checkpoint))
        for place in (3, 11):
            with pytest.raises(BadProof):
                verify_entries(leaves[:place] + leaves[place + 1 :], checkpoint)
    hidden = next(place for place, leaf in enumerate(leaves) if isinstance(leaf, Hidden))
    bent = [*leaves[:hidden], Hidden(bytes(32)), *leaves[hidden + 1 :]]
    with pytest.raises(BadProof):
        verify_entries(bent, checkpoint)
    assert read["auditor"] == read["authority"] == checkpoint.size
    assert 0 < read["rival"] == read["witness-1"] < read["ewr"] <= checkpoint.size
    for item in items(world, "rival"):
        path = f"/log/inclusion?index={item['index']}&size={checkpoint.size}"
        answer = world.call("GET", path, "rival")
        assert ("entry" in answer) == ("entry" in item)
        proof = [decode_base64(value) for value in answer["proof"]]
        if "entry" in answer:
            verify_inclusion(decode_base64(answer["entry"]), item["index"], checkpoint.size, proof, checkpoint.root)


def test_each_party_reads_its_own_jobs_and_public_kinds(world: Any) -> None:
    job = world.released_job()
    of_job = {item["index"] for item in items(world, "auditor", f"&job={job}")}
    assert len(of_job) > 20
    for who in ("acme", "ewr", "node-ewr"):
        assert {item["index"] for item in items(world, who, f"&job={job}")} == of_job
    for filters in (f"&job={job}", "&kind=job.released", "&actor=operator:acme", "&actor=hub:hub"):
        assert [item["index"] for item in items(world, "rival", filters) if item["index"] in of_job] == []
    assert [item["entry"]["event"] for item in items(world, "rival", "&kind=roster.accepted")] == ["roster.accepted"]
    kinds = {item["entry"]["event"] for item in items(world, "rival") if "entry" in item}
    assert kinds == {"roster.accepted", "status-list.published", "dataset.registered"}
    assert all(item["entry"]["event"] != "token.issued" for item in items(world, "ewr") if "entry" in item)


def test_addresses_are_for_the_auditor_only(world: Any) -> None:
    world.released_job()
    shown = [item for item in items(world, "auditor") if "origin" in item]
    assert {item["origin"]["address"] for item in shown} == {"testclient"}
    assert not [item for who in ("acme", "ewr", "rival") for item in items(world, who) if "origin" in item]
    assert b"testclient" not in b"".join(decode_base64(item["leaf"]) for item in items(world, "auditor"))
    forged = {**shown[0], "origin": {**shown[0]["origin"], "address": "198.51.100.7"}}
    with pytest.raises(BadProof, match="address"):
        read_item(forged)
    guessed = {parse_json(decode_base64(item["leaf"]))["origin"] for item in shown}
    assert digest(b"testclient") not in guessed
    assert len(guessed) == len(shown)


def test_a_month_of_addresses_is_destroyed_and_the_log_still_verifies(world: Any) -> None:
    world.released_job()
    with pytest.raises(InvalidTransition, match="running month"):
        destroy_contents(world.store, "addresses-2026-11", HUB)
    world.clock.now += timedelta(days=30)
    before = items(world, "auditor")
    destroy_contents(world.store, "addresses-2026-11", HUB)
    after = items(world, "auditor")
    assert [item["leaf"] for item in after[: len(before)]] == [item["leaf"] for item in before]
    assert any(item.get("origin") for item in before)
    assert not any(item.get("origin") for item in after)
    found = world.call("GET", "/log/checkpoint", "auditor")
    checkpoint = Checkpoint.parse(found["note"].rsplit("\n\n", 1)[0] + "\n")
    entries = verify_entries(map(read_item, items(world, "auditor")), checkpoint)
    assert [entry.event for entry in entries[-2:]] == ["content.ordered", "content.destroyed"]
    with pytest.raises(NotFound, match="nothing of"):
        destroy_contents(world.store, "addresses-2026-11", HUB)


def test_contents_of_a_job_go_when_it_is_over_and_its_parties_read_that_they_went(world: Any) -> None:
    world.register_all()
    job = str(world.submit()["id"])
    with world.store.change(Event("test.happened", HUB, job=job)) as change:
        put(change, job, "csv", b"table")
        put(change, f"walk {job}", "state", b"state")
    with pytest.raises(InvalidTransition, match="when it is over"):
        destroy_contents(world.store, job, HUB)
    world.call("POST", f"/jobs/{job}/cancel", "acme")
    assert destroy_contents(world.store, job, HUB) == 2
    with world.store.read() as connection, pytest.raises(ContentDestroyed):
        get(connection, job, "csv")
    for who, seen in (("acme", 2), ("ewr", 2), ("auditor", 2), ("rival", 0)):
        assert len(items(world, who, "&kind=content.destroyed")) == seen


def test_a_filtered_page_looks_at_a_bounded_part_of_the_log(world: Any) -> None:
    """A page may be empty and still name where to go on; the cursor says nothing about hidden entries."""
    start = world.call("GET", "/log/checkpoint", "auditor")["size"]
    with world.store.change(Event("test.happened", HUB, subject="x")) as change:
        for _ in range(20_500):
            change.also(Event("test.happened", HUB, subject="x"))
    world.register_all()
    first = world.call("GET", "/log/entries?kind=dataset.registered", "rival")
    assert first == {"items": [], "next": 19_999}
    assert world.call("GET", "/log/entries?kind=test.happened", "rival") == first
    page = world.call("GET", f"/log/entries?kind=dataset.registered&after={first['next']}", "rival")
    assert [item["index"] for item in page["items"]] == [start + 20_501 + n for n in range(3)]
    assert page["next"] is None
