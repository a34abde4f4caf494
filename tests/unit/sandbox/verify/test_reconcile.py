"""The auditor compares nodes' records with the log, with each other and with the hub's run counts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobs.documents import OutboxEntry, OutboxRecord, SentMessage, digest
from sandbox.audit import MESSAGE_RECEIVED, MESSAGE_REFUSED, LogEntry
from sandbox.verify import compare_transcripts, count_runs, reconcile

NOW = datetime(2026, 1, 1, tzinfo=UTC)
EXPORTED = NOW + timedelta(minutes=1)
PERMIT, GRANT = digest(b"permit"), digest(b"grant")


def logged(number: int, event: str = MESSAGE_RECEIVED, node: str = "node-ewr") -> LogEntry:
    named = (digest(b"%d" % number), digest(b"envelope %d" % number))
    return LogEntry(
        salt="00" * 32, event=event, at=NOW, actor=f"node:{node}", subject=f"{node}:{number}", digests=named
    )


def item(at: int, number: int, **changed: Any) -> OutboxEntry:
    fields: dict[str, Any] = {"permit": PERMIT, "binding": False, "refused": None, "transcript": None, **changed}
    name = fields.pop("round", "values" if fields["binding"] else "key")
    message = SentMessage(sequence=0, round=name, receiver="hub", size=1, digest=digest(b"%d" % number), sent_at=NOW)
    return OutboxEntry(number=at, message=message, **fields)


def record(items: Iterable[OutboxEntry], node: str = "node-ewr", owner: str = "ewr") -> OutboxRecord:
    entries = tuple(items)
    return OutboxRecord(node=node, owner=owner, issued=EXPORTED, first=1, last=len(entries), entries=entries)


def sent(*numbers: int, **changed: Any) -> OutboxRecord:
    return record(item(at, number, **changed) for at, number in enumerate(numbers, start=1))


def test_records_that_agree_and_that_do_not() -> None:
    entries = [logged(n) for n in range(4)]
    assert reconcile(sent(0, 1, 2, 3), entries).agrees
    found = reconcile(sent(0, 1, 2, 7), entries)
    assert not found.agrees
    assert found.matched == 3
    assert [entry.message.digest for entry in found.not_logged] == [digest(b"7")]
    assert found.not_sent == (entries[3],)


def test_a_record_is_judged_up_to_its_export() -> None:
    """Later messages are for the next export; one that the log dates before it and the node never sent is no later one."""
    later = logged(9).model_copy(update={"at": EXPORTED})
    found = reconcile(sent(0, 1), [logged(0), logged(1), later])
    assert found.agrees
    assert found.since == (later,)
    assert not reconcile(sent(0, 1), [logged(0), logged(1), logged(9)]).agrees


def test_only_this_nodes_messages_count() -> None:
    foreign = logged(1, node="node-jfk")
    other = logged(1).model_copy(update={"event": "message.conflicting"})
    assert reconcile(sent(0), [logged(0), foreign, other]).agrees


@pytest.mark.parametrize("told", ["by the log", "to the node", "both"])
def test_refused_values_are_no_match(told: str) -> None:
    """They left their owner and nothing came of them. Positive control: taken ones agree."""
    assert reconcile(sent(0, binding=True), [logged(0)]).agrees
    values = sent(0, binding=True, refused=None if told == "by the log" else "invalid-transition")
    entries = [] if told == "to the node" else [logged(0, MESSAGE_REFUSED)]
    found = reconcile(values, entries)
    assert not found.agrees
    assert (found.matched, found.refused, found.not_logged, found.not_sent) == (0, values.entries, (), ())


def test_a_late_message_that_binds_nobody_is_only_said() -> None:
    found = reconcile(sent(0), [logged(0, MESSAGE_REFUSED)])
    assert found.agrees
    assert (found.matched, len(found.late)) == (0, 1)


def test_a_message_that_was_taken_after_a_refusal_is_taken() -> None:
    assert reconcile(sent(0, binding=True), [logged(0, MESSAGE_REFUSED), logged(0)]).agrees


def test_nodes_that_were_told_different_things_are_named() -> None:
    def told(node: str, what: bytes) -> OutboxRecord:
        values = item(2, 1, binding=True, transcript=digest(what))
        return record([item(1, 0, transcript=digest(b"start")), values], node, node)

    assert compare_transcripts([told("a", b"all"), told("b", b"all"), told("c", b"all")]) == ()
    (found,) = compare_transcripts([told("a", b"all"), told("b", b"all"), told("c", b"some")])
    assert (found.permit, found.round, found.sequence) == (PERMIT, "values", 0)
    assert found.transcripts == {"a": digest(b"all"), "b": digest(b"all"), "c": digest(b"some")}


@pytest.mark.parametrize(("used", "agrees"), [(0, False), (1, True), (2, True), (3, False)])
def test_run_counts_of_hub_and_node_agree_within_what_may_be_given_back(used: int, agrees: bool) -> None:
    """Two permits reached the node, and it sent values under one: the hub may have given the other back, or not."""
    permits = [digest(b"permit %d" % n) for n in range(3)]
    entries = [
        LogEntry(salt="00" * 32, event="job.permitted", at=NOW, actor="hub:hub", subject="job", digests=(permit, GRANT))
        for permit in permits
    ]
    own = record(
        [item(1, 0, permit=permits[0]), item(2, 1, permit=permits[0], binding=True), item(3, 2, permit=permits[1])]
    )
    grants = [{"digest": GRANT, "owner": "ewr", "used": used}, {"digest": digest(b"x"), "owner": "jfk", "used": 9}]
    (count,) = count_runs(own, entries, grants)
    assert (count.hub, count.bound, count.permits, count.agrees) == (used, 1, 2, agrees)
