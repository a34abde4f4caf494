"""The cosigner: one append-only history, never a second root for one size, whatever the hub shows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.documents import SigningKey
from sandbox.audit import (
    COSIGNATURE,
    ED25519,
    Checkpoint,
    Cosigner,
    Note,
    NoteKey,
    NoteSignature,
    SeenLog,
    append,
    prove_consistency,
    root,
    verify_checkpoint,
    verify_cosignature,
)
from sandbox.audit.cosign import cosigned_message
from sandbox.errors import BadLogSignature, ForeignLog, IntegrityFailure, LogForked, LogRolledBack, MalformedNote
from tests.support.tree import Nodes

ORIGIN = "log.example/joint"
NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)
HUB, WITNESS, STRANGER = (SigningKey.from_seed(bytes((number,)) * 32) for number in (1, 2, 3))
KEY = NoteKey("witness-1", COSIGNATURE, WITNESS.public)


class Log:
    """A hub's log over given leaves; ``key`` and ``origin`` can be another's."""

    def __init__(self, leaves: list[bytes], key: SigningKey = HUB, origin: str = ORIGIN) -> None:
        self.nodes, self.key, self.origin = Nodes(), key, origin
        for size, leaf in enumerate(leaves):
            append(self.nodes, size, leaf)

    def checkpoint(self, size: int) -> Note:
        return Checkpoint(self.origin, size, root(self.nodes, size)).sign(self.key)

    def proof(self, old: int, new: int) -> tuple[bytes, ...]:
        return prove_consistency(self.nodes, old, new)


HONEST = Log([b"%d" % n for n in range(20)])
FORKED = Log([b"%d" % n for n in range(6)] + [b"other"] * 14)


def cosigner() -> Cosigner:
    return Cosigner("witness-1", WITNESS, ORIGIN, HUB.public)


def seen(size: int, log: Log = HONEST) -> SeenLog:
    return SeenLog(ORIGIN, size, root(log.nodes, size))


def test_a_consistent_checkpoint_is_cosigned() -> None:
    note = HONEST.checkpoint(11)
    step = cosigner().advance(seen(7), note.encode(), HONEST.proof(7, 11), NOW)
    assert step.seen == seen(11)
    cosigned = Note.parse(note.added(step.signature).encode())
    assert verify_cosignature(cosigned, KEY) == NOW
    assert verify_checkpoint(cosigned, ORIGIN, HUB.public)[0].size == 11


def test_first_contact_and_the_empty_log() -> None:
    step = cosigner().advance(SeenLog.nothing(ORIGIN), HONEST.checkpoint(0).encode(), (), NOW)
    assert step.seen == SeenLog.nothing(ORIGIN)
    assert cosigner().advance(step.seen, HONEST.checkpoint(5).encode(), (), NOW).seen == seen(5)


def test_the_same_checkpoint_again_gets_a_new_time_and_the_same_root() -> None:
    later = datetime(2026, 11, 22, tzinfo=UTC)
    step = cosigner().advance(seen(11), HONEST.checkpoint(11).encode(), (), later)
    assert step.seen == seen(11)
    assert verify_cosignature(HONEST.checkpoint(11).added(step.signature), KEY) == later


@pytest.mark.parametrize(
    ("state", "note", "proof", "error"),
    [
        (seen(11), HONEST.checkpoint(7), (), LogRolledBack),
        (seen(11), HONEST.checkpoint(0), (), LogRolledBack),
        (seen(11), FORKED.checkpoint(11), (), LogForked),
        (seen(7), FORKED.checkpoint(11), FORKED.proof(7, 11), LogForked),
        (seen(7), HONEST.checkpoint(11), (), LogForked),
        (seen(7), HONEST.checkpoint(11), HONEST.proof(7, 12), LogForked),
        (seen(7), HONEST.checkpoint(11), (b"short",), LogForked),
        (SeenLog.nothing(ORIGIN), HONEST.checkpoint(11), HONEST.proof(7, 11), LogForked),
        (seen(7), Log([b"x"], origin="log.example/other").checkpoint(1), (), ForeignLog),
        (SeenLog.nothing("log.example/other"), HONEST.checkpoint(1), (), ForeignLog),
        (
            seen(7),
            Log([b"%d" % n for n in range(20)], key=STRANGER).checkpoint(11),
            HONEST.proof(7, 11),
            BadLogSignature,
        ),
        (seen(7), Note(HONEST.checkpoint(11).text).signed("witness-1", HUB), HONEST.proof(7, 11), BadLogSignature),
    ],
)
def test_everything_else_is_refused_with_its_own_type(
    state: SeenLog, note: Note, proof: tuple[bytes, ...], error: type[Exception]
) -> None:
    with pytest.raises(error):
        cosigner().advance(state, note.encode(), proof, NOW)


def test_a_refusal_carries_both_signed_histories_as_evidence() -> None:
    with pytest.raises(LogForked) as refused:
        cosigner().advance(seen(11), FORKED.checkpoint(11).encode(), (), NOW)
    before, after = refused.value.evidence
    assert before == seen(11).text
    assert Note.parse(after.encode()) == FORKED.checkpoint(11)


def test_an_altered_text_under_an_old_signature_is_refused() -> None:
    data = HONEST.checkpoint(11).encode().replace(b"\n11\n", b"\n12\n")
    with pytest.raises(BadLogSignature):
        cosigner().advance(seen(7), data, HONEST.proof(7, 12), NOW)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 20), st.integers(0, 20)), max_size=25))
@settings(max_examples=60)
def test_never_two_roots_for_one_size_and_always_one_history(moves: list[Any]) -> None:
    """Whatever the hub shows in whatever order, the signed checkpoints form one append-only history."""
    state = SeenLog.nothing(ORIGIN)
    signed: dict[int, bytes] = {}
    for honest, old, size in moves:
        log = HONEST if honest else FORKED
        try:
            step = cosigner().advance(state, log.checkpoint(size).encode(), log.proof(min(old, size), size), NOW)
        except IntegrityFailure:
            continue
        assert step.seen.size >= state.size
        assert signed.setdefault(step.seen.size, step.seen.root) == step.seen.root
        state = step.seen
    if state.size > 0:
        log = HONEST if state.root == root(HONEST.nodes, state.size) else FORKED
        assert all(value == root(log.nodes, size) for size, value in signed.items())


@pytest.mark.parametrize(
    "bend",
    [
        lambda line: NoteSignature(line.name, line.key_id, line.body[:8] + bytes(64)),
        lambda line: NoteSignature(line.name, line.key_id, bytes(8) + line.body[8:]),
        lambda line: NoteSignature(line.name, line.key_id, line.body[:-1]),
        lambda line: NoteSignature(line.name, line.key_id, b"\xff" * 8 + line.body[8:]),
        lambda line: NoteSignature("witness-2", line.key_id, line.body),
        lambda line: NoteSignature(line.name, bytes(4), line.body),
    ],
)
def test_a_bent_cosignature_is_refused(bend: Callable[..., Any]) -> None:
    note = HONEST.checkpoint(3)
    line = cosigner().advance(SeenLog.nothing(ORIGIN), note.encode(), (), NOW).signature
    assert verify_cosignature(note.added(line), KEY) == NOW
    with pytest.raises(BadLogSignature):
        verify_cosignature(note.added(bend(line)), KEY)


def test_a_plain_signature_is_no_cosignature_and_the_other_way_round() -> None:
    note = HONEST.checkpoint(3)
    with pytest.raises(BadLogSignature):
        verify_cosignature(note, NoteKey(ORIGIN, ED25519, HUB.public))
    line = cosigner().advance(SeenLog.nothing(ORIGIN), note.encode(), (), NOW).signature
    with pytest.raises(BadLogSignature):
        note.added(line).verify(KEY)


@pytest.mark.parametrize(
    "text",
    ["", "a\n", "a\n1\n", "a\n01\n{r}\n", "a\n-1\n{r}\n", "a\n1\nAAAA\n", "a\n1\n{r}", "a\nx\n{r}\n", "\n1\n{r}\n",
     "a\n4611686018427387905\n{r}\n", "a\n\u0661\n{r}\n"],
)  # fmt: skip
def test_malformed_checkpoints_are_refused(text: str) -> None:
    with pytest.raises(MalformedNote):
        Checkpoint.parse(text.replace("{r}", "A" * 43 + "="))


def test_extension_lines_are_kept_and_signed() -> None:
    text = Checkpoint(ORIGIN, 3, root(HONEST.nodes, 3)).text + "extension\n"
    note = Note(text).signed(ORIGIN, HUB)
    step = cosigner().advance(SeenLog.nothing(ORIGIN), note.encode(), (), NOW)
    assert verify_cosignature(note.added(step.signature), KEY) == NOW


def test_a_signed_time_beyond_the_calendar_is_refused() -> None:
    """The witness's own key signed it: still no other error than the typed one."""
    note = HONEST.checkpoint(3)
    for stamp in (1 << 39, (1 << 63) - 1):
        body = stamp.to_bytes(8, "big") + WITNESS.sign(cosigned_message(note.text, stamp))
        with pytest.raises(BadLogSignature):
            verify_cosignature(note.added(NoteSignature("witness-1", KEY.key_id, body)), KEY)
