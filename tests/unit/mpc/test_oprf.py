"""The OPRF roles: agreement with direct evaluation, charging, wrong messages, wrong keys."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor

import pytest

from mpc.drive import run
from mpc.errors import (
    BadParameters,
    DuplicateMessage,
    IntegrityError,
    MalformedMessage,
    UnknownParty,
    WrongRound,
    WrongSession,
)
from mpc.oprf import group
from mpc.oprf.keys import Mode, PrivateKey, derive_key, generate_key
from mpc.oprf.messages import BlindedElements, EvaluatedElements
from mpc.oprf.modes import blind, evaluate, evaluate_clear, finalize
from mpc.oprf.party import Client, Server
from mpc.oprf.proof import Proof, prove
from mpc.party import PartyName

C, S = PartyName("client"), PartyName("server")
SESSION = bytes(range(16))
INFO = {Mode.OPRF: b"", Mode.VOPRF: b"", Mode.POPRF: b"2026-11"}


def _pair(mode: Mode, inputs: list[bytes], key: PrivateKey, at_most: int = 100) -> tuple[Client, Server]:
    public = None if mode is Mode.OPRF else key.public
    return (
        Client(C, S, SESSION, mode, inputs, secrets.token_bytes, public, INFO[mode]),
        Server(S, C, SESSION, mode, key, secrets.token_bytes, at_most, INFO[mode]),
    )


@pytest.mark.parametrize("mode", list(Mode))
def test_client_gets_what_the_server_would_compute(mode: Mode) -> None:
    key = generate_key(secrets.token_bytes)
    inputs = [b"", b"a", b"a" * 65535]
    client, server = _pair(mode, inputs, key)
    run([client, server])
    assert list(client.result) == [evaluate_clear(item, key, mode, INFO[mode]) for item in inputs]


@pytest.mark.parametrize("mode", [Mode.VOPRF, Mode.POPRF])
def test_another_key_is_caught(mode: Mode) -> None:
    key, other = generate_key(secrets.token_bytes), generate_key(secrets.token_bytes)
    client, _ = _pair(mode, [b"x"], key)
    with pytest.raises(IntegrityError):
        run([client, _pair(mode, [b"x"], other)[1]])


def test_other_info_is_caught() -> None:
    key = generate_key(secrets.token_bytes)
    client, _ = _pair(Mode.POPRF, [b"x"], key)
    server = Server(S, C, SESSION, Mode.POPRF, key, secrets.token_bytes, 1, b"2026-12")
    with pytest.raises(IntegrityError):
        run([client, server])


def test_the_server_answers_no_more_than_was_charged() -> None:
    client, server = _pair(Mode.OPRF, [b"a", b"b"], generate_key(secrets.token_bytes), at_most=1)
    with pytest.raises(BadParameters, match="charged"):
        run([client, server])


def test_wrong_messages_are_refused_and_change_nothing() -> None:
    client, server = _pair(Mode.VOPRF, [b"a"], generate_key(secrets.token_bytes))
    question = next(iter(client.start()))
    with pytest.raises(WrongRound):
        client.start()
    with pytest.raises(WrongRound):
        _ = client.result
    with pytest.raises(UnknownParty):
        server.receive(S, question.message)
    with pytest.raises(WrongSession):
        server.receive(C, question.message[:5] + bytes(16) + question.message[21:])
    answer = next(iter(server.receive(C, question.message)))
    with pytest.raises(DuplicateMessage):
        server.receive(C, question.message)
    with pytest.raises(UnknownParty):
        client.receive(C, answer.message)
    evaluated = EvaluatedElements.decode(answer.message)
    for broken in (
        EvaluatedElements(SESSION, evaluated.elements * 2, evaluated.proof),
        EvaluatedElements(SESSION, evaluated.elements, None),
    ):
        with pytest.raises(MalformedMessage):
            client.receive(S, broken.encode())
    client.receive(S, answer.message)
    with pytest.raises(DuplicateMessage):
        client.receive(S, answer.message)


@pytest.mark.parametrize("element", [bytes(32), b"\xff" * 32, (1).to_bytes(32, "little"), b"short"])
def test_only_elements_are_evaluated(element: bytes) -> None:
    with pytest.raises(MalformedMessage):
        evaluate([element], generate_key(secrets.token_bytes), Mode.OPRF, secrets.token_bytes)


def test_scalars_and_elements_have_one_encoding() -> None:
    with pytest.raises(MalformedMessage):
        Proof.decode(group.ORDER.to_bytes(32, "little") + bytes(32))
    with pytest.raises(MalformedMessage):
        BlindedElements.decode(BlindedElements(SESSION, (bytes(32),)).encode())


def test_a_batched_proof_covers_every_pair() -> None:
    """Positive control of the batching: one wrong element among many is caught, and the right batch passes."""
    key = generate_key(secrets.token_bytes)
    blinded = blind([b"%d" % i for i in range(20)], Mode.VOPRF, secrets.token_bytes)
    evaluated, proof = evaluate(blinded.elements, key, Mode.VOPRF, secrets.token_bytes)
    finalize(blinded, evaluated, proof, key.public, Mode.VOPRF)
    wrong = (*evaluated[:7], evaluated[8], evaluated[7], *evaluated[9:])
    with pytest.raises(IntegrityError):
        finalize(blinded, wrong, proof, key.public, Mode.VOPRF)


def test_blinding_hides_the_input_and_its_absence_would_not() -> None:
    """One input twice gives unrelated elements; with a constant blind (the broken variant) it gives the same."""
    fresh = blind([b"x", b"x"], Mode.OPRF, secrets.token_bytes).elements
    broken = blind([b"x", b"x"], Mode.OPRF, lambda size: b"\x05" * size).elements
    assert fresh[0] != fresh[1]
    assert broken[0] == broken[1]


def test_bad_parameters_say_so() -> None:
    key = generate_key(secrets.token_bytes)
    with pytest.raises(BadParameters):
        Client(C, S, SESSION, Mode.VOPRF, [b"x"], secrets.token_bytes)
    with pytest.raises(BadParameters):
        Client(C, S, SESSION, Mode.OPRF, [b"x"], secrets.token_bytes, info=b"x")
    with pytest.raises(BadParameters):
        Client(C, S, SESSION, Mode.OPRF, [], secrets.token_bytes)
    with pytest.raises(BadParameters):
        blind([b"x" * 65536], Mode.OPRF, secrets.token_bytes)
    with pytest.raises(BadParameters):
        derive_key(b"short", b"", Mode.OPRF)
    with pytest.raises(BadParameters):
        PrivateKey(bytes(32))
    with pytest.raises(BadParameters):
        prove(key.scalar, key.public, [], [], Mode.VOPRF, group.random_scalar(secrets.token_bytes))


def test_keys_are_redacted_and_compared_by_value() -> None:
    key = PrivateKey((7).to_bytes(32, "little"))
    assert key == PrivateKey((7).to_bytes(32, "little")) != generate_key(secrets.token_bytes)
    assert "\\x07" not in repr(key)


def test_threads_of_the_caller_change_nothing() -> None:
    key = generate_key(secrets.token_bytes)
    blinded = blind([b"%d" % i for i in range(64)], Mode.OPRF, secrets.token_bytes)
    with ThreadPoolExecutor(2) as pool:
        parallel = evaluate(blinded.elements, key, Mode.OPRF, secrets.token_bytes, executor=pool)
    assert parallel == evaluate(blinded.elements, key, Mode.OPRF, secrets.token_bytes)


def test_an_element_has_one_encoding() -> None:
    element = group.multiply_base((1).to_bytes(32, "little"))
    assert group.check_element(element) == element
    with pytest.raises(MalformedMessage):  # libsodium 1.0.18 ignores this bit
        group.check_element(element[:-1] + bytes((element[-1] | 128,)))
