"""RFC 7748 section 5.2 and RFC 9380 appendix J.4.2 on the batched curve, with tampered twins."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mpc.psi_dh.curve25519 import Points, Scalar, encode, multiply

HERE = Path(__file__).parent
X25519 = json.loads((HERE / "rfc7748_x25519.json").read_text())
ENCODE = json.loads((HERE / "rfc9380_curve25519_nu.json").read_text())
P = 2**255 - 19


def _point(text: str) -> Points:
    return np.frombuffer(bytes.fromhex(text), np.uint8).reshape(1, 32)


def _scalar(text: str) -> Scalar:
    return Scalar(lambda size: bytes.fromhex(text))


@pytest.mark.parametrize("vector", X25519["vectors"])
def test_x25519(vector: dict[str, Any]) -> None:
    out = multiply(_point(vector["u"]), _scalar(vector["scalar"])).tobytes().hex()
    assert (out == vector["out"]) is vector["success"]


def test_x25519_iterated() -> None:
    scalar = point = X25519["iterated"]["start"]
    for step in range(1, 1001):
        scalar, point = multiply(_point(point), _scalar(scalar)).tobytes().hex(), scalar
        if step == 1:
            assert scalar == X25519["iterated"]["after_1"]
    assert scalar == X25519["iterated"]["after_1000"]


@pytest.mark.parametrize("vector", ENCODE["vectors"])
def test_encode_to_curve(vector: dict[str, Any]) -> None:
    q = int.from_bytes(encode([vector["msg"].encode()], ENCODE["dst"].encode()).tobytes(), "little")
    matches = q == int(vector["Q_x"], 16) and _times_eight(q) == int(vector["P_x"], 16)
    assert matches is vector["success"]


def _times_eight(u: int) -> int:
    """Three doublings of RFC 7748's curve in plain integers: independent of the code under test."""
    for _ in range(3):
        top = (u * u - 1) ** 2
        bottom = 4 * u * (u * u + 486662 * u + 1)
        u = top * pow(bottom, -1, P) % P
    return u
