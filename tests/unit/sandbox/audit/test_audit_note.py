"""Signed notes: strict framing, unknown keys ignored, known keys must verify."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.documents import SigningKey
from jobs.errors import BadDocument
from sandbox.audit import ED25519, LogEntry, Note, NoteKey, NoteSignature
from sandbox.errors import BadLogSignature, MalformedNote

HUB = SigningKey.from_seed(b"\x01" * 32)
KEY = NoteKey("log.example", ED25519, HUB.public)


def test_round_trip_and_unknown_signers_are_ignored() -> None:
    note = Note("hello\n\nworld\n").signed("log.example", HUB).signed("other", SigningKey.from_seed(b"\x02" * 32))
    read = Note.parse(note.encode())
    assert read == note
    read.verify(KEY)


def test_a_second_false_line_of_a_known_key_is_refused() -> None:
    note = Note("hello\n").signed("log.example", HUB)
    with pytest.raises(BadLogSignature):
        note.added(NoteSignature("log.example", KEY.key_id, bytes(64))).verify(KEY)


def test_adding_a_line_twice_keeps_one() -> None:
    note = Note("hello\n").signed("log.example", HUB)
    assert note.added(*note.signatures) == note


LINE = "— log.example " + "A" * 92


@pytest.mark.parametrize(
    "data",
    [
        "", "hello\n", "hello\n\n", f"hello\n{LINE}\n", f"hello\n\n{LINE}", f"hello\n\n- log.example {'A' * 92}\n",
        "hello\n\n— log.example\n", "hello\n\n— log.example AA==\n", "hello\n\n— log+example " + "A" * 92 + "\n",
        "hello\n\n— log.example " + "A" * 92 + " \n", "hel\x07lo\n\n" + LINE + "\n", "hello\r\n\n" + LINE + "\n",
        "hello\n\n" + (LINE + "\n") * 600, "hello\n\n—  " + "A" * 92 + "\n", "hello\n\n— log.example A_A-\n",
        "x" * (1 << 19),
    ],
)  # fmt: skip
def test_malformed_notes_are_refused(data: str) -> None:
    with pytest.raises(MalformedNote):
        Note.parse(data.encode())


@given(
    st.binary(max_size=200) | st.text(max_size=100).map(lambda t: (t + "\n\n— n AAAAAAAA\n").encode("utf-8", "replace"))
)
def test_any_bytes_are_a_note_or_refused(data: bytes) -> None:
    try:
        note = Note.parse(data)
    except MalformedNote:
        return
    assert note.encode() == data


@pytest.mark.parametrize(
    "vkey",
    ["", "name", "name+00000000+AAAA", KEY.vkey.replace("log", "Log"), KEY.vkey + "AA", KEY.vkey.replace("+A", "+B")],
)
def test_malformed_verifier_keys_are_refused(vkey: str) -> None:
    assert NoteKey.parse(KEY.vkey) == KEY
    with pytest.raises(MalformedNote):
        NoteKey.parse(vkey)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\tb", "a\u2003b"])
def test_key_names_have_neither_space_nor_plus(name: str) -> None:
    with pytest.raises(MalformedNote):
        NoteKey(name, ED25519, HUB.public)


def test_a_log_entry_reads_back_and_is_bounded() -> None:

    entry = LogEntry(
        salt="00" * 32, event="job.released", at=datetime(2026, 11, 21, tzinfo=UTC), actor="hub", subject="job-1"
    )
    assert LogEntry.read(entry.leaf()) == entry
    for leaf in (b"", b"{}", entry.leaf() + b" ", b" " * (1 << 17)):
        with pytest.raises(BadDocument):
            LogEntry.read(leaf)
    with pytest.raises(ValueError, match="floats are not allowed"):
        LogEntry(
            salt="00" * 32, event="x", at=datetime(2026, 11, 21, tzinfo=UTC), actor="hub", subject="s", facts={"a": 0.5}
        )
