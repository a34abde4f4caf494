"""Sealing keys: one spelling, no key that anybody could open, and nothing of the private half shown."""

from __future__ import annotations

import pickle

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

from jobs.documents import SealingKey, SealingPublic
from jobs.errors import BadDocument, UnknownSigner
from sandbox.keys import certify_node
from tests.support import orders, signed
from tests.support.orders import owner_keys
from tests.support.signed import seal

# RFC 7748 section 6.1
BOB_PRIVATE = bytes.fromhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb")
BOB_PUBLIC = bytes.fromhex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f")
SMALL = [
    "00" * 32,
    "01" + "00" * 31,
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]


def test_the_public_half_is_rfc_7748s() -> None:
    assert SealingKey.from_seed(BOB_PRIVATE).public.raw == BOB_PUBLIC
    text = SealingPublic(BOB_PUBLIC).text
    assert text.startswith("x25519:")
    assert SealingPublic.parse(text).raw == BOB_PUBLIC


@pytest.mark.parametrize("raw", SMALL)
def test_a_key_of_small_order_is_refused(raw: str) -> None:
    """Control: the library takes such a key as a public key, and every secret shared with it is the same."""
    X25519PublicKey.from_public_bytes(bytes.fromhex(raw))
    with pytest.raises(BadDocument, match="small order"):
        SealingPublic(bytes.fromhex(raw))


def test_one_key_has_one_spelling() -> None:
    for raw in (bytes.fromhex("ee" + "ff" * 30 + "7f"), BOB_PUBLIC[:-1] + bytes((BOB_PUBLIC[-1] | 0x80,))):
        with pytest.raises(BadDocument, match="below"):
            SealingPublic(raw)
    text = SealingPublic(BOB_PUBLIC).text
    for other in (text.replace("x25519", "ed25519"), text[:-1], text + "=", text.removeprefix("x25519:")):
        with pytest.raises(BadDocument):
            SealingPublic.parse(other)
    for raw in (b"", BOB_PUBLIC[1:], BOB_PUBLIC + b"\0"):
        with pytest.raises(BadDocument, match="32 bytes"):
            SealingPublic(raw)


def test_a_private_key_shows_and_gives_nothing_away() -> None:
    key = SealingKey.from_seed(BOB_PRIVATE)
    assert BOB_PRIVATE.hex() not in repr(key)
    with pytest.raises(TypeError, match="key file"):
        pickle.dumps(key)
    with pytest.raises(BadDocument, match="32 bytes"):
        SealingKey.from_seed(b"short")


def test_the_roster_names_each_nodes_key_once() -> None:
    roster = orders.roster()
    assert roster.sealing_key("node-jfk") == seal("node-jfk").public.raw
    with pytest.raises(UnknownSigner):
        roster.sealing_key("node-unknown")
    first, second, third = roster.owners
    same = certify_node(
        "jfk", "node-jfk", signed.key("node-jfk").public, seal("node-ewr").public, roster.issued, roster.expires,
        owner_keys("jfk"),
    )  # fmt: skip
    with pytest.raises(ValueError, match="sealing keys"):
        orders.roster(owners=(first, second.model_copy(update={"nodes": (same,)}), third))
