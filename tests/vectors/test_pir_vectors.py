"""Known sessions to the byte, and tampered twins of their messages: what goes over the wire cannot change unnoticed."""

import hashlib
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mpc import errors
from mpc.party import PartyName, Send
from mpc.pir import Client, Keys, Server, StaleHint, Table, index_table, keyword_table, prepare

VECTORS = json.loads((Path(__file__).parent / "pir.json").read_text())
CLIENT, SERVER, SESSION = PartyName("client"), PartyName("server"), bytes.fromhex(VECTORS["session"])
ORDER = ("ask", "hint", "query", "answer")


def shaken(label: str) -> Callable[[int], bytes]:
    count = 0

    def take(size: int) -> bytes:
        nonlocal count
        count += 1
        return hashlib.shake_256(label.encode() + count.to_bytes(4, "big")).digest(size)

    return take


def parties(case: dict[str, Any]) -> tuple[Client, Server]:
    table: Table
    if case["kind"] == "index":
        rows = [list(bytes.fromhex(record)) for record in case["records"]]
        table, wanted = index_table(np.array(rows, np.uint8), shaken("table")), case["wanted"]
    else:
        values = {key.encode(): bytes.fromhex(value) for key, value in case["values"].items()}
        table, wanted = keyword_table(values, Keys.OPEN, shaken("table")), [key.encode() for key in case["wanted"]]
    return Client(CLIENT, SERVER, SESSION, wanted, shaken("client")), Server(
        SERVER, CLIENT, SESSION, prepare(table), at_most=3
    )


def deliver(client: Client, server: Server, name: str, message: bytes) -> tuple[Send, ...]:
    if name in ("ask", "query"):
        return tuple(server.receive(CLIENT, message))
    return tuple(client.receive(SERVER, message))


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["kind"])
def test_a_known_session_to_the_byte(case: dict[str, Any]) -> None:
    client, server = parties(case)
    (sent,) = client.start()
    assert sent.message.hex() == case["ask"]
    for name, following in itertools.pairwise(ORDER):
        (sent,) = deliver(client, server, name, sent.message)
        assert hashlib.sha256(sent.message).hexdigest() == case[following], following
    assert deliver(client, server, "answer", sent.message) == ()
    assert list(client.result) == [None if value is None else bytes.fromhex(value) for value in case["result"]]


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["kind"])
def test_tampered_twins_fail_in_their_type_and_change_nothing(case: dict[str, Any]) -> None:
    kinds = {"StaleHint": StaleHint}
    client, server = parties(case)
    (sent,) = client.start()
    tried = 0
    for name in ORDER:
        for twin in (twin for twin in case["tampered"] if twin["message"] == name):
            edited = bytearray(sent.message)
            edited[twin["at"]] ^= twin["xor"]
            assert twin["success"] is False
            error = kinds.get(twin["error"]) or getattr(errors, twin["error"])
            with pytest.raises(error) as caught:
                deliver(client, server, name, bytes(edited))
            assert caught.type is error
            tried += 1
        for reply in deliver(client, server, name, sent.message):
            sent = reply
    assert tried == len(case["tampered"]) >= 10
    assert list(client.result) == [None if value is None else bytes.fromhex(value) for value in case["result"]]
