"""The service around the jobs: submissions, visibility, log, long polls, limits, problems."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from typing import Any, cast

import pytest

from jobs.documents import Envelope, ForbiddenUse, Period
from jobs.documents.ed25519 import decode_base64
from sandbox.audit import (
    EMPTY_ROOT,
    Checkpoint,
    Cosigner,
    LogEntry,
    Note,
    SeenLog,
    verify_consistency,
    verify_inclusion,
)
from sandbox.hub.core.hub import Hub
from sandbox.hub.people.tokens import Role, issue_token, list_tokens, revoke_token
from sandbox.store.engine import sqlite_url
from sandbox.store.event import Actor
from sandbox.store.migrate import open_store
from tests.integration.conftest import START, dataset_json
from tests.integration.participant import ORIGIN
from tests.support.signed import key, seeded

SQL = "SELECT carrier, COUNT(*) AS flights, AVG(delay) AS mean FROM flights GROUP BY carrier"


def test_the_same_idempotency_key_gives_the_same_job(world: Any) -> None:
    world.register_all()
    first = world.submit(key="k-1")
    again = world.submit(key="k-1", status=200)
    assert again["id"] == first["id"]
    assert world.submit(key="k-1", sql=SQL + " LIMIT 1", status=409)["code"] == "conflicting"
    assert world.submit(operator="rival", key="k-1")["id"] != first["id"]
    assert len(world.call("GET", "/jobs", "acme")["items"]) == 1


def test_the_same_question_is_answered_again_from_the_release_without_a_run(world: Any) -> None:
    job = world.released_job()
    again = world.submit()
    assert (again["state"], again["replay_of"]) == ("released", job)
    first, second = (world.call("GET", f"/jobs/{one}/release", "acme") for one in (job, again["id"]))
    assert first["rows"] == second["rows"]
    assert first["digest"] == second["digest"]
    usage = world.call("GET", "/usage", "auditor")["items"]
    assert [(row["unit"], row["amount"], row["releases"]) for row in usage] == [("cells", 4, 2), ("runs", 1, 2)] * 3
    events = [e["entry"]["event"] for e in world.call("GET", f"/log/entries?job={again['id']}", "auditor")["items"]]
    assert "job.replayed" in events
    assert "job.permitted" not in events
    preview = world.call("POST", "/plans", "acme", json={"request": {"sql": SQL}})
    assert (preview["decision"], preview["replay_of"]) == ("allowed", job)


def test_a_replay_needs_a_grant_that_is_valid_now(world: Any) -> None:
    world.released_job()
    world.clock.now += timedelta(days=31)
    world.publish_status(2)
    later = world.submit()
    assert later["state"] == "needs_approval"
    assert {reason["code"] for reason in later["reasons"]} == {"grant-expired"}


def test_a_preview_explains_and_stores_nothing(world: Any) -> None:
    world.register_all()
    size = world.call("GET", "/health", None)["log_size"]
    shown = world.call("POST", "/plans", "acme", json={"request": {"sql": SQL}})
    assert shown["decision"] == "needs_approval"
    assert shown["words"]["text"]
    assert shown["plan"]["dataset"] == "flights"
    assert world.call("GET", "/health", None)["log_size"] == size
    assert world.call("GET", "/jobs", "acme")["items"] == []


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELECT carrier carrier carrier FROM", "invalid-sql"),
        ("SELECT tail FROM flights", None),
        ("SELECT COUNT(*) AS n FROM nowhere", "unknown-name"),
        ("DROP TABLE flights", None),
    ],
)
def test_what_the_planner_refuses_is_a_problem_with_a_position(world: Any, sql: str, code: str | None) -> None:
    world.register_all()
    refusal = world.call("POST", "/plans", "acme", json={"request": {"sql": sql}}, status=422)
    assert code is None or refusal["code"] == code
    assert refusal["line"] >= 1


def test_a_commitment_binds_operator_datasets_and_period(world: Any) -> None:
    world.register_all()
    other = world.commitment("rival")
    assert world.submit(commitment=other, status=403)["code"] == "not-permitted"
    outside = world.submit(commitment=world.commitment(datasets=("weather",)))
    assert (outside["state"], outside["reasons"][0]["code"]) == ("denied", "outside-commitment")
    period = Period(start=START - timedelta(days=9), end=START - timedelta(days=1))
    assert world.submit(commitment=world.commitment(period=period), status=403)["code"] == "expired"


def test_the_negative_list_refuses_by_entry(world: Any) -> None:
    world.register_all()
    entry = ForbiddenUse(id="N-7", dataset="flights", column="delay", ground="listed", reason="under dispute")
    world.publish_status(2, forbidden=(entry,))
    job = world.submit()
    assert job["state"] == "denied"
    assert job["reasons"][0]["entry"] == "N-7"
    assert "under dispute" in job["reasons"][0]["text"]
    assert world.submit(sql="SELECT carrier, COUNT(*) AS n FROM flights GROUP BY carrier")["state"] == "needs_approval"
    whole = ForbiddenUse(id="N-8", dataset="flights", ground="dispute", reason="stop")
    world.publish_status(3, forbidden=(whole,))
    assert world.register("ewr", sequence=2, status=403)["code"] == "negative-listed"


def test_holders_must_register_the_same_dataset_and_no_core_data(world: Any) -> None:
    world.register("ewr")
    changed = dataset_json()
    changed["title"] = "other"
    changed["columns"][2]["bounds"] = {"low": "-50", "high": "2000"}
    refusal = world.register("jfk", dataset=changed, status=422)
    assert "title" in refusal["detail"]
    assert "columns.delay.bounds" in refusal["detail"]
    core = dataset_json()
    core["columns"][2]["grade"] = "core"
    assert "graded core" in world.register("jfk", dataset=core, status=422)["detail"]
    assert world.register("ewr", status=201)  # the same record again
    document = dataset_json()
    record = world.record("ewr").model_copy(update={"label": "other"}).sign(key("ewr"))
    body = {"dataset": document, "record": record.to_json()}
    assert world.call("POST", "/datasets", "ewr", json=body, status=409)["code"] == "conflicting"


def test_people_see_their_own_jobs_only(world: Any) -> None:
    world.register("ewr")
    world.register("jfk")
    job = world.submit()["id"]
    assert world.call("GET", f"/jobs/{job}", "rival", status=404)["code"] == "not-found"
    assert world.call("GET", f"/jobs/{job}", "lga", status=404)["code"] == "not-found"
    assert "request" not in world.call("GET", f"/jobs/{job}", "ewr")
    assert world.call("GET", f"/jobs/{job}", "auditor")["request"]["sql"] == SQL
    assert world.call("GET", "/jobs", "rival")["items"] == []
    for path in ("release", "files/csv", "files/arrow"):
        assert world.call("GET", f"/jobs/{job}/{path}", "acme", status=409)["code"] == "invalid-transition"
        world.call("GET", f"/jobs/{job}/{path}", "rival", status=404)
    assert world.call("POST", f"/jobs/{job}/cancel", "rival", status=404)["code"] == "not-found"


def test_an_operator_has_so_many_requests_waiting_and_no_more(make_world: Any) -> None:
    world = make_world(front_door={"waiting_requests": 2})
    world.register_all()
    job = world.submit(key="k-1")["id"]
    world.submit(sql=SQL + " LIMIT 1")
    size = world.call("GET", "/health", None)["log_size"]
    body = {"request": {"sql": SQL + " LIMIT 2"}, "commitment": world.commitment(sql=SQL + " LIMIT 2").to_json()}
    headers = {"Authorization": f"Bearer {world.tokens['acme']}"}
    refused = world.client.post("/v1/jobs", json=body, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (429, "too-many-requests")
    assert int(refused.headers["retry-after"]) >= 60
    assert world.call("GET", "/health", None)["log_size"] == size  # nothing was stored
    assert world.submit(key="k-1", status=200)["id"] == job
    world.submit(operator="rival")
    world.call("POST", f"/jobs/{job}/cancel", "acme")
    assert world.submit(sql=SQL + " LIMIT 2")["state"] == "needs_approval"


def test_a_cancelled_job_stays_cancelled(world: Any) -> None:
    world.register_all()
    job = world.submit()["id"]
    world.grant_all(job)
    assert world.call("POST", f"/jobs/{job}/cancel", "acme")["state"] == "cancelled"
    assert world.call("POST", f"/jobs/{job}/cancel", "acme", status=409)["code"] == "invalid-transition"
    assert "abort" in [item["kind"] for item in world.nodes["ewr"].inbox()]


def test_pages_hold_everything_once(world: Any) -> None:
    world.register_all()
    jobs = [world.submit()["id"] for _ in range(5)]
    seen, after = [], -1
    while after is not None:
        page = world.call("GET", f"/jobs?limit=2&after={after}", "acme")
        seen += [item["id"] for item in page["items"]]
        after = page["next"]
    assert seen == jobs


def test_tokens_are_hashed_expire_and_are_revoked(world: Any) -> None:
    cli = Actor("hub", "cli")

    def issue(seed: str) -> Any:
        issued = issue_token(world.store, Role.AUDITOR, seed, cli, seeded(seed), START + timedelta(days=1))
        world.tokens[seed] = issued.secret
        world.call("GET", "/jobs", seed)
        return issued

    second = issue("second")
    data = (world.folder / "hub.sqlite").read_bytes() + (world.folder / "hub.sqlite-wal").read_bytes()
    assert second.secret.removeprefix("unseen_").encode() not in data
    assert second.secret not in repr(second)
    third = issue("third")
    revoke_token(world.store, third.id, cli)
    assert world.call("GET", "/jobs", "third", status=401)["code"] == "not-authenticated"
    world.clock.now += timedelta(days=2)
    refusal = world.call("GET", "/jobs", "second", status=401)
    assert refusal["code"] == "token-expired"
    assert "2026-11-22" in refusal["detail"]
    assert "unseen hub token" in refusal["advice"]
    listed = {row["id"]: row for row in list_tokens(world.store, cli)}
    assert listed[third.id]["revoked"] == "2026-11-21T08:00:00Z"
    assert listed[second.id] == {**listed[second.id], "role": "auditor", "subject": "second", "revoked": None}
    events = [e["entry"]["event"] for e in world.call("GET", "/log/entries?limit=1000", "auditor")["items"]]
    assert events[-4:] == ["token.issued", "token.issued", "token.revoked", "token.listed"]
    world.tokens["bad"] = "unseen_AAAA"
    world.call("GET", "/jobs", "bad", status=401)
    world.call("GET", "/jobs", None, status=401)


def test_checkpoints_proofs_and_cosignatures_hold(world: Any) -> None:
    world.released_job()
    node = world.nodes["ewr"]
    node.cosign()
    world.submit(sql=SQL + " LIMIT 1")
    node.cosign()  # checks consistency itself
    found = world.call("GET", "/log/checkpoint", "auditor")
    note = Note.parse(found["note"].encode())
    checkpoint = Checkpoint.parse(note.text)
    assert "node-ewr" in {signature.name for signature in note.signatures}
    entries = world.call("GET", "/log/entries?limit=1000", "auditor")["items"]
    assert len(entries) == checkpoint.size == found["size"]
    for item in entries[:: max(1, len(entries) // 7)]:
        path = f"/log/inclusion?index={item['index']}&size={checkpoint.size}"
        proof = [decode_base64(value) for value in world.call("GET", path, "auditor")["proof"]]
        leaf = decode_base64(item["leaf"])
        verify_inclusion(leaf, item["index"], checkpoint.size, proof, checkpoint.root)
        assert (LogEntry.read(leaf).origin is None) == ("origin" not in item)
    answer = world.call("GET", f"/log/consistency?first=0&second={checkpoint.size}", "auditor")
    verify_consistency(0, EMPTY_ROOT, checkpoint.size, checkpoint.root, [decode_base64(v) for v in answer["proof"]])
    too_large = f"/log/inclusion?index=0&size={checkpoint.size + 1000}"
    assert world.call("GET", too_large, "auditor", status=409)["code"] == "bad-proof"


def test_a_cosignature_by_another_name_or_key_is_refused(world: Any) -> None:
    found = world.call("GET", "/log/checkpoint", "node-ewr")
    seen = SeenLog.nothing(ORIGIN)
    by_jfk = Cosigner("node-jfk", key("node-jfk"), ORIGIN, key("hub").public)
    forged = Cosigner("node-ewr", key("node-jfk"), ORIGIN, key("hub").public)

    def send(cosigner: Any, who: str, status: int) -> Any:
        line = cosigner.advance(seen, found["note"].encode(), (), world.clock()).signature.line
        body = {"size": found["size"], "cosignature": {"size": found["size"], "line": line}}
        return world.call("POST", "/log/follow", who, json=body, status=status)

    assert send(by_jfk, "node-ewr", 403)["code"] == "not-permitted"
    assert send(forged, "node-ewr", 409)["code"] == "malformed-note"
    for who in ("auditor", "acme", "ewr"):
        assert send(by_jfk, who, 403)["code"] == "not-permitted"
    assert send(by_jfk, "node-jfk", 200)["size"] == found["size"]  # the control: its own name and key


def test_a_long_poll_answers_when_something_comes_and_not_before(world: Any) -> None:
    world.register_all()
    job = world.submit()["id"]
    answers: list[Any] = []

    def poll() -> None:
        answers.append(world.nodes["ewr"].inbox(wait=20))

    thread = threading.Thread(target=poll)
    thread.start()
    time.sleep(0.3)
    assert answers == []
    world.grant_all(job)
    thread.join(15)
    assert [item["kind"] for item in answers[0]] == ["permit"]
    assert world.nodes["ewr"].inbox(wait=0.05) == []


def test_a_follower_is_told_of_a_larger_log(world: Any) -> None:
    size = world.call("GET", "/log/checkpoint", "auditor")["size"]
    answers: list[Any] = []

    def follow() -> None:
        answers.append(world.call("POST", "/log/follow?wait=20", "witness-1", json={"size": size}))

    thread = threading.Thread(target=follow)
    thread.start()
    time.sleep(0.2)
    assert answers == []
    world.register("ewr")
    thread.join(15)
    assert answers[0]["size"] > size


def test_whoever_is_woken_by_a_larger_log_finds_that_it_has_grown(world: Any) -> None:
    """The task that signs looks at the pace when it wakes; woken before the pace knows, it would sleep for a minute."""
    left: list[float | None] = []

    class AtOnce:
        """A loop that is as fast as it can be: what is called soon is called now."""

        def is_closed(self) -> bool:
            return False

        def call_soon_threadsafe(self, *_: Any) -> None:
            left.append(hub.pace.seconds_left())

    store = open_store(sqlite_url(world.folder / "another.sqlite"), world.clock)
    hub = Hub(world.config, store, key("hub"), world.trust)
    hub.notifier._loop = cast(Any, AtOnce())
    issue_token(store, Role.AUDITOR, "auditor", Actor("hub", "cli"), seeded("x"), START + timedelta(days=1))
    assert left
    assert None not in left
    store.close()


def test_events_tell_every_state_until_the_end(world: Any) -> None:
    world.register_all()
    job = world.submit()["id"]
    lines: list[str] = []

    def follow() -> None:
        headers = {"Authorization": f"Bearer {world.tokens['acme']}"}
        with world.client.stream("GET", f"/v1/jobs/{job}/events", headers=headers) as stream:
            lines.extend(line for line in stream.iter_lines() if line.startswith("data:"))

    thread = threading.Thread(target=follow)
    thread.start()
    world.grant_all(job)
    world.run_nodes()
    thread.join(20)
    assert not thread.is_alive()
    assert '"state":"released"' in lines[-1]


def test_rosters_are_a_chain_from_the_pinned_root(world: Any) -> None:
    newer = world.roster(2).sign(key("other-root"))
    assert world.call("POST", "/roster", "authority", json=newer.to_json(), status=403)["code"] == "bad-signature"
    world.call("POST", "/roster", "authority", json=world.roster_envelope(2).to_json(), status=201)
    older = world.roster_envelope(1)
    assert world.call("POST", "/roster", "authority", json=older.to_json(), status=409)["code"] == "roster-rollback"
    other = world.roster(2).model_copy(update={"operators": ()}).sign(key("root"))
    assert world.call("POST", "/roster", "authority", json=other.to_json(), status=409)["code"] == "roster-rollback"
    assert Envelope.from_json(world.call("GET", "/roster", None)).digest == world.roster_envelope(2).digest
    world.call("POST", "/roster", "ewr", json=newer.to_json(), status=403)


def test_a_body_beyond_the_limit_is_refused_before_it_is_read(make_world: Any) -> None:
    world = make_world(max_body_bytes=1 << 16)
    body = {"request": {"sql": "x" * (1 << 17)}}
    assert world.call("POST", "/plans", "acme", json=body, status=413)["code"] == "too-large-body"


def test_an_unknown_path_or_method_is_a_problem_too(world: Any) -> None:
    assert world.call("GET", "/nothing", "acme", status=404)["code"] == "not-found"
    assert world.call("DELETE", "/jobs", "acme", status=405)["code"] == "method-not-allowed"
    assert world.call("POST", "/plans", "acme", json={"request": 7}, status=422)["code"] == "invalid-request"
    shapeless = world.call("POST", "/plans", "acme", json={"request": {"sql": 7}}, status=422)
    assert (shapeless["code"], "sql" in shapeless["detail"]) == ("request-refused", True)
    unknown = world.call("POST", "/plans", "acme", json={"kind": "séance", "request": {}}, status=403)
    assert "statistics" in unknown["detail"]
