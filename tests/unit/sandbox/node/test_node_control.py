"""The owner's socket: status, revocation at once, the record, and the signed export in pages."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from jobs.documents import Envelope, OutboxRecord, Revocation, verify_outbox_record
from jobs.schema import Digest
from sandbox.errors import Unavailable
from sandbox.node.control import Control, ask
from sandbox.node.tables import outbox
from tests.support.joint_nodes import Federation
from tests.support.orders import NOW, ORIGIN, Documents, version
from tests.support.signed import key
from tests.support.toyhub import Json

NODE = "node-ewr"


@pytest.fixture
def control(federation: Federation) -> Iterator[Control]:
    made = Control(federation[NODE])
    made.start()
    yield made
    made.stop()


@pytest.fixture
def command(federation: Federation, control: Control) -> Callable[..., Any]:
    folder = federation[NODE].context.config.state_dir
    return lambda **fields: ask(folder, fields)


def revocation(grant: str, owner: str = "ewr", signer: str = "ewr-2") -> Json:
    document = Revocation(id="r", owner=owner, issued=NOW, grant=Digest(grant), reason="no longer")
    return document.sign(key(signer)).to_json()


def test_the_socket_is_the_owners_alone(federation: Federation, control: Control) -> None:
    socket = federation[NODE].context.config.state_dir / "control.sock"
    assert stat.S_IMODE(socket.stat().st_mode) == 0o600


def test_a_folder_without_a_node_says_so(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="no node is running"):
        ask(tmp_path, {"do": "status"})


def test_status(federation: Federation, command: Callable[..., Any]) -> None:
    federation.runners[NODE].gate.clear()
    federation.hub.order(Documents())
    federation.answer(NODE)
    answer = command(do="status")
    assert answer["node"] == NODE
    assert [run["job"] for run in answer["running"]] == ["job-1"]
    assert sorted(account.split()[0] for account in answer["spent"]) == ["cells", "grant"]
    assert answer["datasets"] == {"flights": version("ewr")}
    assert (answer["log_failure"], answer["log_evidence"]) == (None, [])


def test_status_shows_evidence_against_the_log(federation: Federation, command: Callable[..., Any]) -> None:
    from sandbox.audit import Checkpoint, LogEntry
    from sandbox.errors import LogForked

    federation.hub.add(LogEntry(salt="00" * 32, event="test.happened", at=NOW, actor="hub", subject="s"))
    federation[NODE].follower.step(0)
    forged = Checkpoint(ORIGIN, 1, bytes(32)).sign(key("hub")).encode()
    federation.hub.note = lambda: forged
    with pytest.raises(LogForked):
        federation[NODE].follower.step(0)
    answer = command(do="status")
    assert "two roots" in answer["log_failure"]
    assert forged.decode() in answer["log_evidence"]


@pytest.mark.parametrize("state", ["waiting for keys", "scanning", "flags sent"])
def test_a_revocation_stops_a_running_job_at_once(
    federation: Federation, command: Callable[..., Any], state: str
) -> None:
    documents = Documents()
    federation.hub.hold |= {"waiting for keys": {"key"}, "scanning": set(), "flags sent": {"flags"}}[state]
    if state == "scanning":
        federation.runners[NODE].gate.clear()
    federation.hub.order(documents)
    federation.drive(
        {
            "waiting for keys": lambda: "key" in federation.hub.rounds(NODE),
            "scanning": lambda: federation.runners[NODE].scans == 1 and federation.told(NODE) == ["key"],
            "flags sent": lambda: all("flags" in federation.hub.rounds(name) for name in federation.names),
        }[state]
    )
    answer = command(do="revoke", revocation=revocation(documents.grants[0].digest))
    assert answer == {"revoked": documents.grants[0].digest, "new": True, "known": True}
    federation.drive(lambda: federation.states(NODE) == [("failed", "not-granted")])
    assert "values" not in federation.outbox(NODE)
    assert federation.ledger(NODE)["grant"] == (1, "committed" if state == "flags sent" else "refunded")


def test_a_revocation_after_the_values_leaves_the_job_to_the_hub(
    federation: Federation, command: Callable[..., Any]
) -> None:
    documents = Documents()
    federation.hub.hold.add("sent")
    federation.hub.order(documents)
    federation.drive(lambda: all("sent" in federation.hub.rounds(name) for name in federation.names))
    command(do="revoke", revocation=revocation(documents.grants[0].digest))
    federation.hub.finish()
    federation.drive(lambda: federation.states(NODE) == [("finished", None)])


def test_a_revocation_through_the_hub_is_obeyed_if_the_owner_signed_it(federation: Federation) -> None:
    documents = Documents()
    federation.hub.hold.add("flags")
    federation.hub.order(documents)
    federation.drive(lambda: all("flags" in federation.hub.rounds(name) for name in federation.names))
    grant = documents.grants[0].digest
    federation.hub.put(NODE, "revoked", "", {"revocation": revocation(grant, signer="operator")})
    federation.hub.put(NODE, "revoked", "job-1", {"revocation": None})
    federation[NODE].tick(0)
    assert federation.states(NODE) == [("open", None)]
    federation.hub.put(NODE, "revoked", "", {"revocation": revocation(grant)})
    federation.drive(lambda: federation.states(NODE) == [("failed", "not-granted")])


def test_another_owner_cannot_revoke_here_though_the_hub_relays_it(federation: Federation) -> None:
    """JFK, a true owner, revokes EWR's grant in its own name, and the hub lays it into EWR's inbox."""
    documents = Documents()
    federation.hub.hold.add("flags")
    federation.hub.order(documents)
    federation.drive(lambda: all("flags" in federation.hub.rounds(name) for name in federation.names))
    grant = documents.grants[0].digest
    federation.hub.put(NODE, "revoked", "", {"revocation": revocation(grant, "jfk", "jfk")})
    federation[NODE].tick(0)
    assert federation.states(NODE) == [("open", None)]
    with federation[NODE].context.state.read() as connection:
        assert not federation[NODE].context.state.is_revoked(connection, grant)
    federation.hub.put(NODE, "revoked", "", {"revocation": revocation(grant)})  # the control: its own owner
    federation.drive(lambda: federation.states(NODE) == [("failed", "not-granted")])


def test_a_grant_of_another_owner_is_not_revoked_here_by_mistake(
    federation: Federation, command: Callable[..., Any]
) -> None:
    """EWR takes the digest of JFK's grant for its own: told so, instead of believing that something was stopped."""
    documents = Documents()
    federation.hub.hold.add("flags")
    federation.hub.order(documents)
    federation.drive(lambda: "flags" in federation.hub.rounds(NODE))
    refused = command(do="revoke", revocation=revocation(documents.grants[1].digest))
    assert (refused["code"], "another owner's" in refused["error"]) == ("invalid-spec", True)
    never = "sha256:" + "ab" * 32
    assert command(do="revoke", revocation=revocation(never)) == {"revoked": never, "new": True, "known": False}
    assert federation.states(NODE) == [("open", None)]
    command(do="revoke", revocation=revocation(documents.grants[0].digest))
    federation.drive(lambda: federation.states(NODE) == [("failed", "not-granted")])


def test_a_revocation_is_kept_once_and_must_be_this_owners(federation: Federation, command: Callable[..., Any]) -> None:
    grant = Documents().grants[0].digest
    assert command(do="revoke", revocation=revocation(grant))["new"] is True
    assert command(do="revoke", revocation=revocation(grant))["new"] is False
    assert command(do="revoke", revocation=revocation(grant, "jfk", "jfk"))["code"] == "invalid-spec"
    assert command(do="revoke", revocation=revocation(grant, signer="jfk"))["code"] == "bad-signature"
    assert command(do="revoke", revocation="all of them")["code"] == "bad-document"


def test_what_left_and_its_signed_list(federation: Federation, command: Callable[..., Any]) -> None:
    assert command(do="export")["code"] == "unavailable"
    federation.hub.order(Documents())
    federation.drive(lambda: federation.hub.totals is not None)
    federation.settle()
    assert [entry["round"] for entry in command(do="sent")["entries"]] == ["flags", "values", "sent"]
    answer = command(do="export")
    record = verify_outbox_record(Envelope.from_json(answer["record"]), federation[NODE].context.state.trusted.last)
    rounds = [item.message.round for item in record.document.entries]
    assert rounds == ["key", "flags", "values", "sent", "vouch", "destroyed"]
    assert answer["next"] is None


def test_a_long_export_comes_in_pages_without_a_gap(federation: Federation, command: Callable[..., Any]) -> None:
    rows = [
        {
            "permit": "sha256:" + f"{n:064x}", "round": "destroyed", "envelope": b"", "digest": "sha256:" + f"{n:064x}",
            "size": 1, "at": "2026-11-21T08:00:00Z", "posted": True, "proven": True, "sequence": 0, "receiver": "hub",
            "reveals": False, "binding": False,
        }
        for n in range(8192 + 5)
    ]  # fmt: skip
    with federation[NODE].context.state.write() as connection:
        connection.execute(insert(outbox), rows)
    first = command(do="export")
    assert first["next"] == 8192
    second = command(do="export", after=first["next"])
    pages = [OutboxRecord.open(Envelope.from_json(page["record"])) for page in (first, second)]
    assert [(page.first, page.last) for page in pages] == [(1, 8192), (8193, 8197)]
    assert second["next"] is None
    assert command(do="export", after=8197)["code"] == "unavailable"


@pytest.mark.parametrize("after", [-1, "1", True, 1.5])
def test_an_export_after_nothing_sensible_is_refused(command: Callable[..., Any], after: Any) -> None:
    assert command(do="export", after=after)["code"] == "invalid-spec"


@pytest.mark.parametrize("line", [b"", b"{", b"[]", b'{"do": 1}', b'"status"', b'{"do": "forget"}', b"\xff\n"])
def test_what_is_no_command_is_refused(federation: Federation, line: bytes) -> None:
    assert Control(federation[NODE]).answer(line)["code"] == "invalid-spec"
