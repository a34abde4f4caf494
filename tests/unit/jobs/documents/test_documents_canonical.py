"""One document, one byte string; commitments that tell nothing without their salt."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
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
