"""Each single check of client and server, reached by one message that is wrong in one way only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from mpc.errors import IntegrityError, MalformedMessage, TooFewParties, WrongRound
from mpc.masks import MaskKey
from mpc.party import PartyName
from mpc.secagg import Client, Server
from mpc.secagg import keys as k
from mpc.secagg.messages import (
    Advertise,
    Consent,
    Delivery,
    Directory,
    Keys,
    SealedShares,
    Shares,
    Survivors,
    Unmask,
    to_bitmap,
)

GroupMaker = Callable[..., Any]


def advertised(group: Any) -> tuple[dict[PartyName, Client], dict[int, Keys]]:
    clients = group.clients()
    p = group.parameters
    return clients, {
        p.position(n): Advertise.decode(next(iter(c.start())).message, p.session).keys for n, c in clients.items()
    }


def shared(group: Any, clients: dict[PartyName, Client], keys: dict[int, Keys]) -> dict[int, dict[int, bytes]]:
    p, boxes = group.parameters, {}
    for name, client in clients.items():
        near = Directory({p.position(peer): keys[p.position(peer)] for peer in p.graph[name]})
        (answer,) = client.receive(p.server, near.encode(p.session))
        boxes[p.position(name)] = SealedShares.decode(answer.message, p.session).boxes
    return boxes


@pytest.mark.parametrize("signed", [False, True])
def test_what_a_client_refuses_in_a_directory(make_group: GroupMaker, signed: bool) -> None:
    group = make_group(n=8, degree=6, threshold=4, survivors=6, signed=signed)
    p, (clients, keys) = group.parameters, advertised(group)
    me = group.names[0]
    near = [p.position(name) for name in p.graph[me]]
    stranger = next(i for i in range(1, 8) if i not in near)
    good = {i: keys[i] for i in near}
    first, second = near[:2]
    wrong: list[tuple[type[Exception], dict[int, Keys]]] = [
        (TooFewParties, {i: keys[i] for i in near[:3]}),
        (IntegrityError, {**good, stranger: keys[stranger]}),
        (IntegrityError, {**good, 0: keys[0]}),
        (IntegrityError, {**good, first: replace(keys[first], model=b"\x01" * 32)}),
        (IntegrityError, {**good, first: keys[second]}),
        (IntegrityError, {**good, first: replace(keys[first], mask=keys[first].cipher)}),
        (IntegrityError, {**good, first: replace(keys[first], mask=keys[0].mask)}),
        (IntegrityError, {**good, first: replace(keys[first], cipher=bytes(32))}),
    ]
    if signed:
        fresh = group.client(group.names[first])
        other = Advertise.decode(next(iter(fresh.start())).message, p.session).keys
        wrong += [
            (IntegrityError, {**good, first: replace(keys[first], mask=other.mask)}),
            (IntegrityError, {**good, first: replace(keys[first], cipher=other.cipher)}),
            (IntegrityError, {**good, first: replace(keys[first], signature=b"")}),
            (IntegrityError, {**good, first: replace(keys[first], signature=keys[second].signature)}),
        ]
    for error, directory in wrong:
        with pytest.raises(error):
            clients[me].receive(p.server, Directory(directory).encode(p.session))
    assert list(clients[me].receive(p.server, Directory(good).encode(p.session)))


def test_what_a_client_refuses_in_a_delivery(make_group: GroupMaker) -> None:
    group = make_group(n=7)
    p, (clients, keys) = group.parameters, advertised(group)
    boxes = shared(group, clients, keys)
    good = {i: boxes[i][0] for i in range(1, 7)}
    wrong: list[tuple[type[Exception], dict[int, bytes]]] = [
        (TooFewParties, {i: good[i] for i in (1, 2, 3)}),
        (IntegrityError, {**good, 1: boxes[0][1]}),  # its own box, sent back
        (IntegrityError, {**good, 1: boxes[2][1]}),  # a box for another client
        (IntegrityError, {**good, 1: good[2]}),  # a box from another client
        (IntegrityError, {**good, 1: bytes([good[1][0] ^ 1]) + good[1][1:]}),
        (IntegrityError, {**good, 0: good[1]}),
    ]
    for error, delivery in wrong:
        with pytest.raises(error):
            clients[group.names[0]].receive(p.server, Delivery(bytes(32), delivery).encode(p.session))
    assert list(clients[group.names[0]].receive(p.server, Delivery(bytes(32), good).encode(p.session)))


def test_a_signature_of_a_client_that_is_not_on_the_list_does_not_count(make_group: GroupMaker) -> None:
    group = make_group(n=7, signed=True)
    p, (clients, keys) = group.parameters, advertised(group)
    boxes = shared(group, clients, keys)
    for i, name in enumerate(group.names):
        delivery = Delivery(bytes(32), {j: boxes[j][i] for j in range(7) if j != i})
        clients[name].receive(p.server, delivery.encode(p.session))
    five = to_bitmap(range(5), 7)
    consents = {}
    for i in range(5):
        (answer,) = clients[group.names[i]].receive(p.server, Survivors(five).encode(p.session))
        consents[i] = Consent.decode(answer.message, p.session).signature
    outside = {i: consents[i] for i in range(4)} | {6: consents[4]}
    with pytest.raises(IntegrityError):
        clients[group.names[0]].receive(p.server, Unmask(five, outside).encode(p.session))
    with pytest.raises(IntegrityError):
        clients[group.names[0]].receive(p.server, Unmask(five, {**consents, 6: consents[4]}).encode(p.session))
    assert list(clients[group.names[0]].receive(p.server, Unmask(five, consents).encode(p.session)))


def run_until(server: Server, clients: dict[PartyName, Client], kind: int) -> list[tuple[PartyName, bytes]]:
    """Run honestly until the clients' messages of this kind are on their way to the server."""
    pending = [(n, s.message) for n, c in clients.items() for s in c.start()]
    while pending[0][1][4] != kind:
        sends = [send for name, message in pending for send in server.receive(name, message)]
        pending = [(s.to, a.message) for s in sends for a in clients[s.to].receive(server.name, s.message)]
    return pending


def test_what_the_server_refuses_from_a_client(make_group: GroupMaker) -> None:
    group = make_group(n=7, signed=True)
    p = group.parameters
    name = group.names[0]

    server, clients = group.server(), group.clients()
    own, other = (Advertise.decode(m, p.session).keys for _, m in run_until(server, clients, Advertise.KIND)[:2])
    for keys in (replace(own, mask=other.mask), replace(own, model=b"\x01" * 32), replace(own, signature=b"")):
        with pytest.raises(IntegrityError):
            server.receive(name, Advertise(keys).encode(p.session))
    with pytest.raises(IntegrityError):
        server.receive(name, Advertise(other).encode(p.session))

    server, clients = group.server(), group.clients()
    pending = run_until(server, clients, Consent.KIND)
    with pytest.raises(IntegrityError):
        server.receive(name, pending[1][1])  # another client's consent
    with pytest.raises(IntegrityError):
        server.receive(name, Consent(bytes(64)).encode(p.session))
    assert name in server.waiting_for

    server, clients = group.server(), group.clients()
    pending = run_until(server, clients, Shares.KIND)
    shares = Shares.decode(pending[0][1], p.session).shares
    for wrong in (
        {},
        {i: s for i, s in shares.items() if i != 1},
        {**shares, 0: shares[1]},
        {**shares, 1: b"\xff" * 40},
    ):
        with pytest.raises(MalformedMessage):
            server.receive(name, Shares(wrong).encode(p.session))
    for sender, message in pending:
        server.receive(sender, message)
    assert p.ring.decode_signed(server.result) == group.sum_over(frozenset(group.names))


def test_a_client_that_was_left_behind_does_not_come_back(make_group: GroupMaker) -> None:
    group = make_group(n=7)
    server, clients = group.server(), group.clients()
    pending = run_until(server, clients, SealedShares.KIND)
    late = pending.pop()
    for sender, message in pending:
        assert server.receive(sender, message) == []
    deliveries = server.close_round()
    masked = [(s.to, a.message) for s in deliveries for a in clients[s.to].receive(server.name, s.message)]
    for message in (late[1], masked[0][1]):
        with pytest.raises(WrongRound):
            server.receive(late[0], message)
    for sender, message in masked:
        server.receive(sender, message)
    assert late[0] not in server.survivors


def test_signatures_and_mask_streams_are_of_one_session_and_no_other(make_group: GroupMaker) -> None:
    group = make_group(signed=True)
    p, name = group.parameters, group.names[0]
    for other in (replace(p, session=b"o" * 16), replace(p, length=4), replace(p, model_digest=b"m" * 32)):
        own = MaskKey.generate()
        keys = Keys(own.public, MaskKey.generate().public, other.model_digest, b"")
        signed = replace(keys, signature=k.sign_keys(p, group.identities[name], name, keys))
        with pytest.raises(IntegrityError, match="not signed by its identity"):
            k.verify_keys(other, name, signed)
        with pytest.raises(IntegrityError, match="not signed this survivor list"):
            k.verify_survivors(other, name, k.sign_survivors(p, group.identities[name], b"\x7f"), b"\x7f")
        peer, public = group.names[1], MaskKey.generate().public
        seeds = {k.pair_stream(q, own, name, own.public, peer, public).seed for q in (p, other)}
        assert len(seeds) == 2
