"""RFC 9497 appendix A.1: every published value of all three modes, and tampered twins that must not pass."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mpc.errors import MpcError
from mpc.oprf.keys import Mode, PrivateKey, derive_key
from mpc.oprf.modes import Blinded, evaluate, evaluate_clear, finalize
from mpc.oprf.modes import blind as blind_inputs
from mpc.oprf.proof import Proof

SUITES = json.loads((Path(__file__).parent / "rfc9497_ristretto255.json").read_text())["suites"]
CASES = [
    pytest.param(suite, vector, id=f"{suite['mode']}-{i}-{vector.get('tampered', 'published')}")
    for suite in SUITES
    for i, vector in enumerate(suite["vectors"])
]


def _bytes(text: str) -> list[bytes]:
    return [bytes.fromhex(part) for part in text.split(",")]


class _Scalars:
    """Random bytes that reduce to the published scalars, in order: 32 bytes of scalar, 32 of zero."""

    def __init__(self, scalars: list[bytes]) -> None:
        self._left = list(scalars)

    def __call__(self, size: int) -> bytes:
        return self._left.pop(0).ljust(size, b"\x00")


def _replay(suite: dict[str, Any], vector: dict[str, Any]) -> bool:
    """Run client and server on a vector; True if every value agrees. Errors count as disagreement."""
    mode, info = Mode[suite["mode"]], bytes.fromhex(vector.get("Info", ""))
    key = PrivateKey(bytes.fromhex(suite["skSm"]))
    proof = Proof.decode(bytes.fromhex(vector["Proof"])) if "Proof" in vector else None
    published = tuple(_bytes(vector["EvaluationElement"]))
    try:
        blinded: Blinded = blind_inputs(_bytes(vector["Input"]), mode, _Scalars(_bytes(vector["Blind"])))
        nonce = _Scalars(_bytes(vector["ProofRandomScalar"])) if proof else _Scalars([])
        answer = evaluate(blinded.elements, key, mode, nonce, info)
        outputs = finalize(blinded, published, proof, key.public, mode, info)
        in_clear = tuple(evaluate_clear(item, key, mode, info) for item in blinded.inputs)
    except MpcError:
        return False
    return (
        list(blinded.elements) == _bytes(vector["BlindedElement"])
        and answer == (published, proof)
        and list(outputs) == _bytes(vector["Output"])
        and outputs == in_clear
    )


@pytest.mark.parametrize(("suite", "vector"), CASES)
def test_agrees_exactly_with_the_published_values(suite: dict[str, Any], vector: dict[str, Any]) -> None:
    assert _replay(suite, vector) is vector["success"]


@pytest.mark.parametrize("suite", SUITES, ids=lambda s: s["mode"])
def test_derives_the_published_keys(suite: dict[str, Any]) -> None:
    key = derive_key(bytes.fromhex(suite["Seed"]), bytes.fromhex(suite["KeyInfo"]), Mode[suite["mode"]])
    assert key.scalar.hex() == suite["skSm"]
    if "pkSm" in suite:
        assert key.public.hex() == suite["pkSm"]


@pytest.mark.parametrize("suite", [s for s in SUITES if s["mode"] != "OPRF"], ids=lambda s: s["mode"])
@pytest.mark.parametrize("field", ["Proof", "EvaluationElement"])
def test_a_tampered_proof_or_answer_is_an_error_and_not_just_another_output(suite: dict[str, Any], field: str) -> None:
    vector = next(v for v in suite["vectors"] if v.get("tampered") == field)
    mode, info = Mode[suite["mode"]], bytes.fromhex(vector.get("Info", ""))
    blinded = blind_inputs(_bytes(vector["Input"]), mode, _Scalars(_bytes(vector["Blind"])))
    with pytest.raises(MpcError):
        finalize(
            blinded,
            _bytes(vector["EvaluationElement"]),
            Proof.decode(bytes.fromhex(vector["Proof"])),
            bytes.fromhex(suite["pkSm"]),
            mode,
            info,
        )
