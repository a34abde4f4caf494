"""The seam's proof: a kind that lives in ``tests/contracts/toy_kind`` alone runs through the real hub and real nodes.

Two rounds from node to node, one to the hub; every participant recomputes the output and signs the release; a killed
node goes on from its checkpoint. Nothing outside the folder knows the kind but the configuration that names it.
"""

from __future__ import annotations

import base64
import itertools
import json
import subprocess
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from jobs.documents import Envelope
from jobs.errors import OutOfScope, ProtocolViolation
from jobs.kinds import registry
from sandbox.errors import ReceiptRefused
from sandbox.hub.running.held import with_body
from sandbox.keys import load_key, load_sealing_key
from sandbox.messages import Message, unseal
from sandbox.store.engine import open_engine, reading, sqlite_url
from sandbox.verify import verify_receipt
from tests.support import cli, toy
from tests.support.ground import PATIENCE_S, Ground, open_ground
from tests.support.proxy import When

pytestmark = [pytest.mark.e2e]
PACKAGE: Final = "tests.contracts.toy_kind"
VICTIM: Final = "B"


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    registry.add(PACKAGE)
    with open_ground(tmp_path_factory.mktemp("kinds"), kinds=(PACKAGE,)) as made:
        yield made


@pytest.fixture(autouse=True)
def everybody_lives(ground: Ground) -> Iterator[None]:
    yield
    if not ground.processes.is_alive("hub"):
        ground.processes.start_hub()
    for owner in toy.OWNERS:
        if not ground.processes.is_alive(f"node-{owner}"):
            ground.processes.start_node(owner)


_labels = (f"run {number}" for number in itertools.count())


def fresh(ground: Ground, budget: dict[str, int] | None = None) -> Any:
    """Asked and approved; a question that nobody asked before."""
    job = ground.ask_for("toy-sum", {"dataset": "trips", "column": "serial", "label": next(_labels)})
    ground.federation.approve_all(job.id, budget=budget or {"sums": 1})
    return job


def expected(column: str) -> int:
    rows = [row for owner in toy.OWNERS for row in toy.rows(owner)]
    return round(sum(int(row[column]) for row in rows if row[column] is not None) / 10) * 10


def test_the_toy_kind_is_released_and_its_receipt_verifies_offline(ground: Ground) -> None:
    job = ground.ended(fresh(ground).id)
    assert job.state == "released", job.failure
    ground.check(job)
    with ground.federation.operator() as client:
        shown: Mapping[str, Any] = client.release(job.id)
        assert shown["sum"] == str(expected("serial"))
        receipt = client.receipt(job.id, wait=PATIENCE_S)
        file = client.download(job.id, "txt")
    verified = verify_receipt(receipt, ground.federation.trust, datetime.now(UTC))
    assert str(expected("serial")).encode() in file
    assert {vouch["payloadType"] for vouch in json.loads(receipt)["vouches"]} == {
        "application/vnd.unseen.vouch+json;v=1"
    }
    assert len(json.loads(receipt)["vouches"]) == len(toy.OWNERS)
    assert not any("not proven" in line and "computed" in line for line in verified.checks)


def test_a_receipt_without_the_participants_signatures_does_not_hold(ground: Ground) -> None:
    job = ground.ended(fresh(ground).id)
    with ground.federation.operator() as client:
        receipt = json.loads(client.receipt(job.id, wait=PATIENCE_S))
    now = datetime.now(UTC)
    verify_receipt(json.dumps(receipt).encode(), ground.federation.trust, now)  # the control
    without: list[list[Any]] = [[], receipt["vouches"][:2]]
    for vouches in without:
        with pytest.raises(ReceiptRefused):
            verify_receipt(json.dumps({**receipt, "vouches": vouches}).encode(), ground.federation.trust, now)


def test_a_hub_that_would_release_another_number_gets_no_signature(ground: Ground) -> None:
    """One node is shown another content than the messages give: it signs nothing, and the job ends typed."""

    def bend(node: str, item: dict[str, Any]) -> dict[str, Any]:
        if item["kind"] != "output" or node != f"node-{VICTIM}":
            return item
        return {**item, "body": {**item["body"], "content": base64.b64encode(b'{"sum":"0"}').decode()}}

    ground.proxy.edit = bend
    try:
        job = ground.ended(fresh(ground).id)
        ground.settled(job.id)
    finally:
        ground.proxy.edit = None
    assert job.failure is not None
    assert (job.state, job.failure["code"]) == ("failed", "output-unconfirmed")
    for owner in toy.OWNERS:
        assert {state for _, _, state in charges(ground, owner, job.id)} == {"committed"}
        alarms = ground.federation.ask_node(owner, {"do": "alarms"})["alarms"]
        (alarm,) = [item for item in alarms if item["acknowledged"] is None]
        assert (alarm["code"], alarm["job"]) == ("output-unconfirmed", job.id)
        assert "unseen log recompute" in alarm["advice"]
        ground.federation.ask_node(owner, {"do": "acknowledge", "alarm": alarm["id"]})
    # the auditor finds out who is right: here the hub had shown the others what the messages give
    found = knowing(cli.auditor(ground.places))("log", "recompute", job.id).out
    assert "the output computed from them is the one of" in found
    (missing,) = [line for line in found.splitlines() if "not signed by" in line]
    assert f"node-{VICTIM}" in missing
    assert ground.ended(fresh(ground).id).state == "released"  # the control


def test_the_auditor_recomputes_a_release_and_an_owner_sees_what_it_adds_up_to(ground: Ground) -> None:
    job = ground.ended(fresh(ground).id)
    auditor = knowing(cli.auditor(ground.places))
    found = auditor.json("log", "recompute", job.id)
    assert found["agrees"]
    assert "every participant recomputed and signed it" in auditor("log", "recompute", job.id).out
    assert "not-permitted" in knowing(cli.operator(ground.places))("log", "recompute", job.id, code=1).err
    config = ground.places.node("A") / "node.yaml"
    shown = cli.Person().json("node", "audit", "--config", config)
    (system,) = [item for item in shown["systems"] if item["subject"] == ["trips", "serial"]]
    assert 0 < system["highest"] <= system["cap"] == 0.25
    assert system["jobs"]
    assert "trips.serial" in cli.Person()("node", "audit", "--config", config).out


def test_its_own_metered_unit_has_a_budget_at_every_node(ground: Ground) -> None:
    """Statistics charge cells, this kind sums: an exhausted budget is a typed refusal that costs nothing."""
    job = ground.ended(fresh(ground, {"sums": 0}).id)
    assert job.failure is not None
    assert (job.state, job.failure["code"]) == ("failed", "budget-exceeded")
    assert "budget of sums is used up: 0 of 0 used, 1 asked for" in job.failure["detail"]
    ground.check(job)
    assert all(charges(ground, owner, job.id) == [] for owner in toy.OWNERS)
    job = ground.ended(fresh(ground, {"sums": 1}).id)  # the control
    assert job.state == "released"
    for owner in toy.OWNERS:
        assert sorted(charges(ground, owner, job.id)) == [("grant", 1, "committed"), ("sums", 1, "committed")]
    with pytest.raises(OutOfScope, match="does not meter"):
        fresh(ground, {"cells": 1})  # a budget that bounds nothing is not signed


def test_a_unit_without_any_budget_is_refused(ground: Ground) -> None:
    job = ground.ask_for("toy-sum", {"dataset": "trips", "column": "serial", "label": next(_labels)})
    ground.federation.approve_all(job.id)
    ended = ground.ended(job.id)
    assert ended.failure is not None
    assert "no budget of sums is declared" in ended.failure["detail"]


def charges(ground: Ground, owner: str, job: str) -> list[tuple[str, int, str]]:
    query = "select l.account, l.amount, l.state from ledger l join jobs j on j.permit = l.permit where j.job = ?"
    return [(account.split()[0], amount, state) for account, amount, state in ground.node_rows(owner, query, job)]


def test_the_hub_cannot_read_what_nodes_tell_each_other(ground: Ground) -> None:
    """In the middle of a job the hub's own files hold the shares that A dealt, with all their keys but the receivers'.

    The attack opens them with the hub's key, or another receiver's; the control with the right one, and reads each share.
    """
    with ground.proxy.gate("node-B", "mix", "before") as gate:
        job = fresh(ground)
        gate.wait()
        shares = {message.header.receiver: message for message in bodies_at_the_hub(ground, job.id, "share", "node-A")}
        gate.open()
    assert set(shares) == {"node-B", "node-C"}
    hub_key = load_key(ground.places.hub / "state" / "hub.key").private().private_bytes_raw()
    for message in shares.values():
        assert len(message.body) == 8 + 48  # encapsulated key, ciphertext, tag
        with pytest.raises(ProtocolViolation, match="not sealed to this node"):
            unseal(X25519PrivateKey.from_private_bytes(hub_key), message)
    seen = [unseal(sealing_key(ground, receiver), message) for receiver, message in shares.items()]
    assert {len(share) for share in seen} == {8}
    with pytest.raises(ProtocolViolation, match="not sealed to this node"):
        unseal(sealing_key(ground, "node-C"), shares["node-B"])
    assert ground.ended(job.id).state == "released"
    ground.check(ground.job(job.id))


def bodies_at_the_hub(ground: Ground, job: str, round: str, sender: str) -> list[Message]:
    """What whoever owns the hub's machine reads there while a job runs."""
    engine = open_engine(sqlite_url(ground.places.hub / "state" / "hub.sqlite"))
    query = "select envelope from messages where job = ? and round = ? and sender = ?"
    found = [Envelope.parse(bytes(row[0])) for row in ground.hub_rows(query, job, round, sender)]
    try:
        with reading(engine) as connection:
            return [with_body(connection, job, envelope) for envelope in found]
    finally:
        engine.dispose()


def sealing_key(ground: Ground, node: str) -> X25519PrivateKey:
    return load_sealing_key(ground.places.node(node.removeprefix("node-")) / "state" / "node-seal.key").private()


STEPS: Final[tuple[tuple[str, When], ...]] = (
    ("permit", "after"),
    ("share", "before"),
    ("share", "after"),
    ("told share", "after"),
    ("mix", "before"),
    ("told mix", "after"),
    ("total", "before"),
    ("total", "after"),
    ("output", "after"),
    ("vouch", "before"),
    ("vouch", "after"),
    ("finished", "after"),
    ("destroyed", "before"),
)


@pytest.mark.slow
@pytest.mark.parametrize(("what", "when"), STEPS, ids=[f"{what}-{when}" for what, when in STEPS])
@pytest.mark.parametrize("victim", ["node", "hub"])
def test_killed_at_any_step_it_goes_on(ground: Ground, victim: str, what: str, when: When) -> None:
    """The crash table: after the restart the job is released, whoever was killed."""
    name = "hub" if victim == "hub" else f"node-{VICTIM}"
    with ground.proxy.gate(f"node-{VICTIM}", what, when) as gate:
        job = fresh(ground)
        gate.wait()
        ground.processes.kill(name)
        gate.open(drop=victim == "node" or when == "after")
    if victim == "hub":
        ground.processes.start_hub()
    else:
        ground.processes.start_node(VICTIM)
    ended = ground.ended(job.id)
    assert ended.state == "released", ended.failure
    ground.check(ended)


def test_people_ask_approve_and_verify_it_at_their_terminals(ground: Ground, tmp_path: Path) -> None:
    """``UNSEEN_KINDS`` names the package; without it, the control, nobody signs or verifies what it does not know."""
    places, file, receipt = ground.places, tmp_path / "job.yaml", tmp_path / "receipt.json"
    request = {"dataset": "trips", "column": "serial", "label": next(_labels)}
    job_file = {"kind": "toy-sum", "request": request, "scenario": "test", "purpose": "testing", "datasets": ["trips"]}
    file.write_text(json.dumps(job_file))
    stranger = cli.operator(places)
    acme = knowing(stranger)
    assert "no kind of job" in stranger("job", "submit", file, code=1).err
    job = str(acme.json("job", "submit", file)["id"])
    for owner in toy.OWNERS:
        knowing(cli.owner(places, owner))("review", "approve", job, "--yes", "--budget", "sums=1")
    assert ground.ended(job).state == "released"
    acme("job", "receipt", job, "--out", receipt)
    assert "unknown here" in stranger("verify", receipt, code=1).err
    assert "recomputed and signed by all 3" in acme("verify", receipt).out


def knowing(person: cli.Person) -> cli.Person:
    """The same person, who trusts the code of this kind."""
    return cli.Person({**person.settings, "UNSEEN_KINDS": PACKAGE})


def test_no_line_outside_its_folder_knows_the_kind() -> None:
    """``git grep`` finds its name among the tests and where it is explained, not in what runs."""
    root = Path(__file__).resolve().parents[2]
    explained = (":!tests", ":!*.md")
    command = ["git", "grep", "-lE", "toy.kind|toy-sum|ToySum", "--"]
    found = subprocess.run([*command, *explained], cwd=root, capture_output=True, text=True, check=False)
    assert found.stdout == ""
    assert subprocess.run([*command, "tests/contracts"], cwd=root, capture_output=True, check=False).returncode == 0
