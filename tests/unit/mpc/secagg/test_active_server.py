"""What a server that breaks the rules can and cannot do. Each defence has a control that shows the attack works."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mpc import field
from mpc.errors import DuplicateMessage, IntegrityError, MpcError, TooFewParties
from mpc.masks import MaskKey
from mpc.party import PartyName
from mpc.prg import Signed, add_streams
from mpc.ring import Z64
from mpc.secagg import Client, simulate
from mpc.secagg import keys as k
from mpc.secagg.messages import (
    SHARE,
    Advertise,
    Consent,
    Directory,
    Keys,
    MaskedInput,
    SealedShares,
    Shares,
    Survivors,
    Unmask,
    to_bitmap,
)
from mpc.sharing.shamir import Share, combine_bytes

GroupMaker = Callable[..., Any]


def until_masked(group: Any) -> tuple[dict[PartyName, Client], dict[PartyName, bytes], dict[PartyName, Keys]]:
    """Honest rounds 0 to 2; return clients, the masked vectors and the advertised keys, as the server holds them."""
    clients, server = group.clients(), group.server()
    session, masked, keys = group.parameters.session, {}, {}
    pending = [(name, send) for name, client in clients.items() for send in client.start()]
    while pending:
        name, send = pending.pop(0)
        kind = send.message[4]
        if kind == Advertise.KIND:
            keys[name] = Advertise.decode(send.message, session).keys
        if kind == MaskedInput.KIND:
            masked[name] = MaskedInput.decode(send.message, session, 24).vector
            continue  # the attack starts here
        for forward in server.receive(name, send.message):
            pending.extend((forward.to, answer) for answer in clients[forward.to].receive("server", forward.message))
    return clients, masked, keys


def open_input(group: Any, victim: PartyName, masked: bytes, keys: dict[PartyName, Keys], secrets: list[bytes]) -> Any:
    """Take all masks off one client's vector, given its mask key and its seed."""
    mask_key, seed = MaskKey(secrets[0]), secrets[1]
    streams = [Signed(seed, -1)]
    for peer in group.parameters.graph[victim]:
        stream = k.pair_stream(group.parameters, mask_key, victim, mask_key.public, peer, keys[peer].mask)
        streams.append(stream._replace(sign=1 if stream.sign == -1 else -1))
    vector = Z64.from_bytes(masked).copy()
    add_streams(Z64, vector, streams)
    return Z64.decode_signed(vector)


def secret_from(group: Any, shares: dict[PartyName, bytes]) -> bytes:
    p = group.parameters
    given = [Share(p.point(n), p.threshold, field.from_bytes(raw, SHARE // 8)) for n, raw in shares.items()]
    return combine_bytes(given, 32)[0]


def split_views(
    group: Any, clients: dict[PartyName, Client], colluders: int, sign: bool
) -> list[dict[PartyName, bytes]]:
    """Tell half of the victim's honest neighbours that it survived, the other half that it dropped out.

    Returns the shares of its mask key and of its seed that the server then has, the colluders' of both kinds included.
    """
    p, victim, names = group.parameters, group.names[0], group.names
    held = {n: clients[n]._held[victim] for n in names[1 : 1 + colluders]}  # colluders hand over what they hold
    got: list[dict[PartyName, bytes]] = [{n: h[0] for n, h in held.items()}, {n: h[1] for n, h in held.items()}]
    honest = names[1 + colluders :]
    with_victim, without = to_bitmap(range(len(names)), len(names)), to_bitmap(range(1, len(names)), len(names))
    views = {n: (with_victim if i % 2 else without) for i, n in enumerate(honest)} | {victim: with_victim}
    consents: dict[bytes, dict[int, bytes]] = {with_victim: {}, without: {}}
    if sign:
        for name, view in views.items():
            (answer,) = clients[name].receive("server", Survivors(view).encode(p.session))  # type: ignore[arg-type]
            consents[view][p.position(name)] = Consent.decode(answer.message, p.session).signature
        for n in held:
            for view in consents:  # colluders sign both lists
                consents[view][p.position(n)] = k.sign_survivors(p, group.identities[n], view)
    for name in honest:
        request = Unmask(views[name], consents[views[name]])
        (answer,) = clients[name].receive("server", request.encode(p.session))  # type: ignore[arg-type]
        shares = Shares.decode(answer.message, p.session).shares
        got[1 if views[name] == with_victim else 0][name] = shares[0]
    return got


def test_split_views_alone_do_not_give_both_secrets(make_group: GroupMaker) -> None:
    group = make_group(n=7)
    clients, _, _ = until_masked(group)
    key_shares, seed_shares = split_views(group, clients, colluders=0, sign=False)
    assert len(key_shares) + len(seed_shares) == 6
    for shares in (key_shares, seed_shares):
        with pytest.raises(TooFewParties):
            secret_from(group, shares)


def test_split_views_with_two_colluders_open_an_input_without_signatures(make_group: GroupMaker) -> None:
    """The control: this is why the docstring asks for signatures wherever the server is not trusted."""
    group = make_group(n=7)
    clients, masked, keys = until_masked(group)
    shares = split_views(group, clients, colluders=2, sign=False)
    victim = group.names[0]
    opened = open_input(group, victim, masked[victim], keys, [secret_from(group, s) for s in shares])
    assert opened == group.inputs[victim]


def test_split_views_with_two_colluders_of_seven_fail_against_signatures(make_group: GroupMaker) -> None:
    group = make_group(n=7, signed=True)
    clients, _, _ = until_masked(group)
    with pytest.raises(IntegrityError, match="too few survivors signed"):
        split_views(group, clients, colluders=2, sign=True)


@pytest.mark.parametrize("signed", [False, True])
def test_the_server_in_the_middle(make_group: GroupMaker, signed: bool) -> None:
    """Own keys in the directory open everything without signatures, and are refused with them."""
    group = make_group(n=4, signed=signed, survivors=3)
    p, victim = group.parameters, group.names[0]
    client = group.client(victim)
    client.start()
    own = {n: (MaskKey.generate(), MaskKey.generate()) for n in p.graph[victim]}
    forged = {
        p.position(n): Keys(cipher.public, mask.public, p.model_digest, bytes(64) if signed else b"")
        for n, (cipher, mask) in own.items()
    }
    directory = Directory(forged).encode(p.session)
    if signed:
        with pytest.raises(IntegrityError, match="not signed"):
            client.receive(p.server, directory)
        return
    (answer,) = client.receive(p.server, directory)
    boxes = SealedShares.decode(answer.message, p.session).boxes
    shares: list[dict[PartyName, bytes]] = [{}, {}]
    for name, (cipher, _) in own.items():
        agreed = cipher.agree(client._cipher_key.public)
        shares[0][name], shares[1][name] = k.unseal(p, agreed, victim, name, boxes[p.position(name)])
    assert MaskKey(secret_from(group, shares[0])).public == client._mask_key.public
    assert secret_from(group, shares[1]) == client._seed


def test_a_second_unmask_request_is_refused(make_group: GroupMaker) -> None:
    group = make_group(n=7)
    clients, _, _ = until_masked(group)
    everyone = to_bitmap(range(7), 7)
    fewer = to_bitmap(range(6), 7)
    name = group.names[3]
    first = Unmask(everyone, {}).encode(group.parameters.session)
    assert len(list(clients[name].receive(group.parameters.server, first))) == 1
    for request in (first, Unmask(fewer, {}).encode(group.parameters.session)):
        with pytest.raises(DuplicateMessage):
            clients[name].receive(group.parameters.server, request)
    assert clients[name]._held == {}


def test_the_sum_of_one_or_of_too_few_is_never_opened(make_group: GroupMaker) -> None:
    group = make_group(n=7)
    clients, _, _ = until_masked(group)
    for survivors in ([3], [3, 4], [1, 2, 3, 4]):
        with pytest.raises(TooFewParties):
            clients[group.names[3]].receive(
                group.parameters.server, Unmask(to_bitmap(survivors, 7), {}).encode(group.parameters.session)
            )
    with pytest.raises(IntegrityError):  # a list without the asked client itself
        clients[group.names[3]].receive(
            group.parameters.server, Unmask(to_bitmap([0, 1, 2, 4, 5, 6], 7), {}).encode(group.parameters.session)
        )


def test_a_forged_or_repeated_consent_does_not_count(make_group: GroupMaker) -> None:
    group = make_group(n=7, signed=True)
    p = group.parameters
    clients, _, _ = until_masked(group)
    everyone = to_bitmap(range(7), 7)
    consents = {}
    for i, name in enumerate(group.names):
        (answer,) = clients[name].receive(p.server, Survivors(everyone).encode(p.session))
        consents[i] = Consent.decode(answer.message, p.session).signature
    target = clients[group.names[6]]
    bad: list[dict[int, bytes]] = [
        {i: consents[i] for i in range(4)},
        {**consents, 0: bytes(64)},
        dict.fromkeys(range(7), consents[0]),
    ]
    for signatures in bad:
        with pytest.raises(IntegrityError):
            target.receive(p.server, Unmask(everyone, signatures).encode(p.session))
    with pytest.raises(IntegrityError, match="not the one this client signed"):
        target.receive(p.server, Unmask(to_bitmap(range(1, 7), 7), consents).encode(p.session))
    assert len(list(target.receive(p.server, Unmask(everyone, consents).encode(p.session)))) == 1


def test_each_client_its_own_model_ends_the_run_even_if_the_server_rewrites_digests(make_group: GroupMaker) -> None:
    """Pasquini et al. 2022: a server that sends each client another model would single one out of the sum."""
    group = make_group(n=4, survivors=3)
    session = group.parameters.session
    models = {name: bytes([i]) * 32 for i, name in enumerate(group.names)}
    own = {name: replace(group.parameters, model_digest=models[name]) for name in group.names}
    clients = {name: group.client(name, own[name]) for name in group.names}
    keys = {n: Advertise.decode(next(iter(c.start())).message, session).keys for n, c in clients.items()}
    boxes: dict[PartyName, dict[int, bytes]] = {}
    for name, client in clients.items():
        lies = {
            group.parameters.position(peer): replace(keys[peer], model=models[name])
            for peer in group.parameters.graph[name]
        }
        (answer,) = client.receive(group.parameters.server, Directory(lies).encode(session))
        boxes[name] = SealedShares.decode(answer.message, session).boxes
    for name, client in clients.items():
        own_position = group.parameters.position(name)
        delivered = {group.parameters.position(n): boxes[n][own_position] for n in group.parameters.graph[name]}
        delivery = SealedShares(bytes(32), delivered).encode(session)
        delivery = delivery[:4] + b"\x04" + delivery[5:]
        with pytest.raises(IntegrityError, match="model"):
            client.receive(group.parameters.server, delivery)


def test_the_server_can_leave_out_whom_it_likes_down_to_the_agreed_number(make_group: GroupMaker) -> None:
    group = make_group(n=7, signed=True)
    server = group.server()
    simulate.run(server, group.clients().values(), {group.names[0]: MaskedInput.KIND, group.names[1]: MaskedInput.KIND})
    assert len(server.survivors) == group.parameters.survivors
    assert Z64.decode_signed(server.result) == group.sum_over(server.survivors)


def test_a_masked_input_is_independent_of_the_input_and_without_the_masks_it_is_not(make_group: GroupMaker) -> None:
    def top_bits(value: int, masked: bool) -> float:
        group = make_group(n=3, length=4000, survivors=3)
        group.inputs = {name: [value] * 4000 for name in group.names}
        if not masked:
            return float((Z64.encode(group.inputs[group.names[0]]) >> np.uint64(63)).mean())
        seen: list[bytes] = []
        clients, server = group.clients(), group.server()
        pending = [(n, s) for n, c in clients.items() for s in c.start()]
        while pending:
            name, send = pending.pop(0)
            if send.message[4] == MaskedInput.KIND:
                seen.append(MaskedInput.decode(send.message, group.parameters.session, 32_000).vector)
            for out in server.receive(name, send.message):
                pending.extend((out.to, a) for a in clients[out.to].receive("server", out.message))
        return float((Z64.from_bytes(seen[0]) >> np.uint64(63)).mean())

    assert abs(top_bits(-1000, masked=True) - top_bits(1000, masked=True)) < 0.07
    assert abs(top_bits(-1000, masked=False) - top_bits(1000, masked=False)) > 0.9  # positive control


def test_errors_never_show_values(make_group: GroupMaker) -> None:
    group = make_group(n=7)
    with pytest.raises(MpcError) as caught:
        Client(group.parameters, group.names[0], [987654, 0, 0])
    assert "987654" not in str(caught.value)
