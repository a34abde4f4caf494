"""One document, one byte string: canonical JSON (RFC 8785) without floats, digests, and salted commitments.

Run by everyone who signs or checks a document. Integers beyond 2^53, decimals and dates travel as strings; a float is
refused, because two languages print it differently and no field of ours needs one.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable
from typing import Any, Final, NoReturn

import rfc8785

from jobs.errors import BadDocument
from jobs.schema import Digest

SALT_BYTES: Final = 32
MAX_DEPTH: Final = 32
MAX_VALUES: Final = 1_000_000
"""In one document: reading costs microseconds a value, and what a stranger signed is read before its key is known."""
_EXACT: Final = 2**53 - 1
_PLAIN: Final = json.JSONEncoder(ensure_ascii=False, check_circular=False, sort_keys=True, separators=(",", ":"))
_SURROGATES: Final = "\ud800"
_COMMITMENT: Final = b"unseen salted commitment v1\n"


def canonical(value: object) -> bytes:
    """Return the RFC 8785 bytes of a JSON value; raises ``BadDocument`` for floats, big integers, other types."""
    return _written(value, _check_exact(value, MAX_DEPTH))


def parse_canonical(data: bytes) -> Any:
    """Read canonical JSON back; raises ``BadDocument`` for any other spelling of the same value.

    Two spellings of one document would have two digests, so duplicate keys, spaces, floats and escapes are refused.
    """
    check_values(data, MAX_VALUES)
    value, plain = _parsed(data)
    if _written(value, plain) != data:
        raise BadDocument("the document is not canonical JSON (RFC 8785)")
    return value


def parse_json(data: bytes) -> Any:
    """Read JSON of any spelling, but without duplicate keys, floats or deep nesting; raises ``BadDocument``."""
    return _parsed(data)[0]


def _parsed(data: bytes) -> tuple[Any, bool]:
    """The value, and whether it is plain (``_check_exact``)."""
    try:
        value = json.loads(
            data.decode(), parse_float=_refuse_float, parse_constant=_refuse_float, object_pairs_hook=_no_duplicates
        )
    except BadDocument:
        raise
    except (ValueError, RecursionError):  # also UnicodeDecodeError and JSONDecodeError; digits beyond Python's limit
        raise BadDocument("not a JSON document") from None
    return value, _check_exact(value, MAX_DEPTH)


def check_values(data: bytes, at_most: int) -> None:
    """Raise ``BadDocument`` for JSON of more values than that, before any is read: commas, wherever they stand."""
    if data.count(b",") >= at_most:
        raise BadDocument(f"a document of at most {at_most} values is read here")


def digest(data: bytes) -> Digest:
    """Return ``sha256:`` and 64 hexadecimal digits: for content that may be known to everyone."""
    return Digest("sha256:" + hashlib.sha256(data).hexdigest())


def json_digest(value: object) -> Digest:
    """Return the digest of a JSON value's canonical bytes: of a plan, a profile, a dataset document."""
    return digest(canonical(value))


def salted_commitment(salt: bytes, of: Digest) -> Digest:
    """Commit to data or an output that leaves a domain: HMAC-SHA256 over its digest under a fresh 32-byte salt.

    Without the salt nobody can test guesses; who is entitled to the content gets the salt. Raises ``BadDocument``.
    """
    if len(salt) != SALT_BYTES:
        raise BadDocument(f"a salt has {SALT_BYTES} bytes, not {len(salt)}")
    return Digest("sha256:" + hmac.new(salt, _COMMITMENT + of.encode(), hashlib.sha256).hexdigest())


def same_digest(left: str, right: str) -> bool:
    """Compare without telling by time where they differ."""
    return hmac.compare_digest(left.encode(), right.encode())


def _written(value: Any, plain: bool) -> bytes:
    """RFC 8785 of a value that was checked. The standard library writes a plain one, several times as fast."""
    try:
        return _PLAIN.encode(value).encode() if plain else rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError):
        raise BadDocument("text that is not valid Unicode cannot be signed") from None


def _check_exact(value: object, depth: int) -> bool:
    """Raise ``BadDocument`` for what no document holds; returns whether Python's own writer gives the same bytes.

    It does for exact integers and text (section 3.2.2), but sorts keys by code point where section 3.2.3 sorts by
    UTF-16 unit: that is the same below the surrogates.
    """
    if depth == 0:
        raise BadDocument(f"a document nests at most {MAX_DEPTH} levels deep")
    if value is None or isinstance(value, str):
        return True
    if isinstance(value, int):
        if not -_EXACT <= value <= _EXACT:
            raise BadDocument("an integer beyond 2^53 must be written as a string")
        return True
    if isinstance(value, list | tuple):
        return _all_exact(value, depth)
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise BadDocument("the keys of an object are strings")
        return _all_exact(value.values(), depth) and all(key.isascii() or max(key) < _SURROGATES for key in value)
    if isinstance(value, float):
        raise BadDocument("floats are not allowed in documents: write a decimal as a string")
    raise BadDocument(f"a {type(value).__name__} is not a JSON value")


def _all_exact(values: Iterable[object], depth: int) -> bool:
    plain = True
    for item in values:  # every one: none may go unchecked
        if type(item) is not str or depth == 1:  # most are text: they need no call
            plain &= _check_exact(item, depth - 1)
    return plain


def _refuse_float(_text: str) -> NoReturn:
    raise BadDocument("floats are not allowed in documents: write a decimal as a string")


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise BadDocument("an object names a key twice")
    return value
