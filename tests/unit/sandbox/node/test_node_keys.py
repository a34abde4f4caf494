"""A participant that announces a mask key of low order: everybody would know the stream that it shares with others.

The hub refuses the key before it relays it; a hub that relays it nevertheless is stopped by every node as soon as it
hears the key, whatever its scan is doing.
"""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest

from jobs.documents import Envelope, digest
from jobs.documents.ed25519 import encode_base64
from jobs.documents.message import Header
from jobs.kinds.statistics.messages import encode_key
from jobs.kinds.statistics.referee import REFEREE
from mpc.errors import IntegrityError
from mpc.masks import MaskKey
from tests.support.joint_nodes import Federation
from tests.support.orders import Documents
from tests.support.signed import key
from tests.support.toyhub import Hub, Json

NODE, BAD = "node-ewr", "node-jfk"
P = (1 << 255) - 19
LOW_ORDER = {
    "0": bytes(32),
    "1": (1).to_bytes(32, "little"),
    "p - 1": (P - 1).to_bytes(32, "little"),
    "order 8": bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    "order 8 too": bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
}
"""All canonical ones: RFC 7748 section 6.1, and the list of Bernstein's Curve25519 page."""


def announced(hub: Hub, public: bytes) -> Callable[[list[Json]], list[Json]]:
    """The bad participant signs what it announces, and the hub relays it."""

    def bend(
        keys: list[Json],
    ) -> list[Json]:
        hub.away |= {BAD, "node-lga"}  # it is this node that must refuse, not the others before it
        shown = []
        for item in keys:
            header = Header.open(Envelope.from_json(item["header"]))
            if header.sender == BAD:
                body = encode_key(hub.now.case, public)
                signed = header.model_copy(update={"body": digest(body), "size": len(body)}).sign(key(BAD))
                item = {"header": signed.to_json(), "body": encode_base64(body)}
            shown.append(item)
        return shown

    return bend


@pytest.mark.parametrize("name", LOW_ORDER)
def test_a_key_of_low_order_ends_the_job_while_the_scan_still_runs(federation: Federation, name: str) -> None:
    federation.runners[NODE].gate.clear()
    federation.hub.bend_keys = announced(federation.hub, LOW_ORDER[name])
    federation.hub.order(Documents())
    federation.drive(lambda: federation.states(NODE) == [("failed", "protocol-failed")])
    assert not federation.runners[NODE].gate.is_set()
    assert federation.outbox(NODE) == ["key", "stop", "destroyed"]
    assert all(row[1] == "refunded" for row in federation.ledger(NODE).values())


def test_a_key_that_two_participants_announce_ends_the_job_at_once(federation: Federation) -> None:
    def bend(
        keys: list[Json],
    ) -> list[Json]:
        body = next(k["body"] for k in keys if Header.open(Envelope.from_json(k["header"])).sender == "node-lga")
        public = base64.b64decode(body)[-32:]
        return announced(federation.hub, public)(keys)

    federation.runners[NODE].gate.clear()
    federation.hub.bend_keys = bend
    federation.hub.order(Documents())
    federation.drive(lambda: federation.states(NODE) == [("failed", "protocol-failed")])
    assert federation.outbox(NODE) == ["key", "stop", "destroyed"]


def test_control_another_honest_key_keeps_the_job_open_until_the_scan_is_done(federation: Federation) -> None:
    """The same substitution with a good key: nothing is refused, so it was the key's order that ended the jobs above."""
    federation.runners[NODE].gate.clear()
    federation.hub.bend_keys = announced(federation.hub, MaskKey.generate().public)
    federation.hub.order(Documents())
    federation.drive(lambda: federation.told(NODE) == ["key"])
    for _ in range(20):
        federation.tick()
    assert federation.states(NODE) == [("open", None)]
    federation.runners[NODE].gate.set()
    federation.drive(lambda: "flags" in federation.outbox(NODE))


@pytest.mark.parametrize("name", LOW_ORDER)
def test_the_hub_takes_no_key_of_low_order(federation: Federation, name: str) -> None:
    federation.hub.expect(Documents())
    case = federation.hub.now.case
    with pytest.raises(IntegrityError, match="low order"):
        REFEREE.check(case, None, "key", 0, BAD, encode_key(case, LOW_ORDER[name]))
    REFEREE.check(case, None, "key", 0, BAD, encode_key(case, MaskKey.generate().public))
