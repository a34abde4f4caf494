"""Messages of any kind: from node to node, in pieces, bounded; and a kind's own fault ends its job and no other."""

from __future__ import annotations

import os
import threading
from typing import Any

import pytest
from sqlalchemy import select

from jobs.documents import Vouch, digest
from jobs.kinds import registry
from sandbox.hub.core.uploads import AT_ONCE, EXPIRES_S
from sandbox.hub.running.deadlines import silent_nodes, tick
from sandbox.hub.running.held import whole_round
from sandbox.messages import INLINE_BYTES, Message, unseal
from sandbox.store.tables import jobs
from tests.integration.running_job import drive_with_a_restart

PACKAGE = "tests.integration.note_kind"
registry.add(PACKAGE)
EWR, JFK, LGA = "node-ewr", "node-jfk", "node-lga"


@pytest.fixture
def notes(make_world: Any) -> Any:
    """A platform that knows the note kind."""
    world = make_world(kinds=(PACKAGE,))
    world.register_all()
    return world


def ask(world: Any, fault: str = "") -> str:
    """A job whose permit is in every inbox."""
    request = {"dataset": "flights", "fault": fault}
    shown = world.call("POST", "/plans", "acme", json={"kind": "note", "request": request})
    bound = world.commitment(plans=(shown["plan_digest"],))
    body = {"kind": "note", "request": request, "commitment": bound.to_json()}
    job = str(world.call("POST", "/jobs", "acme", json=body, status=201)["id"])
    world.grant_all(job)
    return job


def first_post(node: Any) -> list[Any]:
    (post,) = node.answer(node.inbox()[0])
    return list(post)


def log_size(world: Any) -> int:
    return int(world.call("GET", "/health", None)["log_size"])


def failure(world: Any, job: str) -> tuple[str, list[str]]:
    found = world.call("GET", f"/jobs/{job}", "acme")["failure"]
    return found["code"], found["nodes"]


def unchanged(world: Any, job: str, size: int) -> bool:
    return (log_size(world), world.state(job)) == (size, "running")


def large(node: Any, job: str, size: int, sequence: int = 1, to: str = JFK) -> Message:
    """One more note, of about this size, that everybody can tell from random bytes."""
    made: Message = node.runs[job].message("note", os.urandom(size), to, sequence)
    return made


def pieces(body: bytes) -> list[tuple[int, bytes]]:
    return [(start, body[start : start + INLINE_BYTES]) for start in range(0, len(body), INLINE_BYTES)]


# --- from node to node ----------------------------------------------------------------------------------------------


def test_a_note_reaches_its_receiver_and_nobody_else(notes: Any) -> None:
    job = ask(notes)
    ewr, jfk, lga = notes.nodes.values()
    post = first_post(ewr)
    assert {message.header.receiver for message in post} == {JFK, LGA}
    ewr.post(post)
    (to_jfk,) = [message for message in post if message.header.receiver == JFK]
    assert [item["kind"] for item in jfk.inbox()] == ["permit", "messages"]
    assert jfk.piece(job, to_jfk.header, 0) == to_jfk.body
    assert unseal(jfk.sealing.private(), to_jfk) == b"from node-ewr"  # the control: with the receiver's key it opens
    (item,) = [item for item in lga.inbox() if item["kind"] == "messages"]
    assert to_jfk.envelope.to_json() not in [carried["header"] for carried in item["body"]["messages"]]
    for reader in (lga, ewr):
        assert reader.piece(job, to_jfk.header, 0, status=404)["code"] == "not-found"
    place = {"round": "note", "sequence": 0, "sender": EWR, "receiver": JFK, "number": 0}
    for who in ("acme", "auditor", "ewr", LGA):
        notes.call("GET", f"/nodes/{JFK}/jobs/{job}/bodies", who, params=place, status=403)
    assert jfk.piece(job, to_jfk.header, 1, status=404)["code"] == "not-found"
    assert jfk.piece("job-none", to_jfk.header, 0, status=404)["code"] == "not-found"


def drive(world: Any, held: tuple[str, ...] = (), job: str | None = None) -> dict[str, list[Any]]:
    """Let all nodes answer until nobody has news, but keep back what is ``held``: "NODE ROUND", or "NODE vouch"."""
    kept, news = {}, True
    while news:
        news = False
        for node in world.nodes.values():
            for item in node.inbox():
                news = True
                for post in node.answer(item):
                    first = post[0].header.round if isinstance(post[0], Message) else "vouch"
                    if f"{node.name} {first}" in held and job in (None, item["job"]):
                        kept[f"{node.name} {first}"] = post
                    else:
                        node.post(post)
    return kept


def silent(world: Any, job: str) -> tuple[str, ...]:
    with world.store.read() as connection:
        return silent_nodes(connection, connection.execute(select(jobs).where(jobs.c.id == job)).one())


def test_a_job_of_notes_is_released_when_every_participant_has_vouched(notes: Any) -> None:
    job = ask(notes)
    kept = drive(notes, (f"{EWR} mark", f"{JFK} vouch", f"{LGA} vouch"))
    assert silent(notes, job) == (EWR,)
    notes.nodes["ewr"].post(kept[f"{EWR} mark"])
    kept = drive(notes, (f"{JFK} vouch", f"{LGA} vouch"))
    assert (notes.state(job), silent(notes, job)) == ("running", (JFK, LGA))
    notes.nodes["jfk"].post(kept[f"{JFK} vouch"])
    assert (notes.state(job), silent(notes, job)) == ("running", (LGA,))
    notes.nodes["lga"].post(kept[f"{LGA} vouch"])
    drive(notes)
    assert notes.state(job) == "released"
    release = notes.call("GET", f"/jobs/{job}/release", "acme")
    assert (release["marks"], [file["name"] for file in release["files"]]) == (3, ["json"])
    assert notes.call("GET", f"/jobs/{job}/files/json", "acme") == {"marks": 3}
    assert "json" in notes.call("GET", f"/jobs/{job}/files/csv", "acme", status=404)["detail"]
    usage = notes.call("GET", "/usage", "auditor")["items"]
    assert [(row["unit"], row["amount"]) for row in usage] == [("marks", 1), ("runs", 1)] * 3


def test_the_output_shows_participants_what_it_was_computed_from(notes: Any) -> None:
    """Before there is something to recompute a node reads only what is for it; then, what was for the hub too."""
    job = ask(notes)
    ewr = notes.nodes["ewr"]
    kept = drive(notes, (f"{LGA} mark", f"{EWR} vouch"))
    (mark, _) = kept[f"{LGA} mark"]
    mark_of_jfk = mark.header.model_copy(update={"sender": JFK})
    assert ewr.piece(job, mark_of_jfk, 0, status=404)["code"] == "not-found"
    notes.nodes["lga"].post(kept[f"{LGA} mark"])
    assert ewr.piece(job, mark_of_jfk, 0) == b"mark"
    (output,) = [item for item in ewr.inbox() if item["kind"] == "output"]
    assert len(output["body"]["messages"]) == 3


def test_a_vouch_for_another_release_ends_the_job(notes: Any) -> None:
    job = ask(notes)
    ewr = notes.nodes["ewr"]
    kept = drive(notes, (f"{EWR} vouch",))
    assert kept
    other = Vouch(node=EWR, permit=ewr.runs[job].case.permit, release=digest(b"another")).sign(ewr.key)
    assert ewr.post([other], status=400)["code"] == "wrong-round"
    assert failure(notes, job) == ("bad-message", [EWR])
    notes.call("GET", f"/jobs/{job}/release", "acme", status=409)


def test_a_vouch_before_there_is_a_release_ends_the_job(notes: Any) -> None:
    job = ask(notes)
    ewr = notes.nodes["ewr"]
    first_post(ewr)
    early = Vouch(node=EWR, permit=ewr.runs[job].case.permit, release=digest(b"any")).sign(ewr.key)
    assert ewr.post([early], status=400)["code"] == "wrong-round"
    assert failure(notes, job) == ("bad-message", [EWR])


@pytest.mark.parametrize("sequence", [2, 3])
def test_notes_are_numbered_without_a_gap_and_bounded(notes: Any, sequence: int) -> None:
    job = ask(notes)
    ewr = notes.nodes["ewr"]
    ewr.post(first_post(ewr))
    if sequence == 3:
        ewr.post([large(ewr, job, 9, 1), large(ewr, job, 9, 2)])  # the control: three are allowed
    assert ewr.post([large(ewr, job, 9, sequence)], status=400)["code"] == "wrong-round"
    assert failure(notes, job) == ("bad-message", [EWR])


@pytest.mark.parametrize("receiver", [EWR, "hub-1", "node-xyz", "all"])
def test_a_note_is_for_one_other_participant(notes: Any, receiver: str) -> None:
    job = ask(notes)
    ewr = notes.nodes["ewr"]
    post = first_post(ewr)
    assert ewr.post([ewr.resigned(post[0], receiver=receiver)], status=400)["code"] == "unknown-party"
    assert failure(notes, job) == ("bad-message", [EWR])


@pytest.mark.parametrize("steps", [0, 3, 7, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 2, 4, 5, 6, 8))])
def test_killed_and_restarted_between_any_two_messages_it_still_ends_released_once(notes: Any, steps: int) -> None:
    """Also between the draft that participants recompute and the release; large bodies are asked for again."""
    job = ask(notes)
    for node, post in [(node, first_post(node)) for node in notes.nodes.values()]:
        others = [name for name in (EWR, JFK, LGA) if name != node.name]
        node.post([*post, *(large(node, job, 2 * INLINE_BYTES, 1, to) for to in others)])
    drive_with_a_restart(notes, steps)
    assert notes.state(job) == "released"
    items = notes.call("GET", f"/log/entries?job={job}&kind=job.released", "auditor")["items"]
    assert len(items) == 1
    notes.cosign_all()
    notes.call("GET", f"/jobs/{job}/receipt", "acme")


# --- in pieces ------------------------------------------------------------------------------------------------------


def test_pieces_in_any_order_and_twice_are_one_body(notes: Any) -> None:
    job = ask(notes)
    ewr, jfk, _ = notes.nodes.values()
    ewr.post(first_post(ewr))
    note = large(ewr, job, 2 * INLINE_BYTES + 77)
    parts = pieces(note.body)
    for start, piece in [*reversed(parts), parts[1]]:
        ewr.put_piece(note.header.body, start, piece)
    header = {"messages": [{"envelope": note.envelope.to_json(), "body": None}]}
    for _ in range(
        2
    ):  # the header again, although its body has been taken: a node that heard no answer sends all again
        notes.call("POST", f"/nodes/{EWR}/messages", EWR, json=header, status=202)
        ewr.upload(note.body)
    (carried,) = jfk.inbox()[-1]["body"]["messages"]
    assert carried["body"] is None
    assert b"".join(jfk.piece(job, note.header, number) for number in range(3)) == note.body
    assert jfk.piece(job, note.header, 3, status=404)["code"] == "not-found"


def test_a_body_of_which_a_piece_is_missing_is_to_be_sent_again(notes: Any) -> None:
    job = ask(notes)
    ewr = notes.nodes["ewr"]
    ewr.post(first_post(ewr))
    note = large(ewr, job, 2 * INLINE_BYTES + 77)
    size, header = log_size(notes), {"messages": [{"envelope": note.envelope.to_json(), "body": None}]}
    path = f"/nodes/{EWR}/messages"
    for missing in range(3):
        for number, (start, piece) in enumerate(pieces(note.body)):
            if number != missing:
                ewr.put_piece(note.header.body, start, piece)
        refused = notes.call("POST", path, EWR, json=header, status=503)
        assert "send its pieces" in refused["detail"]
        assert unchanged(notes, job, size)
    ewr.upload(note.body)
    notes.call("POST", path, EWR, json=header, status=202)
    assert len(list((notes.folder / "uploads").glob("*/*"))) == 0


@pytest.mark.parametrize("spoil", ["another bit", "too long", "none"])
def test_other_bytes_than_the_header_names_are_to_be_sent_again_and_spoil_nothing(notes: Any, spoil: str) -> None:
    job = ask(notes)
    ewr = notes.nodes["ewr"]
    ewr.post(first_post(ewr))
    note = large(ewr, job, INLINE_BYTES + 77)
    size, header = log_size(notes), {"messages": [{"envelope": note.envelope.to_json(), "body": None}]}
    if spoil == "another bit":
        ewr.put_piece(note.header.body, 0, bytes(INLINE_BYTES))
        ewr.put_piece(note.header.body, INLINE_BYTES, note.body[INLINE_BYTES:])
    elif spoil == "too long":
        ewr.upload(note.body)
        ewr.put_piece(note.header.body, 5 * INLINE_BYTES, b"more")
    notes.call("POST", f"/nodes/{EWR}/messages", EWR, json=header, status=503)
    assert unchanged(notes, job, size)
    ewr.post([note])  # all pieces, then the header
    assert log_size(notes) == size + 1


def test_a_piece_has_a_place_a_size_and_an_owner(notes: Any) -> None:
    job = ask(notes)
    ewr, jfk, _ = notes.nodes.values()
    ewr.post(first_post(ewr))
    named, size = digest(b"body"), log_size(notes)
    for offset, piece in ((1, b"x"), (INLINE_BYTES - 1, b"x"), (0, bytes(INLINE_BYTES + 1)), (1 << 31, b"x"), (0, b"")):
        refused = ewr.put_piece(named, offset, piece, status=400 if piece else 422)
        assert refused["code"] in ("malformed-message", "invalid-request")
    ewr.put_piece(named, -INLINE_BYTES, b"x", status=422)
    for name in ("sha256:xyz", named.upper(), "..%2F..%2Fhub.key", named + "0"):
        response = notes.client.put(
            f"/v1/nodes/{EWR}/bodies/{name}?offset=0",
            content=b"x",
            headers={"Authorization": f"Bearer {notes.tokens[EWR]}", "Content-Type": "application/octet-stream"},
        )
        assert response.status_code in (400, 404), name
    octets = {"Content-Type": "application/octet-stream"}
    for who in (JFK, "acme", "ewr", "auditor"):
        path = f"/nodes/{EWR}/bodies/{named}?offset=0"
        notes.call("PUT", path, who, content=b"x", headers=octets, status=403)
    assert list((notes.folder / "uploads").glob("*/*")) == []
    note = large(ewr, job, INLINE_BYTES + 1)
    jfk.upload(note.body)  # the right bytes, sent by another node
    header = {"messages": [{"envelope": note.envelope.to_json(), "body": None}]}
    notes.call("POST", f"/nodes/{EWR}/messages", EWR, json=header, status=503)
    assert unchanged(notes, job, size)
    ewr.post([note])


def test_bodies_that_no_header_claims_go_after_a_while(notes: Any) -> None:
    job = ask(notes)
    ewr = notes.nodes["ewr"]
    ewr.post(first_post(ewr))
    old, young = large(ewr, job, INLINE_BYTES + 1), large(ewr, job, INLINE_BYTES + 1, 2)
    ewr.upload(old.body)
    ewr.upload(young.body)
    files = {file.name: file for file in (notes.folder / "uploads").glob("*/*")}
    then = files[old.header.body.removeprefix("sha256:")].stat().st_mtime - EXPIRES_S - 1
    os.utime(files[old.header.body.removeprefix("sha256:")], (then, then))
    tick(notes.hub)
    left = [file.name for file in (notes.folder / "uploads").glob("*/*")]
    assert left == [young.header.body.removeprefix("sha256:")]


def test_one_node_fills_its_own_room_only(make_world: Any) -> None:
    world = make_world(kinds=(PACKAGE,), upload_bytes=2 << 20)
    ewr, jfk, _ = world.nodes.values()
    one, other = os.urandom(2 * INLINE_BYTES), os.urandom(INLINE_BYTES)
    (first, second), named = pieces(one), digest(one)
    ewr.put_piece(named, *first)
    ewr.put_piece(named, *second)
    assert ewr.put_piece(digest(other), 0, other, status=503)["code"] == "unavailable"
    jfk.put_piece(named, *first)
    far = (2 << 20) - INLINE_BYTES
    jfk.put_piece(digest(b"far"), far, b"x")  # a long file that holds one byte
    jfk.put_piece(digest(b"near"), 0, b"x")
    ewr.put_piece(digest(other), 0, other, status=503)
    world.hub.uploads.drop(EWR, named)
    ewr.put_piece(digest(other), 0, other)


def test_a_message_for_which_there_is_never_room_ends_its_job_with_what_to_change(make_world: Any) -> None:
    """ "Later" would be said for ever: piece and header are refused for good, and the log says that it came."""
    world = make_world(kinds=(PACKAGE,), upload_bytes=1 << 20)
    world.register_all()
    job = ask(world)
    ewr = world.nodes["ewr"]
    ewr.post(first_post(ewr))
    note = large(ewr, job, (1 << 20) + 1)
    *_, last = pieces(note.body)
    refused = ewr.put_piece(note.header.body, *last, status=413)
    assert refused["code"] == "too-large-body"
    assert "upload_bytes" in refused["detail"]
    header = {"messages": [{"envelope": note.envelope.to_json(), "body": None}]}
    again = world.call("POST", f"/nodes/{EWR}/messages", EWR, json=header, status=413)
    assert again["detail"] == refused["detail"]
    shown = world.call("GET", f"/jobs/{job}", "acme")
    assert (shown["state"], shown["failure"]["code"]) == ("failed", "too-large-body")
    assert "upload_bytes" in shown["failure"]["detail"]
    assert (
        note.digest
        in world.call("GET", f"/log/entries?job={job}&kind=message.refused", "auditor")["items"][-1]["entry"]["digests"]
    )


def test_a_node_has_so_many_bodies_waiting_and_no_more(notes: Any) -> None:
    ewr, jfk, _ = notes.nodes.values()
    for number in range(AT_ONCE):
        ewr.put_piece(digest(str(number).encode()), 0, b"x")
    assert ewr.put_piece(digest(b"one more"), 0, b"x", status=503)["code"] == "unavailable"
    ewr.put_piece(digest(b"0"), 0, b"x")  # one that waits already
    jfk.put_piece(digest(b"one more"), 0, b"x")


def test_a_receiver_with_too_much_unread_makes_its_sender_wait_and_nothing_else(notes: Any) -> None:
    """Two senders, 33 MiB each: the second waits until the receiver has said that it needs the first no more."""
    job = ask(notes)
    ewr, jfk, lga = notes.nodes.values()
    for node in (ewr, lga):
        node.post(first_post(node))
    one, two = large(ewr, job, 33 << 20), large(lga, job, 33 << 20)
    ewr.post([one])
    size = log_size(notes)
    refused = lga.post([two], status=503)
    assert "has not read" in refused["detail"]
    assert unchanged(notes, job, size)
    jfk.inbox()  # asking is not enough: after a crash it would have to ask again
    lga.post([two], status=503)
    lga.post([large(lga, job, 9, 1, EWR)])  # others are not held up
    last = jfk.after
    notes.call("GET", f"/nodes/{JFK}/inbox?after={last}&read={last}", JFK)
    lga.post([two])
    assert [item["kind"] for item in jfk.inbox()] == ["messages"]


# --- a kind's own fault ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["check", "advance", "round", "render", "shown"])
def test_a_fault_of_a_kind_ends_its_own_job_typed_and_no_other(notes: Any, fault: str) -> None:
    other = ask(notes)
    job = ask(notes, fault)
    if fault == "check":
        kept = drive(notes, tuple(f"{node} mark" for node in (EWR, JFK, LGA)), job)
        assert notes.nodes["ewr"].post(kept[f"{EWR} mark"], status=503)["code"] == "hub-fault"
    notes.run_nodes()
    code, nodes = failure(notes, job)
    assert nodes == []  # no participant is to blame
    assert code in {"round": ("bad-message", "protocol-failed"), "shown": ("bad-document",)}.get(fault, ("hub-fault",))
    shown = notes.client.get(f"/v1/jobs/{job}", headers={"Authorization": f"Bearer {notes.tokens['acme']}"}).text
    assert "secret of" not in shown
    assert notes.state(other) == "released"
    assert notes.call("GET", f"/jobs/{job}/release", "acme", status=409)["code"] == "invalid-transition"
    rows = notes.call("GET", "/usage", "auditor")["items"]
    assert {row["releases"] for row in rows} == {1}
    statistic = notes.submit()["id"]
    notes.grant_all(statistic)
    notes.run_nodes()
    assert notes.state(statistic) == "released"


def test_a_long_poll_tells_of_a_note_at_once(notes: Any) -> None:
    job = ask(notes)
    ewr, jfk, _ = notes.nodes.values()
    post = first_post(ewr)
    jfk.inbox()
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.extend(jfk.inbox(wait=20)))
    thread.start()
    ewr.post(post)
    thread.join(15)
    assert [(item["kind"], item["job"]) for item in found] == [("messages", job)]


def test_the_hub_holds_nothing_of_notes_that_it_could_read(notes: Any) -> None:
    """Whatever the hub stores of a note is sealed; the control finds the same bytes before they were sealed."""
    job = ask(notes)
    for node in notes.nodes.values():
        node.work()
    with notes.store.read() as connection:
        (to_jfk, to_lga) = sorted(
            (m for m in whole_round(connection, job, "note", 0) if m.header.sender == EWR), key=lambda m: m.header.key
        )
    assert b"from node-ewr" not in to_jfk.body + to_lga.body
    assert unseal(notes.nodes["jfk"].sealing.private(), to_jfk) == b"from node-ewr"
    with pytest.raises(Exception, match="not sealed to this node"):
        unseal(notes.nodes["jfk"].sealing.private(), to_lga)
    assert tick(notes.hub) == 0
