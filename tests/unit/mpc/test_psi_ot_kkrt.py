"""The two-party intersection: results, refusals that change nothing, and what each side's view tells."""

from dataclasses import replace

import numpy as np
import pytest

from mpc.drive import run
from mpc.errors import (
    BadParameters,
    DuplicateMessage,
    MalformedMessage,
    MpcError,
    OutOfRange,
    UnknownParty,
    WrongRound,
    WrongSession,
)
from mpc.party import PartyName, Send
from mpc.psi.kkrt import Receiver, Sender
from mpc.psi.messages import Correction, Masks, ReceiverHello, SenderHello

S, R = PartyName("sender"), PartyName("receiver")
SESSION = bytes(range(16))


def _pair(x: list[bytes], y: list[bytes]) -> tuple[Sender, Receiver]:
    return Sender(S, R, SESSION, x), Receiver(R, S, SESSION, y)


def _names(numbers: range) -> list[bytes]:
    return [b"item %d" % number for number in numbers]


@pytest.mark.parametrize(
    ("x", "y"),
    [
        ([], []),
        ([], [b"a"]),
        ([b"a"], []),
        ([b"a"], [b"a"]),
        ([b""], [b"", b"\0"]),
        ([b"a"] * 5 + [b"b"], [b"b", b"c", b"b", b"a"]),
        ([b"long" * 50, b"x"], [b"x", b"long" * 50, b"long" * 49]),
        (_names(range(3000)), _names(range(2500, 5000))),
        (_names(range(10)), _names(range(5, 60_000))),
    ],
)
def test_the_intersection_is_the_plain_one(x: list[bytes], y: list[bytes]) -> None:
    sender, receiver = _pair(x, y)
    assert run([sender, receiver]) > 0
    assert receiver.result.tolist() == [item in set(x) for item in y]


def test_several_blocks_of_bins() -> None:
    """60,000 items take 78,000 bins: two blocks, the second not a multiple of 64 rows."""
    x, y = _names(range(50_000, 110_000)), _names(range(60_000))
    sender, receiver = _pair(x, y)
    run([sender, receiver])
    assert np.flatnonzero(receiver.result).tolist() == list(range(50_000, 60_000))


def test_a_matrix_of_bytes_serves_as_items() -> None:
    ids = np.arange(1000, dtype="<u8").view(np.uint8).reshape(-1, 8)
    sender, receiver = Sender(S, R, SESSION, ids[:600]), Receiver(R, S, SESSION, ids[400:])
    run([sender, receiver])
    assert int(receiver.result.sum()) == 200


def test_no_result_before_the_end() -> None:
    with pytest.raises(WrongRound):
        _ = _pair([b"a"], [b"a"])[1].result


def test_a_receiver_that_announces_too_much_is_refused() -> None:
    sender = Sender(S, R, SESSION, [b"a"], receiver_at_most=2)
    with pytest.raises(OutOfRange):
        run([sender, Receiver(R, S, SESSION, [b"a", b"b", b"c"])])


def test_secrets_stay_out_of_repr() -> None:
    sender, receiver = _pair([b"very secret item"], [b"very secret item"])
    assert "secret item" not in repr(sender) + repr(receiver)


def test_text_items_are_refused_by_both() -> None:
    with pytest.raises(BadParameters):
        Sender(S, R, SESSION, ["text"])  # type: ignore[list-item]
    sender, receiver = Sender(S, R, SESSION, [b"a"]), Receiver(R, S, SESSION, ["text"])  # type: ignore[list-item]
    with pytest.raises(BadParameters):
        run([sender, receiver])


def _transcript(x: list[bytes], y: list[bytes]) -> tuple[Sender, Receiver, list[Send], list[Send], list[Send]]:
    """Run by hand: both openings are exchanged; return the corrections and masks too."""
    sender, receiver = _pair(x, y)
    openings = [*sender.start(), *receiver.start()]
    corrections = list(receiver.receive(S, openings[0].message))
    assert list(sender.receive(R, openings[1].message)) == []
    masks = [mask for part in corrections for mask in sender.receive(R, part.message)]
    return sender, receiver, openings, corrections, masks


def test_repeated_messages_are_refused_and_the_run_still_ends() -> None:
    sender, receiver, openings, corrections, masks = _transcript([b"a", b"b"], [b"b", b"c"])
    for party, origin, message, error in (
        (receiver, S, openings[0].message, DuplicateMessage),
        (sender, R, openings[1].message, DuplicateMessage),
        (sender, R, corrections[0].message, DuplicateMessage),
        (sender, R, masks[0].message, MalformedMessage),  # the receiver does not send masks
        (receiver, S, masks[1].message, WrongRound),  # the first list comes first
        (receiver, PartyName("third"), masks[0].message, UnknownParty),
        (sender, S, openings[1].message, UnknownParty),
    ):
        with pytest.raises(error):
            list(party.receive(origin, message))
    list(receiver.receive(S, masks[0].message))
    with pytest.raises(DuplicateMessage):
        list(receiver.receive(S, masks[0].message))
    for mask in masks[1:]:
        list(receiver.receive(S, mask.message))
    assert receiver.result.tolist() == [True, False]
    with pytest.raises(WrongRound):
        list(receiver.receive(S, masks[2].message))


def test_messages_ahead_of_their_round_are_refused() -> None:
    _, _, openings, corrections, masks = _transcript([b"a"], [b"a"])
    sender, receiver = _pair([b"a"], [b"a"])
    with pytest.raises(WrongRound):
        list(sender.receive(R, corrections[0].message))
    with pytest.raises(WrongRound):
        list(receiver.receive(S, masks[0].message))
    assert openings


def test_corrections_not_yet_sent_forbid_masks() -> None:
    """The receiver's corrections are made while its transport takes them; masks before the last one are too early."""
    _, _, _, _, masks = _transcript([b"a"], [b"a"])
    sender, receiver = _pair([b"a"], [b"a"])
    pending = iter(receiver.receive(S, next(iter(sender.start())).message))
    with pytest.raises(WrongRound):
        list(receiver.receive(S, masks[0].message))
    assert len(list(pending)) == 1


@pytest.mark.parametrize("which", [0, 1, 2, 3])
def test_a_foreign_session_is_refused(which: int) -> None:
    sender, receiver, openings, corrections, masks = _transcript([b"a"], [b"a"])
    message = [openings[0], openings[1], corrections[0], masks[0]][which].message
    foreign = message[:5] + bytes(16) + message[21:]
    with pytest.raises(WrongSession):
        list((receiver if which in (0, 3) else sender).receive(S if which in (0, 3) else R, foreign))


def test_blocks_and_masks_of_another_size_are_refused() -> None:
    sender, receiver = _pair([b"a", b"b"], [b"b"])
    openings = [*sender.start(), *receiver.start()]
    parts = list(receiver.receive(S, openings[0].message))
    list(sender.receive(R, openings[1].message))
    good = Correction.decode(parts[0].message, SESSION)
    for bad in (good.rows[:-1], good.rows[:, :-1], np.zeros((0, 7), np.uint64)):
        with pytest.raises(MalformedMessage):
            list(sender.receive(R, replace(good, rows=bad).encode(SESSION)))
    with pytest.raises(WrongRound):
        list(sender.receive(R, replace(good, block=1).encode(SESSION)))
    masks = list(sender.receive(R, parts[0].message))
    mask = Masks.decode(masks[0].message, SESSION)
    for wrong in (mask.masks[:1], mask.masks[:, :-1], np.zeros((3, 6), np.uint8)):
        with pytest.raises(MalformedMessage):
            list(receiver.receive(S, replace(mask, masks=wrong).encode(SESSION)))
    for part in masks:
        list(receiver.receive(S, part.message))
    assert receiver.result.tolist() == [True]


def test_openings_with_a_bad_point_or_size_change_nothing() -> None:
    sender, receiver = _pair([b"a"], [b"a"])
    good, answer = (next(iter(party.start())).message for party in (sender, receiver))
    hello, reply = SenderHello.decode(good, SESSION), ReceiverHello.decode(answer, SESSION)
    for bad in (replace(hello, pairs=bytes(len(hello.pairs))), replace(hello, count=1 << 28)):
        with pytest.raises(MpcError):
            list(receiver.receive(S, bad.encode(SESSION)))
    for point in (bytes(32), b"\xff" * 32):
        with pytest.raises(MalformedMessage):
            list(sender.receive(R, replace(reply, point=point).encode(SESSION)))
    list(sender.receive(R, answer))
    for part in receiver.receive(S, good):
        for mask in sender.receive(R, part.message):
            list(receiver.receive(S, mask.message))
    assert receiver.result.tolist() == [True]


def test_tampered_masks_are_not_found() -> None:
    """A flipped bit in every mask empties the intersection: nothing else in a mask is looked at."""
    sender, receiver = _pair([b"a"], [b"a"])
    openings = [*sender.start(), *receiver.start()]
    list(sender.receive(R, openings[1].message))
    parts = list(receiver.receive(S, openings[0].message))
    for mask in sender.receive(R, parts[0].message):
        value = Masks.decode(mask.message, SESSION)
        list(receiver.receive(S, replace(value, masks=value.masks ^ np.uint8(1)).encode(SESSION)))
    assert receiver.result.tolist() == [False]
