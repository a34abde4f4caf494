"""Statistical tests of both views, each with a broken variant that the same test catches."""

import secrets

import numpy as np
import pytest

from mpc.party import PartyName
from mpc.psi.kkrt import Receiver, Sender
from mpc.psi.messages import Correction, Masks

S, R = PartyName("sender"), PartyName("receiver")
SESSION = bytes(range(16))


def _matching_lists(own: bytes, x: list[bytes], choices: bytes | None) -> tuple[Receiver, list[np.ndarray]]:
    """One run against a receiver with one item; return the three lists of masks. ``choices`` fixes the secret s."""
    calls = 0

    def random(size: int) -> bytes:
        nonlocal calls
        calls += size == 56
        return choices if choices is not None and size == 56 else secrets.token_bytes(size)

    sender, receiver = Sender(S, R, SESSION, x, random), Receiver(R, S, SESSION, [own])
    assert calls == 1
    openings = [*sender.start(), *receiver.start()]
    list(sender.receive(R, openings[1].message))
    parts = list(receiver.receive(S, openings[0].message))
    masks = [Masks.decode(mask.message, SESSION) for part in parts for mask in sender.receive(R, part.message)]
    for mask in masks:
        list(receiver.receive(S, mask.encode(SESSION)))
    return receiver, [mask.masks for mask in masks]


@pytest.mark.parametrize(("choices", "leaks"), [(None, False), (bytes(56), True)])
def test_masks_of_other_items_say_nothing(choices: bytes | None, leaks: bool) -> None:
    """With s = 0 all items of a bin get one value, so a receiver without the item still sees that its bin is hit."""
    x = [b"%d" % number for number in range(30_000)]  # 30,000 items in 2,048 bins: every bin is hit in every list
    receiver, _ = _matching_lists(b"not among them", x, choices)
    assert receiver.result.tolist() == [leaks]


def _mean_position(shuffled: bool) -> float:
    x = [b"own", *(b"%d" % number for number in range(99))]
    positions = []
    for _ in range(20):
        sender, receiver = Sender(S, R, SESSION, x), Receiver(R, S, SESSION, [b"own"])
        if not shuffled:
            _undo_the_permutation(sender, x)
        openings = [*sender.start(), *receiver.start()]
        list(sender.receive(R, openings[1].message))
        parts = list(receiver.receive(S, openings[0].message))
        for mask in (mask for part in parts for mask in sender.receive(R, part.message)):
            value = Masks.decode(mask.message, SESSION)
            own = receiver._evaluator.values[0, : value.masks.shape[1]]  # type: ignore[union-attr]
            positions.extend(np.flatnonzero(np.all(value.masks == own, axis=1)).tolist())
    assert len(positions) == 20
    return float(np.mean(positions))


def _undo_the_permutation(sender: Sender, x: list[bytes]) -> None:
    from mpc.psi.items import digest_items

    sender._digests = digest_items(x, sender._salt)


@pytest.mark.slow
def test_the_place_of_a_match_says_nothing_about_the_order() -> None:
    assert 15 < _mean_position(shuffled=True) < 84  # mean 49.5, deviation 6.5
    assert _mean_position(shuffled=False) == 0  # positive control


def _corrections(y: list[bytes], same_seeds: bool) -> np.ndarray:
    sender, receiver = Sender(S, R, SESSION, []), Receiver(R, S, SESSION, y)
    if same_seeds:
        seeds = receiver._transfers.seeds
        receiver._transfers.seeds = (  # type: ignore[method-assign]
            lambda pairs, count: np.repeat(seeds(pairs, count)[:, :1], 2, axis=1)
        )
    opening = next(iter(sender.start())).message
    return Correction.decode(next(iter(receiver.receive(S, opening))).message, SESSION).rows


@pytest.mark.parametrize(("same_seeds", "leaks"), [(False, False), (True, True)])
def test_corrections_do_not_tell_full_bins_from_empty_ones(same_seeds: bool, leaks: bool) -> None:
    """Share of one bits in the corrections of an empty and of a full receiver: both a half, or 0 against a third."""
    empty = _corrections([], same_seeds)
    full = _corrections([b"%d" % number for number in range(1500)], same_seeds)
    bits = 64 * empty.size
    difference = abs(float(np.bitwise_count(empty).sum()) - float(np.bitwise_count(full).sum())) / bits
    assert (difference > 0.1) is leaks
    assert leaks or difference < 0.01  # 917,504 bits: ten deviations
