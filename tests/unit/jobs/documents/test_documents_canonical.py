"""One document, one byte string; commitments that tell nothing without their salt."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from jobs.documents import canonical, digest, json_digest, parse_canonical, parse_json, salted_commitment
from jobs.errors import BadDocument

EXACT = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=20,
)


@given(EXACT)
def test_what_is_written_is_read_back(value: Any) -> None:
    assert parse_canonical(canonical(value)) == value


@given(EXACT)
def test_two_writers_agree(value: Any) -> None:
    """Ours takes a short way for most values: the reference implementation says whether it may."""
    assert canonical(value) == rfc8785.dumps(value)


def test_keys_are_sorted_by_utf_16_unit() -> None:
    """A key beyond the basic plane starts with a surrogate, which comes before U+E000: by code point it would not."""
    value: Any = {"\ue000": 1, "\U00010000": 2, "a": {"\uffff": None, "\U0010ffff": True, "\ud7ff": []}}
    assert canonical(value) == rfc8785.dumps(value)
    assert list(parse_json(canonical(value))) == ["a", "\U00010000", "\ue000"]


def test_every_control_and_quote_is_spelled_as_the_reference_does() -> None:
    value = "".join(map(chr, range(0x2100)))
    assert canonical(value) == rfc8785.dumps(value)
    assert canonical({value: [True, False, None, -1]}) == rfc8785.dumps({value: [True, False, None, -1]})


def test_an_enumeration_is_its_value() -> None:
    class Word(StrEnum):
        ONE = "one"

    assert canonical({"b": Word.ONE, "a": (1, 2)}) == b'{"a":[1,2],"b":"one"}'


@given(st.binary(max_size=60))
def test_any_bytes_are_a_document_or_refused(data: bytes) -> None:
    try:
        value = parse_canonical(data)
    except BadDocument:
        return
    assert canonical(value) == data


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":1,"a":1}', b'{"b":1,"a":1}', b'{"a": 1}', b'{"a":1}\n', b'{"a":1.0}', b'{"a":1e2}', b'{"a":NaN}',
        b'{"a":-0}', b'{"a":"\\u0041"}', b'{"a":9007199254740992}', b"\xff", b"", b"[" * 40 + b"]" * 40,
        b'"\\ud800"', b"1" * 5000,
    ],
)  # fmt: skip
def test_another_spelling_is_refused(data: bytes) -> None:
    with pytest.raises(BadDocument):
        parse_canonical(data)


@pytest.mark.parametrize("value", [1.5, 2**53, {"a": [0.0]}, Decimal("1.5"), {1: 2}, b"bytes", {"a": {1, 2}}, "\ud800"])
def test_inexact_values_are_not_written(value: Any) -> None:
    with pytest.raises(BadDocument):
        canonical(value)


def test_deep_nesting_is_refused_in_both_directions() -> None:
    value: Any = "leaf"
    for _ in range(40):
        value = [value]
    with pytest.raises(BadDocument, match="levels"):
        canonical(value)
    with pytest.raises(BadDocument):
        parse_json(b"[" * 100_000)


def test_commitment_depends_on_salt_and_content() -> None:
    salt, other = bytes(32), bytes(31) + b"\x01"
    found = {salted_commitment(s, digest(c)) for s in (salt, other) for c in (b"a", b"b")}
    assert len(found) == 4
    assert digest(b"a") not in found
    assert salted_commitment(salt, digest(b"a")) == salted_commitment(salt, digest(b"a"))


def test_a_short_salt_is_refused() -> None:
    with pytest.raises(BadDocument, match="32 bytes"):
        salted_commitment(b"short", digest(b"a"))


def test_json_digest_ignores_the_order_of_keys() -> None:
    assert json_digest({"a": 1, "b": (2, 3)}) == json_digest({"b": [2, 3], "a": 1})
