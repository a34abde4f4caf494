"""Published known answers for the primitives under the masks, each with a tampered twin."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mpc.errors import IntegrityError
from mpc.masks import MaskKey, hkdf_sha256, pairwise_masks
from mpc.party import PartyName
from mpc.prg import StreamCipher, aes_ctr, chacha20, expand
from mpc.ring import Z32, Z128, Ring

# NIST SP 800-38A, F.5.1 (CTR-AES128.Encrypt) and F.5.5 (CTR-AES256.Encrypt)
NIST_COUNTER = "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"
NIST_PLAIN = (
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
    "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
)
NIST = [
    (
        "2b7e151628aed2a6abf7158809cf4f3c",
        "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff"
        "5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee",
    ),
    (
        "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
        "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5"
        "2b0930daa23de94ce87017ba2d84988ddfc9c58db67aada613c2dd08457941a6",
    ),
]


@pytest.mark.parametrize(("key", "cipher_text"), NIST)
def test_aes_ctr_matches_nist(key: str, cipher_text: str) -> None:
    made = aes_ctr(bytes.fromhex(key), bytes.fromhex(NIST_COUNTER)).update(bytes.fromhex(NIST_PLAIN))
    assert made.hex() == cipher_text
    # the third block alone, reached by skipping two
    skipped = aes_ctr(bytes.fromhex(key), bytes.fromhex(NIST_COUNTER), 2).update(bytes.fromhex(NIST_PLAIN)[32:48])
    assert skipped.hex() == cipher_text[64:96]
    tampered = aes_ctr(bytes.fromhex(key), bytes.fromhex(NIST_COUNTER[:-2] + "fe")).update(bytes.fromhex(NIST_PLAIN))
    assert tampered.hex() != cipher_text


def test_expand_is_the_aes_key_stream_of_the_two_seed_halves() -> None:
    seed = bytes.fromhex(NIST[0][0] + NIST_COUNTER)
    plain, cipher_text = bytes.fromhex(NIST_PLAIN), bytes.fromhex(NIST[0][1])
    stream = bytes(a ^ b for a, b in zip(plain, cipher_text, strict=True))
    assert Z32.to_bytes(expand(seed, Z32, 16)) == stream
    assert Z128.to_bytes(expand(seed, Z128, 4)) == stream


def test_chacha20_matches_rfc_8439_section_2_4_2() -> None:
    key, nonce = bytes(range(32)), bytes.fromhex("000000000000004a00000000")
    plain = (
        b"Ladies and Gentlemen of the class of '99: If I could offer you "
        b"only one tip for the future, sunscreen would be it."
    )
    assert chacha20(key, nonce, 1).update(plain).hex().startswith("6e2e359a2568f98041ba0728dd0d6981e97e7aec1d4360c2")
    assert not chacha20(key, nonce, 2).update(plain).hex().startswith("6e2e359a")


def test_expand_with_chacha20_matches_rfc_8439_appendix_a_1() -> None:
    # test vector 1: zero key, zero nonce, counter 0
    stream = expand(bytes(32), Z32, 16, StreamCipher.CHACHA20)
    assert Z32.to_bytes(stream).hex() == (
        "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7"
        "da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586"
    )


def test_x25519_matches_rfc_7748_section_6_1() -> None:
    alice = MaskKey(bytes.fromhex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"))
    bob = MaskKey(bytes.fromhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"))
    shared = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"
    assert alice.public.hex() == "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
    assert bob.public.hex() == "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"
    assert alice.agree(bob.public).hex() == shared
    assert bob.agree(alice.public).hex() == shared
    tampered = bytes([bob.public[0] ^ 1]) + bob.public[1:]
    assert alice.agree(tampered).hex() != shared


# RFC 5869 appendix A: test cases 1 and 3
def test_hkdf_matches_rfc_5869() -> None:
    secret = bytes([0x0B] * 22)
    first = hkdf_sha256(secret, bytes(range(13)), bytes(range(0xF0, 0xFA)), 42)
    assert first.hex() == "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
    third = hkdf_sha256(secret, b"", b"", 42)
    assert third.hex() == "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"
    assert hkdf_sha256(secret, bytes(range(13)), bytes(range(0xF0, 0xF9)), 42) != first


@pytest.mark.parametrize(
    "public",
    [
        bytes(32),  # the point of order 4
        (1).to_bytes(32, "little"),  # order 1
        bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),  # order 8
        bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),  # order 8
        ((1 << 255) - 20).to_bytes(32, "little"),  # p - 1, order 4
        ((1 << 255) - 19).to_bytes(32, "little"),  # p: 0 in non-canonical form
        b"\xff" * 32,
        bytes(31),
    ],
)
def test_low_order_and_non_canonical_points_are_refused(public: bytes) -> None:
    with pytest.raises(IntegrityError):
        MaskKey.generate().agree(public)


VECTORS = json.loads(Path(__file__).with_name("mpc_masks.json").read_text())


@pytest.mark.parametrize("case", VECTORS["cases"])
def test_masks_match_our_own_vectors_and_no_tampered_one(case: dict[str, Any]) -> None:
    """The format is part of the protocol: a node of another version must derive the same masks."""
    key = MaskKey(bytes.fromhex(VECTORS["private"][case["own"]]))
    publics = {PartyName(name): bytes.fromhex(public) for name, public in VECTORS["public"].items()}
    ring = Ring(case["bits"])
    context = bytes.fromhex(case["context"])
    made = pairwise_masks(key, PartyName(case["own"]), publics, context, case["round"], ring, case["n"])
    assert (ring.to_bytes(made).hex() == case["mask"]) is case["success"]
