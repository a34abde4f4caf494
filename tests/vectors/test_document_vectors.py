"""Published answers of the formats that documents are made of: DSSE v1, RFC 8785, RFC 8032."""

from __future__ import annotations

from jobs.documents import Envelope, SigningKey, canonical


def test_dsse_pre_authentication_encoding() -> None:
    """secure-systems-lab/dsse, protocol.md, the "hello world" example."""
    envelope = Envelope("http://example.com/HelloWorld", b"hello world", ())
    assert envelope.pae() == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


def test_rfc8785_sorting() -> None:
    """Section 3.2.3: keys sort by UTF-16 code units, so the emoji comes before U+FB33."""
    names = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]
    expected = ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]
    text = canonical({name: str(number) for number, name in enumerate(names)}).decode()
    assert text == "{" + ",".join(f'"{_escaped(name)}":"{names.index(name)}"' for name in expected) + "}"


def test_rfc8032_test_2() -> None:
    """Section 7.1, TEST 2."""
    key = SigningKey.from_seed(bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"))
    assert key.public.raw.hex() == "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    signature = bytes.fromhex(
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )
    assert key.sign(b"\x72") == signature
    assert key.public.verifies(signature, b"\x72")
    assert not key.public.verifies(signature, b"\x73")


def _escaped(name: str) -> str:
    return name.replace("\r", "\\r")
