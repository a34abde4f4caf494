"""What a recomputed output rests on: shown to the auditor when its job has ended, until the contents are destroyed."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from jobs.documents import Envelope
from jobs.documents.message import Header
from jobs.kinds import registry
from mpc.errors import MalformedMessage
from sandbox.client.recompute import Recomputed, recompute
from sandbox.errors import IntegrityFailure
from sandbox.hub.core.hub import HUB
from sandbox.hub.log.destroying import destroy_contents
from sandbox.hub.running.deadlines import tick
from tests.integration.test_hub_messages import EWR, JFK, LGA, PACKAGE, ask, drive, failure

registry.add(PACKAGE)


@pytest.fixture
def notes(make_world: Any) -> Any:
    world = make_world(kinds=(PACKAGE,))
    world.register_all()
    return world


def recomputed(
    world: Any, job: str, bend: Callable[[Any], Any] = lambda inputs: inputs, body: bytes = b""
) -> Recomputed:
    """As ``Client.recompute`` does it, over what the hub shows; ``body``: instead of the first message's."""
    inputs = bend(world.call("GET", f"/jobs/{job}/inputs", "auditor"))

    def read_body(place: int, header: Header) -> bytes:
        if place == 0 and body:
            return body
        return bytes(world.client.get(f"/v1/jobs/{job}/inputs/{place}", headers=auditor(world)).content)

    return recompute(inputs, world.hub.roster(), read_body)


def auditor(world: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {world.tokens['auditor']}"}


def test_the_auditor_recomputes_a_release_from_what_the_nodes_signed(notes: Any) -> None:
    job = ask(notes)
    drive(notes)
    assert notes.state(job) == "released"
    found = recomputed(notes, job)
    assert (found.messages, found.participants, found.vouched) == (3, (EWR, JFK, LGA), (EWR, JFK, LGA))
    release = notes.call("GET", f"/jobs/{job}/release", "acme")
    assert found.release.digest == release["digest"]
    assert "every participant recomputed and signed it" in found.checks


def without_last(name: str) -> Callable[[Any], Any]:
    return lambda inputs: {**inputs, name: inputs[name][:-1]}


BENT: dict[str, tuple[Callable[[Any], Any], str]] = {
    "a message left out": (without_last("messages"), "not those that it signed as sent"),
    "a signed list left out": (without_last("sent"), "not one signed list of each participant"),
    "another content": (lambda i: {**i, "salt": base64.b64encode(bytes(32)).decode()}, "another content"),
}


@pytest.mark.parametrize("name", BENT)
def test_what_does_not_agree_is_named(notes: Any, name: str) -> None:
    bend, text = BENT[name]
    job = ask(notes)
    drive(notes)
    recomputed(notes, job)  # the control
    with pytest.raises(IntegrityFailure, match=text):
        recomputed(notes, job, bend)


def test_a_body_that_its_node_did_not_sign_is_refused(notes: Any) -> None:
    job = ask(notes)
    drive(notes)
    with pytest.raises(MalformedMessage):
        recomputed(notes, job, body=b"kram")


def test_inputs_are_the_auditors_alone_after_the_end_and_until_they_are_destroyed(notes: Any) -> None:
    job = ask(notes)
    kept = drive(notes, (f"{LGA} vouch",))
    assert notes.call("GET", f"/jobs/{job}/inputs", "auditor", status=409)["code"] == "invalid-transition"
    notes.call("GET", f"/jobs/{job}/inputs/0", "auditor", status=409)
    notes.nodes["lga"].post(kept[f"{LGA} vouch"])
    drive(notes)
    shown = notes.call("GET", f"/jobs/{job}/inputs", "auditor")
    assert [Header.open(Envelope.from_json(item)).round for item in shown["messages"]] == ["mark"] * 3
    for who in ("acme", "ewr", EWR):
        notes.call("GET", f"/jobs/{job}/inputs", who, status=403)
    notes.call("GET", f"/jobs/{job}/inputs/3", "auditor", status=404)
    destroy_contents(notes.store, job, HUB)
    assert notes.call("GET", f"/jobs/{job}/inputs", "auditor", status=410)["code"] == "content-destroyed"
    assert notes.call("GET", f"/jobs/{job}/inputs/0", "auditor", status=410)["code"] == "content-destroyed"


def test_an_output_that_one_participant_does_not_confirm_is_no_release(notes: Any) -> None:
    """It ends typed at the deadline, no run comes back, and the auditor can still compute what was not confirmed."""
    job = ask(notes)
    drive(notes, (f"{LGA} vouch",))
    notes.clock.now += timedelta(seconds=notes.config.job_seconds + 1)
    tick(notes.hub)
    assert failure(notes, job) == ("output-unconfirmed", [LGA])
    notes.call("GET", f"/jobs/{job}/release", "acme", status=409)
    assert {item["used"] for item in notes.call("GET", "/grants", "auditor")["items"]} == {1}
    found = recomputed(notes, job)
    assert found.vouched == (EWR, JFK)
    assert f"not signed by {LGA}" in found.checks
    with pytest.raises(AssertionError):  # the control: of a job that has no output there is nothing to compute
        recomputed(notes, ask(notes))
