"""The log as a node sees it: cosigned once proven, refused for good when it goes back or forks."""

from __future__ import annotations

from typing import Any

import pytest

from jobs.documents import SigningKey
from sandbox.audit import Checkpoint, LogEntry, Note, NoteKey, prove_inclusion, verify_cosignature
from sandbox.audit.note import COSIGNATURE, NoteSignature
from sandbox.errors import BadLogSignature, BadProof, LogFailure, LogForked, LogRolledBack, MalformedNote
from sandbox.log_link import Inclusion, News
from sandbox.node.hub_port import HubAway, HubRefused
from sandbox.node.tables import outbox
from tests.support.joint_nodes import Federation
from tests.support.orders import NOW, ORIGIN, Documents, roster
from tests.support.signed import key
from tests.support.toyhub import Hub, Port
from tests.support.tree import Nodes

NODE = "node-ewr"


def grow(federation: Federation, number: int = 3) -> None:
    for index in range(number):
        federation.hub.add(LogEntry(salt="00" * 32, event="test.happened", at=NOW, actor="hub", subject=f"s-{index}"))


def step(federation: Federation) -> bool | None:
    return federation[NODE].follower.step(0)


def test_a_growing_log_is_cosigned(federation: Federation) -> None:
    grow(federation)
    assert step(federation)
    grow(federation)
    assert step(federation)
    assert [size for _, size, _ in federation.hub.cosigned] == [3]  # a cosignature rides on the next call
    assert not step(federation)
    assert [size for _, size, _ in federation.hub.cosigned] == [3, 6]
    note = Note.parse(federation.hub.checkpoint()).added(
        NoteSignature.parse(federation.hub.cosigned[-1][2].rstrip("\n"))
    )
    verify_cosignature(note, NoteKey(NODE, COSIGNATURE, key(NODE).public))


def test_a_log_that_stands_still_is_cosigned_once(federation: Federation) -> None:
    grow(federation)
    assert [step(federation), step(federation), step(federation)] == [True, False, False]
    assert len(federation.hub.cosigned) == 1


def test_a_cosignature_that_was_lost_is_made_again(federation: Federation) -> None:
    grow(federation)
    step(federation)
    federation.restart(NODE)  # the state was stored, the cosignature was not sent
    assert [step(federation), step(federation), step(federation)] == [False, False, False]
    assert [size for _, size, _ in federation.hub.cosigned] == [3]


def test_a_cosignature_outlives_a_hub_that_is_away(federation: Federation) -> None:
    grow(federation)
    step(federation)
    federation.hub.away.add(NODE)
    with pytest.raises(HubAway):
        step(federation)
    assert federation.hub.cosigned == []
    federation.hub.away.clear()
    step(federation)
    assert [size for _, size, _ in federation.hub.cosigned] == [3]


def test_a_cosignature_that_was_refused_is_made_again_for_the_checkpoint_of_then(federation: Federation) -> None:
    grow(federation)
    step(federation)
    context = federation[NODE].context
    good, context.hub = context.hub, Refusing(federation.hub, NODE)
    with pytest.raises(HubRefused):
        step(federation)
    context.hub = good
    grow(federation)
    step(federation)
    step(federation)
    assert [size for _, size, _ in federation.hub.cosigned] == [6]


class Refusing(Port):
    def follow(self, *asked: Any) -> News:
        raise HubRefused("not-authenticated", "the token was revoked")


def other_log(size: int) -> bytes:
    """A second history under the hub's own key."""
    from sandbox.audit import append, root

    tree, leaves = Nodes(), 0
    for index in range(size):
        leaves = append(tree, leaves, b"other %d" % index)
    return Checkpoint(ORIGIN, size, root(tree, size)).sign(key("hub")).encode()


@pytest.mark.parametrize(("size", "error"), [(2, LogRolledBack), (3, LogForked), (5, LogForked)])
def test_a_second_history_stops_the_node_for_good(federation: Federation, size: int, error: type[Exception]) -> None:
    grow(federation)
    step(federation)
    shown = other_log(size)
    federation.hub.note = lambda: shown
    if size > 3:
        grow(federation)  # so that a proof of that length exists
    with pytest.raises(error):
        step(federation)
    federation.hub.note = None  # the good history again: too late
    with pytest.raises(LogFailure):
        step(federation)
    node = federation.restart(NODE)
    with pytest.raises(LogFailure):
        step(federation)
    assert node.follower.failure is not None
    assert shown.decode() in node.follower.failure.evidence
    assert len(federation.hub.cosigned) <= 1
    federation.hub.put(NODE, "permit", "job-1", Documents().body)
    federation.answer(NODE)
    assert federation.outbox(NODE) == ["stop"]
    assert federation.hub.messages(NODE, "stop")[0].code == "integrity-failure"


def test_a_running_job_sends_nothing_more_after_a_second_history(federation: Federation) -> None:
    federation.hub.hold.add("flags")
    federation.hub.order(Documents())
    federation.drive(lambda: all("flags" in federation.hub.rounds(name) for name in federation.names))
    step(federation)
    federation.hub.note = lambda: other_log(1)
    with pytest.raises(LogRolledBack):
        step(federation)
    federation.hub.note = None
    federation.hub.open()
    federation.drive(lambda: bool(federation.states(NODE)) and federation.states(NODE)[0][0] == "failed")
    assert "values" not in federation.outbox(NODE)


@pytest.mark.parametrize("how", ["garbage", "stranger", "foreign origin"])
def test_a_note_that_the_hub_did_not_sign_convicts_nobody(federation: Federation, how: str) -> None:
    grow(federation)
    step(federation)
    stranger = SigningKey.from_seed(bytes(32))
    federation.hub.note = {
        "garbage": lambda: b"garbage",
        "stranger": lambda: Checkpoint(ORIGIN, 9, bytes(32)).sign(stranger).encode(),
        "foreign origin": lambda: Checkpoint("other/log", 9, bytes(32)).sign(key("hub")).encode(),
    }[how]
    with pytest.raises((MalformedNote, BadLogSignature, LogFailure)):
        step(federation)
    assert federation[NODE].follower.failure is None
    assert federation[NODE].follower.trouble is not None
    assert len(federation.hub.cosigned) == 1


def test_a_message_counts_as_logged_only_by_proof(federation: Federation) -> None:
    federation.hub.log = False
    federation.hub.order(Documents())
    federation.drive(lambda: "key" in federation.hub.rounds(NODE))
    step(federation)
    assert not any(row.proven for row in federation.rows(NODE, outbox))


def withheld(federation: Federation) -> tuple[Hub, str]:
    """A message that left, and a log that does not name it as this node's."""
    grow(federation)
    federation.hub.log = False
    federation.hub.order(Documents())
    federation.drive(lambda: "key" in federation.hub.rounds(NODE))
    return federation.hub, federation.rows(NODE, outbox)[0].digest


def proof_of(hub: Hub, index: int, size: int) -> Inclusion:
    return Inclusion(index, hub.leaves[index], tuple(prove_inclusion(hub.tree, index, size)))


@pytest.mark.parametrize("actor", ["hub", "node:node-jfk"])
def test_another_entry_proves_no_message(federation: Federation, actor: str) -> None:
    hub, digest = withheld(federation)
    said: dict[str, Any] = {
        "salt": "00" * 32,
        "event": "message.received",
        "at": NOW,
        "subject": "x",
        "digests": (digest,),
    }
    hub.add(LogEntry(actor=actor, **said))
    hub.bend_inclusions = lambda size: tuple(proof_of(hub, index, size) for index in range(size))
    step(federation)
    assert not any(row.proven for row in federation.rows(NODE, outbox))
    hub.add(LogEntry(actor=f"node:{NODE}", **said))  # the control: the entry that a hub makes of a message
    step(federation)
    assert [row.proven for row in federation.rows(NODE, outbox)] == [True]


def test_a_proof_that_does_not_hold_stops_the_node(federation: Federation) -> None:
    hub, _ = withheld(federation)
    hub.bend_inclusions = lambda size: (Inclusion(1, hub.leaves[0], proof_of(hub, 0, size).proof),)
    with pytest.raises(BadProof):
        step(federation)
    assert federation[NODE].follower.failure is not None


def test_a_new_hub_key_is_learnt_from_the_authority(federation: Federation) -> None:
    from jobs.documents import HubEntry

    grow(federation)
    step(federation)
    grow(federation)
    fresh = SigningKey.from_seed(bytes(range(32)))
    newer = roster(version=2, hub=HubEntry(id="hub", key=fresh.public.text))
    envelope = newer.sign(key("root-1"), key("root-2"))
    hub = federation.hub
    size = len(hub.leaves)
    from sandbox.audit import root

    hub.note = lambda: Checkpoint(ORIGIN, size, root(hub.tree, size)).sign(fresh).encode()
    old = roster().sign(key("root-1"), key("root-2"))
    hub.chain = [old.to_json(), envelope.to_json()]
    assert step(federation)
    step(federation)
    assert federation[NODE].context.state.trusted.last.document.version == 2
    assert [size for _, size, _ in hub.cosigned] == [3, 6]


def test_a_node_starts_again_when_the_chain_begins_with_older_rosters(federation: Federation) -> None:
    from sandbox.node.serve import fetch_roster

    context = federation[NODE].context
    chain = [roster(version=n).sign(key("root-1"), key("root-2")).to_json() for n in (1, 2, 3)]
    federation.hub.chain = chain
    fetch_roster(context)
    fetch_roster(context)
    assert context.state.trusted.last.document.version == 3
    federation.hub.chain = chain[:1]  # a hub that shows only the old one is not believed
    fetch_roster(context)
    assert context.state.trusted.last.document.version == 3
