"""Envelopes: what counts as a signature, and whose."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib.dsse import Envelope as PeerEnvelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer._key import Key

from jobs.documents import Envelope, PublicKey, SigningKey, canonical, verify_threshold
from jobs.errors import BadDocument, BadSignature

ONE, TWO, THREE = (SigningKey.from_seed(bytes((number,)) * 32) for number in (1, 2, 3))
KEYS = [ONE.public, TWO.public, THREE.public]


def plain() -> Envelope:
    return Envelope("application/x", b'{"a":1}', ())


def test_threshold_counts_distinct_trusted_keys() -> None:
    envelope = plain().signed_by(ONE, TWO)
    assert verify_threshold(envelope, KEYS, 2, "it") == {ONE.public, TWO.public}
    with pytest.raises(BadSignature, match="2 valid signature"):
        verify_threshold(envelope, KEYS, 3, "it")


def test_one_key_never_counts_twice() -> None:
    envelope = plain().signed_by(ONE, ONE)
    assert len(envelope.signatures) == 1
    doubled = Envelope(
        envelope.payload_type, envelope.payload, (*envelope.signatures, ("zz", envelope.signatures[0][1]))
    )
    assert doubled.signers([ONE.public, PublicKey(ONE.public.raw)]) == {ONE.public}
    with pytest.raises(BadDocument, match="threshold"):
        verify_threshold(doubled, [ONE.public, PublicKey(ONE.public.raw)], 2, "it")


def test_foreign_signatures_are_ignored_and_do_not_help() -> None:
    envelope = plain().signed_by(ONE, THREE)
    assert verify_threshold(envelope, [ONE.public], 1, "it") == {ONE.public}
    with pytest.raises(BadSignature):
        verify_threshold(envelope, [TWO.public], 1, "it")


@pytest.mark.parametrize("threshold", [0, -1, 4])
def test_a_threshold_that_cannot_be_met_is_refused(threshold: int) -> None:
    with pytest.raises(BadDocument):
        verify_threshold(plain().signed_by(ONE), KEYS, threshold, "it")


def test_type_and_payload_are_both_signed() -> None:
    envelope = plain().signed_by(ONE)
    for other in (
        Envelope("application/y", envelope.payload, envelope.signatures),
        Envelope(envelope.payload_type, b'{"a":2}', envelope.signatures),
    ):
        assert other.digest != envelope.digest
        assert not other.signers(KEYS)


def test_digest_stays_when_another_signs() -> None:
    assert plain().digest == plain().signed_by(ONE).digest == plain().signed_by(ONE, TWO).digest


def test_encode_and_parse() -> None:
    envelope = plain().signed_by(TWO, ONE)
    assert Envelope.parse(envelope.encode()) == envelope


@pytest.mark.parametrize(
    "bend",
    [
        lambda e: e | {"extra": 1},
        lambda e: {name: value for name, value in e.items() if name != "payload"},
        lambda e: e | {"payload": "e31="},  # unused bits set: a second spelling of the same bytes
        lambda e: e | {"payload": "e30"},
        lambda e: e | {"payload": 1},
        lambda e: e | {"payloadType": None},
        lambda e: e | {"signatures": {}},
        lambda e: e | {"signatures": e["signatures"] * 2},
        lambda e: e | {"signatures": e["signatures"][::-1]},
        lambda e: e | {"signatures": [{"keyid": "a"}]},
        lambda e: e | {"signatures": [{"keyid": "a", "sig": "AAAA"}]},
        lambda e: e | {"signatures": [{"keyid": "a" * 65, "sig": e["signatures"][0]["sig"]}]},
        lambda e: [e],
    ],
)
def test_malformed_envelopes_are_refused(bend: Callable[..., Any]) -> None:
    with pytest.raises(BadDocument):
        Envelope.parse(canonical(bend(plain().signed_by(ONE, TWO).to_json())))


@given(st.binary(max_size=200))
def test_any_bytes_give_an_envelope_or_a_refusal(data: bytes) -> None:
    try:
        assert Envelope.parse(data).encode() == data
    except BadDocument:
        return


@given(st.data())
def test_a_changed_byte_never_passes(data: st.DataObject) -> None:
    whole = plain().signed_by(ONE).encode()
    at = data.draw(st.integers(0, len(whole) - 1))
    changed = bytes((*whole[:at], data.draw(st.integers(0, 255).filter(lambda b: b != whole[at])), *whole[at + 1 :]))
    try:
        envelope = Envelope.parse(changed)
    except BadDocument:
        return
    with pytest.raises(BadSignature):
        verify_threshold(envelope, KEYS, 1, "it")


def test_oversized_is_refused_before_it_is_read() -> None:
    with pytest.raises(BadDocument, match="at most"):
        Envelope.parse(b"[" * ((8 << 20) + 1))


def peer_key(key: PublicKey) -> dict[str, Any]:
    return {"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": key.raw.hex()}}


def test_another_dsse_implementation_agrees() -> None:
    """securesystemslib reads, verifies and refuses the same envelopes."""
    peer_keys = [Key.from_dict(k.key_id, peer_key(k)) for k in KEYS]
    peer = PeerEnvelope.from_dict(plain().signed_by(ONE, TWO).to_json())
    assert set(peer.verify(peer_keys, 2)) == {ONE.public.key_id, TWO.public.key_id}
    peer.payload = b"{}"
    with pytest.raises(VerificationError):
        peer.verify(peer_keys, 1)


def test_a_signing_key_never_shows_itself() -> None:
    seed = bytes((1,)) * 32
    assert seed.hex() not in repr(ONE)
    assert ONE.public.key_id in repr(ONE)
    with pytest.raises(TypeError, match="not serialised"):
        pickle.dumps(ONE)


@pytest.mark.parametrize("text", ["", "ed25519:", "ed25519:AAAA", "rsa:AAAA", "ed25519:" + "A" * 43 + "B"])
def test_malformed_public_keys_are_refused(text: str) -> None:
    with pytest.raises(BadDocument):
        PublicKey.parse(text)
