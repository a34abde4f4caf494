"""Headers, transcripts and seals: what belongs to another place, permit, sender or reader is refused."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.documents import SealingKey, SigningKey, digest
from jobs.documents.message import ALL, Header
from jobs.errors import ProtocolViolation
from jobs.kinds.base import MESSAGE_BYTES, Receiver, Round
from jobs.kinds.statistics.kind import KIND, Statistics
from mpc.errors import MalformedMessage, UnknownParty, WrongRound, WrongSession
from sandbox.messages import (
    RESERVED,
    Message,
    check_header,
    first_transcript,
    next_transcript,
    read_message,
    seal,
    transcript_bytes,
    unseal,
    write_message,
)

PERMIT, NODES, HUB = digest(b"permit"), ("node-a", "node-b", "node-c"), "hub"
START = first_transcript(PERMIT, NODES)


class Talking(Statistics):
    """A kind with a round to everybody, to the hub, by the hub, and from node to node."""

    rounds = (*Statistics.rounds, Round("whisper", Receiver.NODE, repeats=3))


def draws(name: str) -> Callable[[int], bytes]:
    return lambda size: hashlib.shake_256(name.encode()).digest(size)


def key(name: str) -> SigningKey:
    return SigningKey.from_seed(hashlib.sha256(name.encode()).digest())


def message(
    sender: str = "node-a",
    round: str = "flags",
    receiver: str = HUB,
    *,
    sequence: int = 0,
    body: bytes = b"body",
    name: str = "one",
    transcript: Any = START,
) -> Message:
    state = None if sender == HUB else digest(b"what its gate remembers")
    return write_message(
        key(sender), PERMIT, transcript, round, sequence, sender, receiver, body, draws(name), state=state
    )


def header(**changed: Any) -> Header:
    return message().header.model_copy(update=changed)


def test_a_header_for_its_place_is_taken() -> None:
    for sender, round, receiver in (
        ("node-a", "key", ALL), ("node-b", "flags", HUB), (HUB, "open", ALL), ("node-c", "whisper", "node-a")
    ):  # fmt: skip
        row = check_header(Talking(), message(sender, round, receiver).header, PERMIT, NODES, HUB)
        assert row.name == round
    assert check_header(Talking(), header(round="whisper", receiver="node-b", sequence=2), PERMIT, NODES, HUB)


WRONG = {
    "another permit": (header(permit=digest(b"other")), WrongSession),
    "a round that is none": (header(round="sent"), WrongRound),
    "a stranger": (header(sender="node-x"), UnknownParty),
    "the hub in a node's round": (header(sender=HUB), UnknownParty),
    "a node in the hub's round": (header(round="open", receiver=ALL), UnknownParty),
    "a second message": (header(sequence=1), WrongRound),
    "a fourth of three": (header(round="whisper", receiver="node-b", sequence=3), WrongRound),
    "to the hub what is for all": (header(round="key"), UnknownParty),
    "to all what is for the hub": (header(receiver=ALL), UnknownParty),
    "to a node what is for the hub": (header(receiver="node-b"), UnknownParty),
    "to itself": (header(round="whisper", receiver="node-a"), UnknownParty),
    "to a stranger": (header(round="whisper", receiver="node-x"), UnknownParty),
    "to the hub what is for a node": (header(round="whisper"), UnknownParty),
    "a node that hides what its gate remembers": (header(state=None), MalformedMessage),
    "a hub that pretends to have a gate": (
        header(round="open", sender=HUB, receiver=ALL, state=digest(b"a gate")),
        MalformedMessage,
    ),
    "too large": (header(size=MESSAGE_BYTES + 1), MalformedMessage),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_header_without_a_place_is_refused(name: str) -> None:
    wrong, error = WRONG[name]
    with pytest.raises(error):
        check_header(Talking(), wrong, PERMIT, NODES, HUB)


def test_no_kind_names_a_round_like_a_node_s_word_about_a_job() -> None:
    assert not RESERVED & {row.name for row in KIND.rounds}


@given(st.binary(max_size=64), st.binary(max_size=64))
def test_a_message_is_read_with_the_body_that_it_names_and_no_other(body: bytes, other: bytes) -> None:
    made = message(body=body)
    assert read_message(made.envelope, body) == made
    if other != body:
        with pytest.raises(MalformedMessage):
            read_message(made.envelope, other)


def test_the_digest_that_log_and_receipt_show_cannot_be_guessed_from_what_was_said() -> None:
    """Two messages that differ in randomness alone: the same body, another digest."""
    one, two = message(name="one"), message(name="two")
    assert one.header.body == two.header.body
    assert one.digest != two.digest
    assert message(name="one").digest == one.digest  # the control: it is the salt that makes the difference


# --- transcripts ----------------------------------------------------------------------------------------------------


def test_a_transcript_is_over_permit_participants_and_all_that_was_told_in_order() -> None:
    keys = [message(node, "key", ALL, body=node.encode()) for node in NODES]
    opened = message(HUB, "open", ALL)
    told = next_transcript(next_transcript(START, keys), [opened])
    assert told == next_transcript(next_transcript(START, keys[::-1]), [opened])  # of one round, in any order
    others = [
        first_transcript(digest(b"other"), NODES),
        first_transcript(PERMIT, NODES[:2]),
        first_transcript(PERMIT, ("node-", "anode-b", "node-c")),
        next_transcript(START, keys),
        next_transcript(START, [*keys, opened]),
        next_transcript(next_transcript(START, [opened]), keys),
        next_transcript(next_transcript(START, [*keys[:2], message("node-c", "key", ALL)]), [opened]),
        next_transcript(next_transcript(START, keys), [message(HUB, "open", ALL, name="two")]),
    ]
    assert len({START, told, *others}) == len(others) + 2
    assert len(transcript_bytes(told)) == 32


# --- node to node ---------------------------------------------------------------------------------------------------


def sealed(private: SealingKey, place: tuple[str, int, str, str] | None = None, permit: Any = PERMIT) -> Message:
    own = ("whisper", 0, "node-a", "node-b")
    body = seal(private.public.raw, place or own, permit, b"a secret")
    return message("node-a", "whisper", "node-b", body=body)


def test_only_the_receiver_opens_what_was_sealed_to_it() -> None:
    reader, other = SealingKey.from_seed(bytes(range(32))), SealingKey.from_seed(bytes(range(1, 33)))
    made = sealed(reader)
    assert unseal(reader.private(), made) == b"a secret"
    assert b"a secret" not in made.body
    with pytest.raises(ProtocolViolation):
        unseal(other.private(), made)


@pytest.mark.parametrize(
    "place", [("whisper", 1, "node-a", "node-b"), ("other", 0, "node-a", "node-b"), ("whisper", 0, "node-c", "node-b"),
              ("whisper", 0, "node-a", "node-c")],
)  # fmt: skip
def test_what_was_sealed_for_one_place_opens_in_no_other(place: tuple[str, int, str, str]) -> None:
    reader = SealingKey.from_seed(bytes(range(32)))
    with pytest.raises(ProtocolViolation):
        unseal(reader.private(), sealed(reader, place))
    with pytest.raises(ProtocolViolation):
        unseal(reader.private(), sealed(reader, permit=digest(b"other")))


@pytest.mark.parametrize(
    "bend", [lambda b: b[:-1], lambda b: b"", lambda b: bytes([b[0] ^ 1]) + b[1:], lambda b: b + b"x"]
)
def test_an_altered_box_does_not_open(bend: Callable[[bytes], bytes]) -> None:
    reader = SealingKey.from_seed(bytes(range(32)))
    made = sealed(reader)
    bent = message("node-a", "whisper", "node-b", body=bend(made.body))
    with pytest.raises(ProtocolViolation):
        unseal(reader.private(), bent)
