"""The functions of RFC 9497 section 3.3, for batches: the client's blind and finalize, the server's evaluate.

``info`` is the public input of POPRF mode and must be empty in the others. An input has at most 65535 bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import TypeVar

from mpc.errors import BadParameters
from mpc.oprf import group
from mpc.oprf.keys import Mode, PrivateKey, context
from mpc.oprf.proof import Proof, prove, verify
from mpc.party import RandomBytes

MOST_INPUT_BYTES = 0xFFFF
_T = TypeVar("_T")


@dataclass(frozen=True)
class Blinded:
    """What the client keeps (inputs and blinds) and what it sends (elements)."""

    inputs: tuple[bytes, ...] = field(repr=False)
    blinds: tuple[bytes, ...] = field(repr=False)
    elements: tuple[bytes, ...]


def blind(inputs: Iterable[bytes], mode: Mode, random_bytes: RandomBytes, executor: Executor | None = None) -> Blinded:
    """Client: hash each input to the group and multiply it by a fresh random scalar, which hides it perfectly."""
    taken = tuple(inputs)
    if any(len(item) > MOST_INPUT_BYTES for item in taken):
        raise BadParameters(f"an input has at most {MOST_INPUT_BYTES} bytes: hash longer ones first")
    blinds = [group.random_scalar(random_bytes) for _ in taken]
    elements = _each(
        lambda pair: group.multiply(pair[1], _point(pair[0], mode)), zip(taken, blinds, strict=True), executor
    )
    return Blinded(taken, tuple(blinds), tuple(elements))


def evaluate(
    elements: Sequence[bytes],
    key: PrivateKey,
    mode: Mode,
    random_bytes: RandomBytes,
    info: bytes = b"",
    executor: Executor | None = None,
) -> tuple[tuple[bytes, ...], Proof | None]:
    """Server: BlindEvaluate. Elements are validated; a proof comes with them in the two verifiable modes."""
    for element in elements:
        group.check_element(element)
    if mode is not Mode.POPRF:
        _check_no_info(info)
        evaluated = tuple(_each(lambda e: group.multiply(key.scalar, e), elements, executor))
        if mode is Mode.OPRF:
            return evaluated, None
        nonce = group.random_scalar(random_bytes)
        return evaluated, prove(key.scalar, key.public, elements, evaluated, mode, nonce)
    tweaked = group.scalar_add(key.scalar, _info_scalar(info))
    if tweaked == group.ZERO:
        raise BadParameters("this info cannot be used with this key: rotate the key (RFC 9497 section 3.3.3)")
    inverse = group.scalar_invert(tweaked)
    evaluated = tuple(_each(lambda e: group.multiply(inverse, e), elements, executor))
    # the relation runs backwards: blinded = tweaked * evaluated
    proof = prove(tweaked, group.multiply_base(tweaked), evaluated, elements, mode, group.random_scalar(random_bytes))
    return evaluated, proof


def finalize(
    blinded: Blinded,
    evaluated: Sequence[bytes],
    proof: Proof | None,
    public: bytes | None,
    mode: Mode,
    info: bytes = b"",
    executor: Executor | None = None,
) -> tuple[bytes, ...]:
    """Client: verify the proof if the mode has one, remove the blinds, hash. Returns 64 bytes per input.

    Raises ``IntegrityError`` for a proof that does not hold, ``MalformedMessage`` for a non-element.
    """
    if len(evaluated) != len(blinded.elements):
        raise BadParameters("as many evaluated elements as blinded ones are needed")
    for element in evaluated:
        group.check_element(element)
    if mode is Mode.OPRF:
        _check_no_info(info)
    elif proof is None or public is None:
        raise BadParameters("this mode needs the server's public key and a proof")
    elif mode is Mode.VOPRF:
        _check_no_info(info)
        verify(proof, public, blinded.elements, evaluated, mode)
    else:
        verify(proof, tweaked_public(public, info), evaluated, blinded.elements, mode)
    unblinded = _each(
        lambda pair: group.multiply(group.scalar_invert(pair[0]), pair[1]),
        zip(blinded.blinds, evaluated, strict=True),
        executor,
    )
    return tuple(_output(item, element, mode, info) for item, element in zip(blinded.inputs, unblinded, strict=True))


def evaluate_clear(item: bytes, key: PrivateKey, mode: Mode, info: bytes = b"") -> bytes:
    """Server: the same output for an input it holds itself (Evaluate)."""
    scalar = key.scalar
    if mode is Mode.POPRF:
        tweaked = group.scalar_add(key.scalar, _info_scalar(info))
        if tweaked == group.ZERO:
            raise BadParameters("this info cannot be used with this key: rotate the key (RFC 9497 section 3.3.3)")
        scalar = group.scalar_invert(tweaked)
    else:
        _check_no_info(info)
    return _output(item, group.multiply(scalar, _point(item, mode)), mode, info)


def tweaked_public(public: bytes, info: bytes) -> bytes:
    """The public key that belongs to ``info`` in POPRF mode."""
    tweaked = group.add(group.multiply_base(_info_scalar(info)), group.check_element(public))
    if tweaked == group.ZERO:
        raise BadParameters("this info cannot be used with this public key")
    return tweaked


def _point(item: bytes, mode: Mode) -> bytes:
    element = group.hash_to_group(item, b"HashToGroup-" + context(mode))
    if element == group.ZERO:  # a preimage of the identity: RFC 9497 asks for this error, nobody can trigger it
        raise BadParameters("this input cannot be hashed to the group")
    return element


def _info_scalar(info: bytes) -> bytes:
    if len(info) > MOST_INPUT_BYTES:
        raise BadParameters(f"the public info has at most {MOST_INPUT_BYTES} bytes")
    framed = b"Info" + len(info).to_bytes(2, "big") + info
    return group.hash_to_scalar(framed, b"HashToScalar-" + context(Mode.POPRF))


def _output(item: bytes, element: bytes, mode: Mode, info: bytes) -> bytes:
    middle = len(info).to_bytes(2, "big") + info if mode is Mode.POPRF else b""
    framed = len(item).to_bytes(2, "big") + item + middle + len(element).to_bytes(2, "big") + element
    return hashlib.sha512(framed + b"Finalize").digest()


def _check_no_info(info: bytes) -> None:
    if info:
        raise BadParameters("only POPRF mode takes public info")


def _each(function: Callable[[_T], bytes], items: Iterable[_T], executor: Executor | None) -> Iterable[bytes]:
    return map(function, items) if executor is None else executor.map(function, items)
