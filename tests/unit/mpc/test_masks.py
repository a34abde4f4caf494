"""mpc.masks: masks cancel over all participants and nobody else's do; keys are used once per round."""

from __future__ import annotations

import copy
import hashlib
import pickle
import secrets

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpc.errors import BadParameters, IntegrityError, KeyPolicyViolation, TooFewParties, UnknownParty
from mpc.masks import MaskKey, pairwise_masks
from mpc.party import PartyName
from mpc.ring import Z32, Z64, Z128, Ring

CONTEXT = hashlib.sha256(b"permit, plan, participants").digest()
A, B, C = PartyName("alpha"), PartyName("beta"), PartyName("gamma")


def three() -> tuple[dict[PartyName, MaskKey], dict[PartyName, bytes]]:
    keys = {name: MaskKey.generate() for name in (A, B, C)}
    return keys, {name: key.public for name, key in keys.items()}


names = st.lists(st.text(min_size=1, max_size=8), min_size=2, max_size=6, unique=True)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([Z32, Z64, Z128]), names, st.integers(0, 40), st.data())
def test_the_sum_of_masked_vectors_is_the_sum(ring: Ring, parties: list[str], n: int, data: st.DataObject) -> None:
    keys = {PartyName(name): MaskKey.generate() for name in parties}
    publics = {name: key.public for name, key in keys.items()}
    total, masks_only, plain = ring.zeros(n), ring.zeros(n), [0] * n
    for name, key in keys.items():
        values = data.draw(st.lists(st.integers(-(2**20), 2**20), min_size=n, max_size=n))
        mask = pairwise_masks(key, name, publics, CONTEXT, "values", ring, n)
        masks_only = ring.add(masks_only, mask)
        total = ring.add(total, ring.add(ring.encode(values), mask))
        plain = [a + b for a, b in zip(plain, values, strict=True)]
    assert ring.decode_signed(total) == plain
    assert ring.is_zero(masks_only).all()


def test_without_one_participant_nothing_cancels() -> None:
    keys, publics = three()
    partial = Z64.zeros(100)
    for name in (A, B):
        partial = Z64.add(partial, pairwise_masks(keys[name], name, publics, CONTEXT, "values", Z64, 100))
    assert not Z64.is_zero(partial).any()


def mask(context: bytes = CONTEXT, round: str = "values", ring: Ring = Z64, n: int = 16) -> bytes:
    keys = {A: MaskKey(b"\x01" * 32), B: MaskKey(b"\x02" * 32)}
    publics = {name: key.public for name, key in keys.items()}
    return ring.to_bytes(pairwise_masks(keys[A], A, publics, context, round, ring, n))


def test_masks_bind_context_round_ring_length_and_names() -> None:
    keys = {A: MaskKey(b"\x01" * 32), C: MaskKey(b"\x02" * 32)}
    renamed = pairwise_masks(keys[A], A, {n: k.public for n, k in keys.items()}, CONTEXT, "values", Z64, 16)
    views = [
        mask(),
        mask(context=CONTEXT[::-1]),
        mask(round="flags"),
        mask(ring=Z32, n=32),
        mask(ring=Z128, n=8),
        mask(n=17)[: 16 * 8],
        Z64.to_bytes(renamed),
    ]
    assert len({view[:64] for view in views}) == len(views)
    assert mask() == mask()


def test_names_and_rounds_cannot_be_confused_by_shifting_bytes_between_fields() -> None:
    assert mask(context=CONTEXT + b"v", round="alues") != mask(context=CONTEXT, round="values")


def test_one_mask_one_message() -> None:
    keys, publics = three()
    pairwise_masks(keys[A], A, publics, CONTEXT, "values", Z64, 4)
    pairwise_masks(keys[A], A, publics, CONTEXT, "flags", Z64, 4)
    with pytest.raises(KeyPolicyViolation):
        pairwise_masks(keys[A], A, publics, CONTEXT, "values", Z64, 4)
    with pytest.raises(KeyPolicyViolation):
        pairwise_masks(keys[A], A, publics, CONTEXT, "values", Z128, 9)
    with pytest.raises(KeyPolicyViolation):  # whatever the context: a second opening would show the difference
        pairwise_masks(keys[A], A, publics, CONTEXT[::-1], "values", Z64, 4)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.binary(min_size=16, max_size=32), min_size=3, max_size=3), st.booleans())
def test_masks_cancel_only_among_participants_who_were_told_the_same(told: list[bytes], same: bool) -> None:
    keys, publics = three()
    contexts = [told[0]] * 3 if same else told
    total = Z64.zeros(8)
    for (name, key), context in zip(keys.items(), contexts, strict=True):
        total = Z64.add(total, pairwise_masks(key, name, publics, context, "values", Z64, 8))
    assert bool(Z64.is_zero(total).all()) is (len(set(contexts)) == 1)


def test_wrong_participants_are_refused() -> None:
    keys, publics = three()
    stranger = MaskKey.generate()
    for error, own, key, others in [
        (TooFewParties, A, keys[A], {A: publics[A]}),
        (UnknownParty, A, keys[A], {B: publics[B], C: publics[C]}),
        (IntegrityError, A, stranger, publics),
        (IntegrityError, A, keys[B], publics),
        (IntegrityError, A, keys[A], {**publics, C: publics[B]}),
        (IntegrityError, A, keys[A], {**publics, C: bytes(32)}),
        (IntegrityError, A, keys[A], {**publics, C: b"\xff" * 32}),
        (IntegrityError, A, keys[A], {**publics, C: b""}),
    ]:
        with pytest.raises(error):
            pairwise_masks(key, own, others, CONTEXT, "values", Z64, 4)
    # a refused call has not used the key up
    pairwise_masks(keys[A], A, publics, CONTEXT, "values", Z64, 4)


def test_bad_parameters_are_refused() -> None:
    keys, publics = three()
    with pytest.raises(BadParameters):
        pairwise_masks(keys[A], A, publics, b"short", "values", Z64, 4)
    with pytest.raises(BadParameters):
        pairwise_masks(keys[A], A, publics, CONTEXT, "values", Z64, -1)
    with pytest.raises(BadParameters):
        MaskKey(b"short")


def test_a_key_shows_and_gives_away_nothing() -> None:
    key = MaskKey(b"\x07" * 32)
    assert "07" * 16 not in repr(key)
    for leak in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(KeyPolicyViolation):
            leak(key)


def test_what_the_hub_sees_of_one_participant_is_independent_of_its_values() -> None:
    """The masked vector of zeros and of a large constant are alike; masks of half the ring's width are not."""

    def top_bit_share(value: int, narrow: bool) -> float:
        keys = {A: MaskKey.generate(), B: MaskKey.generate()}
        publics = {name: key.public for name, key in keys.items()}
        noise = pairwise_masks(keys[A], A, publics, CONTEXT, secrets.token_hex(4), Z64, 20_000)
        if narrow:
            noise = noise >> np.uint64(32)
        seen = Z64.add(Z64.encode([value] * 20_000), noise)
        return float((seen >> np.uint64(63)).mean())

    assert abs(top_bit_share(0, narrow=False) - top_bit_share(-(1 << 62), narrow=False)) < 0.03
    assert abs(top_bit_share(0, narrow=True) - top_bit_share(-(1 << 62), narrow=True)) > 0.9  # positive control
