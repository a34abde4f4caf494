"""mpc.secagg: the rounds end with the exact sum, and every misplaced message is refused and changes nothing."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mpc import drive
from mpc.errors import (
    BadParameters,
    DuplicateMessage,
    IntegrityError,
    MalformedMessage,
    MpcError,
    OutOfRange,
    TooFewParties,
    UnknownParty,
    WrongRound,
    WrongSession,
)
from mpc.party import PartyName, Send
from mpc.ring import Z32, Range
from mpc.secagg import Client, simulate
from mpc.secagg.messages import Advertise, Consent, Delivery, Directory, MaskedInput, SealedShares, Shares, Unmask

GroupMaker = Callable[..., Any]
ANSWERS = [Advertise.KIND, SealedShares.KIND, MaskedInput.KIND, Consent.KIND, Shares.KIND]


@pytest.mark.parametrize("signed", [False, True])
def test_the_common_driver_runs_it_to_the_end(make_group: GroupMaker, signed: bool) -> None:
    group = make_group(signed=signed)
    server = group.server()
    drive.run([server, *group.clients().values()])
    assert group.parameters.ring.decode_signed(server.result) == group.sum_over(frozenset(group.names))


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("kind", ANSWERS)
def test_clients_may_drop_out_in_any_round(make_group: GroupMaker, signed: bool, kind: int) -> None:
    group = make_group(signed=signed)
    server = group.server()
    lost = group.names[1], group.names[4]
    simulate.run(server, group.clients().values(), dict.fromkeys(lost, kind))
    expected = set(group.names) - set(lost) if kind <= MaskedInput.KIND else set(group.names)
    assert server.survivors == expected
    assert group.parameters.ring.decode_signed(server.result) == group.sum_over(server.survivors)


@pytest.mark.parametrize("kind", ANSWERS[:3] + ANSWERS[4:])
def test_too_many_dropouts_are_typed_and_open_nothing(make_group: GroupMaker, kind: int) -> None:
    group = make_group()
    server = group.server()
    with pytest.raises(TooFewParties):
        simulate.run(server, group.clients().values(), dict.fromkeys(group.names[:4], kind))
    assert not server.finished
    with pytest.raises(WrongRound):
        _ = server.result


def test_a_sparse_graph_survives_scattered_dropouts_and_refuses_a_deserted_neighbourhood(
    make_group: GroupMaker,
) -> None:
    group = make_group(n=16, degree=6, threshold=4, survivors=8)
    server = group.server()
    near = group.parameters.graph[group.names[0]]
    simulate.run(server, group.clients().values(), {near[0]: Advertise.KIND, near[5]: MaskedInput.KIND})
    assert len(server.survivors) == 14
    assert group.parameters.ring.decode_signed(server.result) == group.sum_over(server.survivors)
    deserted = group.server()
    with pytest.raises(
        TooFewParties, match="0 clients are left"
    ):  # who has too few neighbours is left out, and so on around the circle
        simulate.run(deserted, group.clients().values(), dict.fromkeys(near[:3], Advertise.KIND))
    assert deserted.survivors == frozenset()


def record(group: Any) -> tuple[dict[PartyName, Client], Any, list[tuple[PartyName, Send]]]:
    """Run to the end by hand; return the parties and every message with its sender."""
    clients, server, log = group.clients(), group.server(), []
    queue = [(name, send) for name, client in clients.items() for send in client.start()]
    while queue:
        sender, send = queue.pop(0)
        log.append((sender, send))
        receiver = clients.get(send.to, server)
        queue.extend((receiver.name, answer) for answer in receiver.receive(sender, send.message))
    return clients, server, log


@pytest.mark.parametrize("signed", [False, True])
def test_replayed_messages_are_refused_at_every_later_moment(make_group: GroupMaker, signed: bool) -> None:
    group = make_group(n=4, signed=signed, survivors=3)
    clients, server, log = record(group)
    for sender, send in log:  # everything once more after the end
        with pytest.raises((DuplicateMessage, WrongRound)):
            clients.get(send.to, server).receive(sender, send.message)
    # and each message twice in a row, within the run
    clients, server = group.clients(), group.server()
    queue = [(name, send) for name, client in clients.items() for send in client.start()]
    while queue:
        sender, send = queue.pop(0)
        receiver = clients.get(send.to, server)
        queue.extend((receiver.name, answer) for answer in receiver.receive(sender, send.message))
        with pytest.raises((DuplicateMessage, WrongRound)):
            receiver.receive(sender, send.message)
    assert server.finished


def test_messages_of_later_rounds_of_strangers_and_of_other_sessions_are_refused(make_group: GroupMaker) -> None:
    group, other = make_group(), make_group()
    _, _, log = record(group)
    _, _, foreign = record(other)
    client, server = group.client(group.names[0]), group.server()
    client.start()
    for sender, send in log:
        kind = send.message[4]
        if send.to == client.name and kind != Directory.KIND:
            with pytest.raises(WrongRound):
                client.receive(sender, send.message)
        if send.to == server.name and kind != Advertise.KIND:
            with pytest.raises(WrongRound):
                server.receive(sender, send.message)
    for sender, send in foreign:
        kind = send.message[4]
        if send.to == client.name and kind == Directory.KIND:
            with pytest.raises(WrongSession):
                client.receive(sender, send.message)
        if send.to == server.name and kind == Advertise.KIND:
            with pytest.raises(WrongSession):
                server.receive(sender, send.message)
    with pytest.raises(UnknownParty):
        server.receive(PartyName("stranger"), log[0][1].message)
    with pytest.raises(UnknownParty):
        client.receive(group.names[1], log[0][1].message)


def test_a_refused_message_changes_nothing(make_group: GroupMaker) -> None:
    """Every message is first delivered damaged, then intact: the run ends with the right sum all the same."""
    group = make_group(n=4, signed=True, survivors=3)
    clients, server = group.clients(), group.server()
    refused = 0
    queue = [(name, send) for name, client in clients.items() for send in client.start()]
    while queue:
        sender, send = queue.pop(0)
        receiver = clients.get(send.to, server)
        for damaged in (send.message[:-1], send.message + b"\x00", send.message[:21], b"", send.message[:40] * 2):
            with pytest.raises(MpcError):
                receiver.receive(sender, damaged)
            refused += 1
        queue.extend((receiver.name, answer) for answer in receiver.receive(sender, send.message))
    assert refused >= 5 * 4 * 8
    assert group.parameters.ring.decode_signed(server.result) == group.sum_over(frozenset(group.names))


def test_wrong_shares_of_either_secret_are_noticed_at_the_server(make_group: GroupMaker) -> None:
    for lost in ({}, {PartyName("client-6"): MaskedInput.KIND}):
        group = make_group()
        clients, server = group.clients(), group.server()
        liar = clients[group.names[0]]
        honest = liar.receive

        def lie(sender: PartyName, message: bytes, honest: Any = honest, group: Any = group) -> list[Send]:
            answers = list(honest(sender, message))
            if message[4] != Unmask.KIND:
                return answers
            shares = Shares.decode(answers[0].message, group.parameters.session).shares
            target = 6 if 6 in shares else 5
            # not the lowest bits: X25519 clears three, so such a share may still give the right key
            wrong = {**shares, target: shares[target][:1] + bytes([shares[target][1] ^ 1]) + shares[target][2:]}
            return [Send(answers[0].to, Shares(wrong).encode(group.parameters.session))]

        liar.receive = lie
        with pytest.raises(IntegrityError):
            simulate.run(server, clients.values(), lost)
        assert not server.finished


def test_clients_with_different_models_do_not_aggregate(make_group: GroupMaker) -> None:
    group = make_group()
    clients = group.clients()
    odd = replace(group.parameters, model_digest=b"\x01" * 32)
    clients[group.names[2]] = group.client(group.names[2], odd)
    with pytest.raises(IntegrityError, match="another model"):
        simulate.run(group.server(), clients.values())


def test_shares_must_be_for_exactly_the_right_clients(make_group: GroupMaker) -> None:
    group = make_group()
    clients, server = group.clients(), group.server()
    directories = [
        (s.to, s.message) for c in clients.values() for a in c.start() for s in server.receive(c.name, a.message)
    ]
    name, directory = directories[0]
    answer = next(iter(clients[name].receive(server.name, directory)))
    sealed = SealedShares.decode(answer.message, group.parameters.session)
    del sealed.boxes[next(iter(sealed.boxes))]
    with pytest.raises(MalformedMessage):
        server.receive(name, sealed.encode(group.parameters.session))
    server.receive(name, answer.message)
    stranger = Delivery(bytes(32), {group.parameters.position(name): bytes(96)})
    with pytest.raises(IntegrityError):
        clients[name].receive(server.name, stranger.encode(group.parameters.session))


BAD: list[tuple[type[MpcError], dict[str, object]]] = [
    (BadParameters, {"session": b"short"}),
    (BadParameters, {"model_digest": b""}),
    (BadParameters, {"length": 0}),
    (BadParameters, {"threshold": 3}),
    (BadParameters, {"threshold": 7}),
    (BadParameters, {"degree": 7}),
    (BadParameters, {"degree": 5, "threshold": 3}),
    (BadParameters, {"survivors": 3}),
    (BadParameters, {"survivors": 4}),
    (BadParameters, {"degree": 4, "threshold": 3, "graph_seed": b""}),
    (BadParameters, {"degree": 4, "threshold": 3, "graph_seed": bytes(15)}),
    (BadParameters, {"survivors": 8}),
    (BadParameters, {"identities": {PartyName("client-0"): bytes(32)}}),
    (TooFewParties, {"clients": (PartyName("a"),)}),
    (TooFewParties, {"clients": (PartyName("a"), PartyName("a"))}),
    (TooFewParties, {"server": PartyName("client-0")}),
    (OutOfRange, {"ring": Z32, "values": Range(0, 1 << 30)}),
]


@pytest.mark.parametrize(("error", "changes"), BAD)
def test_unsafe_parameters_are_refused(make_group: GroupMaker, error: type[MpcError], changes: dict[str, Any]) -> None:
    with pytest.raises(error):
        make_group(**changes)


@pytest.mark.parametrize("signed", [False, True])
def test_the_fewest_survivors_that_are_admitted_finish(make_group: GroupMaker, signed: bool) -> None:
    """A survivor's secrets lie with the others: as many survivors as the threshold could never open them."""
    group = make_group(n=4, signed=signed, threshold=2, survivors=3)
    server = group.server()
    simulate.run(server, group.clients().values(), {group.names[0]: MaskedInput.KIND})
    assert len(server.survivors) == 3
    assert group.parameters.ring.decode_signed(server.result) == group.sum_over(server.survivors)
    with pytest.raises(BadParameters, match="more than the threshold"):
        make_group(n=4, signed=signed, threshold=3, survivors=3)


def test_signatures_need_more_than_two_thirds(make_group: GroupMaker) -> None:
    with pytest.raises(BadParameters):
        make_group(n=6, signed=True, survivors=4)
    make_group(n=6, signed=True, survivors=5)


def test_every_parameter_changes_the_digest(make_group: GroupMaker) -> None:
    base = make_group(n=8, signed=True, threshold=4, survivors=6).parameters
    names = base.clients
    changes: list[dict[str, Any]] = [
        {"session": secrets.token_bytes(16)},
        {"clients": names[::-1]},
        {"length": 4},
        {"values": Range(-1000, 999)},
        {"ring": Z32},
        {"degree": 6},
        {"threshold": 5},
        {"survivors": 7},
        {"model_digest": b"\x01" * 32},
        {"graph_seed": bytes(16)},
        {"identities": {**base.identities, names[0]: bytes(32)}},
        {"server": PartyName("hub")},
    ]
    assert len({base.digest, *(replace(base, **change).digest for change in changes)}) == len(changes) + 1


def test_a_client_refuses_wrong_inputs_and_identities(make_group: GroupMaker) -> None:
    group = make_group(signed=True)
    name, p = group.names[0], group.parameters
    wrong: list[tuple[type[MpcError], tuple[Any, ...]]] = [
        (UnknownParty, (PartyName("stranger"), [1, 2, 3], None)),
        (BadParameters, (name, [1, 2], group.identities[name])),
        (OutOfRange, (name, [1, 2, 1001], group.identities[name])),
        (OutOfRange, (name, np.array([1, 2, -1001]), group.identities[name])),
        (BadParameters, (name, [1, 2, 0.5], group.identities[name])),
        (BadParameters, (name, ["1", "2", "3"], group.identities[name])),
        (BadParameters, (name, [1, 2, 3], None)),
        (BadParameters, (name, [1, 2, 3], group.identities[group.names[1]])),
    ]
    for error, arguments in wrong:
        with pytest.raises(error):
            Client(p, *arguments)
    assert "10" not in repr(Client(p, name, [10, 10, 10], group.identities[name]))


def test_values_may_come_when_they_are_needed(make_group: GroupMaker) -> None:
    group, calls = make_group(), []

    def later(name: PartyName) -> Callable[[], list[int]]:
        def values() -> list[int]:
            calls.append(name)
            return list(group.inputs[name])

        return values

    clients = [Client(group.parameters, name, later(name)) for name in group.names]
    assert calls == []
    server = group.server()
    simulate.run(server, clients)
    assert sorted(calls) == sorted(group.names)
    assert group.parameters.ring.decode_signed(server.result) == group.sum_over(frozenset(group.names))
    wrong = [Client(group.parameters, name, lambda: [5000, 0, 0]) for name in group.names]
    with pytest.raises(OutOfRange):
        simulate.run(group.server(), wrong)
