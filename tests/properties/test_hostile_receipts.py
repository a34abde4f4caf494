"""Receipts from anybody: whatever is in them, the verifier refuses with a type, in bounded time, and never believes.

The example receipt is mutated in its JSON tree and in the signed payloads inside; an honest one is the control.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox.errors import ReceiptRefused
from sandbox.keys import Trust
from sandbox.verify import verify_receipt
from sandbox.verify.receipt import MAX_BYTES

EXAMPLES = Path(__file__).parents[2] / "examples"
HONEST = (EXAMPLES / "receipt.json").read_bytes()
SECONDS = 10.0
"""For the largest input, on a busy machine; an honest receipt takes some milliseconds."""

ODD = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=20), st.just([]), st.just({}),
    st.just("A" * 5000), st.just([[[[[]]]]]), st.just({"payload": "AA==", "payloadType": "x", "signatures": []}),
    st.just("2026-11-21T08:00:00Z"), st.just("sha256:" + "0" * 64), st.just("ed25519:" + "A" * 43 + "="),
    st.just("x25519:" + "A" * 43 + "="), st.just(10**18), st.just("\u202e\x1b[2J"),
)  # fmt: skip


@lru_cache
def trust() -> Trust:
    return Trust.load(EXAMPLES / "trust.json")


def refused(data: bytes) -> ReceiptRefused:
    start = time.monotonic()
    with pytest.raises(ReceiptRefused) as error:
        verify_receipt(data, trust())
    assert time.monotonic() - start < SECONDS
    return error.value


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in children:
        yield from places(item, (*path, name))


def put(tree: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    copy = dict(tree) if isinstance(tree, dict) else list(tree)
    copy[path[0]] = put(copy[path[0]], path[1:], value)
    return copy


def at(tree: Any, path: tuple[Any, ...]) -> Any:
    for name in path:
        tree = tree[name]
    return tree


def encoded(tree: Any) -> bytes:
    return json.dumps(tree, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")


TREE = json.loads(HONEST)
PLACES = [path for path in places(TREE) if path]
ENVELOPES = [path for path in PLACES if isinstance(at(TREE, path), dict) and "payloadType" in at(TREE, path)]
OPTIONAL = (("deliveries",), ("evidence",))
"""What a holder may leave out: who fetched the release and further conditions only add to what is proven."""
BOUNDED = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def test_the_control_an_honest_receipt_holds() -> None:
    assert verify_receipt(HONEST, trust()).checks
    assert len(ENVELOPES) > 10


@pytest.mark.parametrize("path", OPTIONAL)
def test_a_part_that_only_adds_may_be_left_out(path: tuple[str]) -> None:
    assert verify_receipt(encoded(put(TREE, path, [])), trust()).checks


def test_no_participant_s_confirmation_may_be_left_out() -> None:
    vouches = at(TREE, ("vouches",))
    assert len(vouches) == 3
    for left in ([], *([v for v in vouches if v is not one] for one in vouches)):
        refused(encoded(put(TREE, ("vouches",), left)))


@BOUNDED
@given(st.sampled_from(PLACES), ODD)
def test_anything_anywhere_is_refused(path: tuple[Any, ...], value: Any) -> None:
    if value == at(TREE, path) or (path in OPTIONAL and value == []):
        return  # no mutation, or one that only leaves out
    refused(encoded(put(TREE, path, value)))


@BOUNDED
@given(st.sampled_from(ENVELOPES), st.data())
def test_anything_in_a_signed_payload_is_refused(path: tuple[Any, ...], data: st.DataObject) -> None:
    envelope = at(TREE, path)
    payload = json.loads(base64.b64decode(envelope["payload"]))
    inner = data.draw(st.sampled_from([found for found in places(payload) if found]))
    value = data.draw(ODD)
    if value == at(payload, inner) and type(value) is type(at(payload, inner)):
        return
    text = json.dumps(put(payload, inner, value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    bent = {**envelope, "payload": base64.b64encode(text.encode("utf-8", "surrogatepass")).decode()}
    refused(encoded(put(TREE, path, bent)))


@BOUNDED
@given(st.lists(st.tuples(st.integers(0, len(HONEST) - 1), st.integers(0, 255)), min_size=1, max_size=8))
def test_flipped_bytes_never_crash_the_verifier(flips: list[tuple[int, int]]) -> None:
    data = bytearray(HONEST)
    for place, byte in flips:
        data[place] = byte
    if json_equal(bytes(data)):
        return
    refused(bytes(data))


def json_equal(data: bytes) -> bool:
    """Whether the bytes still spell the honest receipt (a flip to the same byte, or white space)."""
    try:
        return bool(json.loads(data) == TREE)
    except (ValueError, RecursionError):
        return False


@BOUNDED
@given(st.binary(max_size=2000))
def test_noise_is_refused(data: bytes) -> None:
    assert refused(data).step == "receipt"


def deep(opening: bytes, closing: bytes, depth: int) -> bytes:
    return opening * depth + closing * depth


HOSTILE: dict[str, Callable[[], bytes]] = {
    "too large": lambda: HONEST + b" " * MAX_BYTES,
    "as large as may be, of nothing": lambda: b"[" + b"0," * ((MAX_BYTES - 4) // 2) + b"0]",
    "deep lists": lambda: deep(b"[", b"]", 4_000_000),
    "deep objects": lambda: deep(b'{"a":', b"}", 1_000_000),
    "depth beyond the bound, below the parser's": lambda: deep(b"[", b"]", 200),
    "a number of a million digits": lambda: encoded(TREE).replace(b'"index":', b'"index":' + b"9" * 1_000_000, 1),
    "a number with a large exponent": lambda: b'{"index":1e999999999}',
    "many keys of one hash": lambda: b"{" + b",".join(b'"%d":0' % n for n in range(400_000)) + b"}",
    "one key twice": lambda: HONEST.replace(b'"index":', b'"index":0,"index":', 1),
    "not a number": lambda: HONEST.replace(b'"index":', b'"index":NaN,"x":', 1),
    "a lone surrogate": lambda: HONEST.replace(b'"type":"', b'"type":"\\ud800', 1),
    "a thousand rosters": lambda: encoded(put(TREE, ("rosters",), [TREE["rosters"][0]] * 1024)),
    "more rosters than may be": lambda: encoded(put(TREE, ("rosters",), [TREE["rosters"][0]] * 1025)),
    "a grant twice": lambda: encoded(put(TREE, ("grants",), [*TREE["grants"], TREE["grants"][0]])),
    "a delivery twice": lambda: encoded(put(TREE, ("deliveries",), TREE["deliveries"] * 2)),
    "an unsigned roster of the largest size": lambda: encoded(put(TREE, ("rosters", 0), large_envelope())),
    "a checkpoint of many lines": lambda: encoded(put(TREE, ("checkpoint",), TREE["checkpoint"] * 200)),
    "a huge index": lambda: encoded(put(TREE, ("index",), 2**53 - 1)),
    "a proof of many hashes": lambda: encoded(put(TREE, ("proof",), TREE["proof"] * 60)),
    "an unsigned grant of nothing but values": lambda: encoded(put(TREE, ("grants", 0), stuffed(4_000_000))),
    "an unsigned grant of as many values as may be": lambda: encoded(put(TREE, ("grants", 0), stuffed(999_000))),
    "many signatures": lambda: encoded(put(TREE, ("permit", "signatures"), TREE["permit"]["signatures"] * 10_000)),
}


def large_envelope() -> dict[str, Any]:
    """A roster of many owners that no root signed: it must not even be read."""
    roster = json.loads(base64.b64decode(TREE["rosters"][0]["payload"]))
    owner = roster["owners"][0]
    roster["owners"] = [{**owner, "nodes": owner["nodes"] * 64}] * 80
    payload = json.dumps(roster, sort_keys=True, separators=(",", ":")).encode()
    return {**TREE["rosters"][0], "payload": base64.b64encode(payload).decode()}


def stuffed(values: int) -> dict[str, Any]:
    payload = b'{"id":[' + b"0," * values + b"0]}"
    return {**TREE["grants"][0], "payload": base64.b64encode(payload).decode()}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_receipt_is_refused_in_time(name: str) -> None:
    error = refused(HOSTILE[name]())
    assert error.step in {"receipt", "roster", "grant", "permit", "inclusion", "checkpoint", "entry"}
    assert len(str(error)) < 1000
