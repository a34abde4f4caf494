"""An active server that hides half of the clients from the other half, to open two partial sums instead of one.

Bonawitz et al. 2017 (section 6) and Bell et al. 2020 (alpha-summation security) allow such partitions into large
parts; with signatures our clients refuse them: whoever is a neighbour and survives must share a mask with them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mpc import field
from mpc.errors import BadParameters, IntegrityError, TooFewParties
from mpc.masks import MaskKey
from mpc.party import PartyName
from mpc.prg import Signed, add_streams
from mpc.ring import Z64, Vector
from mpc.secagg import Client, Server, simulate
from mpc.secagg import keys as k
from mpc.secagg.messages import (
    SHARE,
    Advertise,
    Consent,
    Delivery,
    Directory,
    Keys,
    MaskedInput,
    SealedShares,
    Shares,
    Survivors,
    Unmask,
    to_bitmap,
)
from mpc.secagg.recovery import Transcript, remove_masks
from mpc.sharing.shamir import Share, combine_bytes

GroupMaker = Callable[..., Any]


def partitioned(
    group: Any, halves: list[set[PartyName]], colluders: set[PartyName]
) -> tuple[dict[PartyName, Client], dict[PartyName, Keys], dict[PartyName, bytes]]:
    """Rounds 0 to 2 with directories and deliveries cut along the halves; colluders belong to both."""
    p, clients = group.parameters, group.clients()

    def near(name: PartyName) -> list[PartyName]:
        own = set(group.names) if name in colluders else next(half for half in halves if name in half) | colluders
        return [peer for peer in p.graph[name] if peer in own]

    keys = {n: Advertise.decode(next(iter(c.start())).message, p.session).keys for n, c in clients.items()}
    boxes = {}
    for name, client in clients.items():
        directory = Directory({p.position(peer): keys[peer] for peer in near(name)})
        (sealed,) = client.receive(p.server, directory.encode(p.session))
        boxes[name] = SealedShares.decode(sealed.message, p.session).boxes
    masked = {}
    for name, client in clients.items():
        delivery = Delivery(bytes(32), {p.position(n): boxes[n][p.position(name)] for n in near(name)})
        (answer,) = client.receive(p.server, delivery.encode(p.session))
        masked[name] = MaskedInput.decode(answer.message, p.session, 8 * p.length).vector
    return clients, keys, masked


def ten(make_group: GroupMaker, signed: bool) -> tuple[Any, list[set[PartyName]], set[PartyName]]:
    survivors = 7 if signed else 6
    group = make_group(n=10, signed=signed, threshold=5, survivors=survivors)
    return group, [set(group.names[2:6]), set(group.names[6:])], set(group.names[:2])


def test_without_signatures_two_colluders_of_ten_help_to_open_the_sum_of_four(make_group: GroupMaker) -> None:
    """The control: the partial sum of one half, although each client believes at least six are summed."""
    group, halves, colluders = ten(make_group, signed=False)
    p = group.parameters
    clients, keys, masked = partitioned(group, halves, colluders)
    part = halves[0]
    bitmap = to_bitmap((p.position(name) for name in part | colluders), 10)
    shares: dict[PartyName, dict[PartyName, bytes]] = {name: {} for name in part}
    for name in part | colluders:
        if name in colluders:
            mine = {owner: clients[name]._held[owner][1] for owner in part}
        else:
            (answer,) = clients[name].receive(p.server, Unmask(bitmap, {}).encode(p.session))
            given = Shares.decode(answer.message, p.session).shares
            mine = {owner: given[p.position(owner)] for owner in part if owner != name}
        for owner, share in mine.items():
            shares[owner][name] = share
    total, streams = Z64.zeros(3), []
    for owner in part:
        Z64.add_into(total, Z64.from_bytes(masked[owner]))
        points = [Share(p.point(n), p.threshold, field.from_bytes(s, SHARE // 8)) for n, s in shares[owner].items()]
        streams.append(Signed(combine_bytes(points, 32)[0], -1))
        for colluder in colluders:
            key = MaskKey(clients[colluder]._mask_private)
            streams.append(k.pair_stream(p, key, colluder, key.public, owner, keys[owner].mask))
    add_streams(Z64, total, streams)
    assert Z64.decode_signed(total) == group.sum_over(frozenset(part))


def test_with_signatures_no_client_signs_a_list_with_a_neighbour_hidden_from_it(make_group: GroupMaker) -> None:
    group, halves, colluders = ten(make_group, signed=True)
    p = group.parameters
    clients, _, _ = partitioned(group, halves, colluders)
    everyone = Survivors(to_bitmap(range(10), 10)).encode(p.session)
    for name in halves[0] | halves[1]:
        with pytest.raises(IntegrityError, match="shares no mask"):
            clients[name].receive(p.server, everyone)


def test_with_signatures_one_part_of_the_agreed_size_can_be_opened_and_no_second_one(make_group: GroupMaker) -> None:
    group = make_group(n=10, signed=True, threshold=5, survivors=7)
    p = group.parameters
    halves, colluders = [set(group.names[3:7]), set(group.names[7:])], set(group.names[:3])
    clients, _, _ = partitioned(group, halves, colluders)
    part = halves[0] | colluders  # seven: as many as the parameters ask for
    bitmap = to_bitmap((p.position(name) for name in part), 10)
    signatures = {}
    for name in part:
        (answer,) = clients[name].receive(p.server, Survivors(bitmap).encode(p.session))
        signatures[p.position(name)] = Consent.decode(answer.message, p.session).signature
    # the server may choose survivors down to the agreed number, and colluders count among them: that part is opened
    for name in halves[0]:
        assert list(clients[name].receive(p.server, Unmask(bitmap, signatures).encode(p.session)))
    other = to_bitmap((p.position(name) for name in halves[1] | colluders), 10)
    for name in halves[1]:
        with pytest.raises(TooFewParties):
            clients[name].receive(p.server, Survivors(other).encode(p.session))


class Watching(Server):
    """Follows the protocol and keeps what it sees."""

    def _take(self, sender: PartyName, message: bytes) -> None:
        before = self._total.copy()
        super()._take(sender, message)
        if self._next == MaskedInput.KIND:
            self.masked: dict[PartyName, Vector] = {**getattr(self, "masked", {}), sender: Z64.sub(self._total, before)}

    def close_round(self) -> list[Any]:
        if self._next == Shares.KIND:
            self.given = {owner: dict(held) for owner, held in self._shares.items()}
        return super().close_round()


def test_a_sparse_circle_is_cut_by_two_colluders_and_two_chosen_dropouts(make_group: GroupMaker) -> None:
    """The control: 22 of 24 survive, every client's list is the same, and the sum of three is open."""
    group = make_group(n=24, degree=4, threshold=3, survivors=20)
    p, circle = group.parameters, around(group.parameters)
    arc, colluders, lost = set(circle[2:5]), {circle[1], circle[5]}, {circle[0], circle[6]}
    server, clients = Watching(p), group.clients()
    simulate.run(server, clients.values(), dict.fromkeys(lost, MaskedInput.KIND))
    assert len(server.survivors) == 22
    total = Z64.zeros(p.length)
    for name in arc:
        Z64.add_into(total, server.masked[name])
    commitments = {name: server._sealed[name].commitment for name in arc | lost}
    remove_masks(p, total, Transcript(server._keys, commitments, frozenset(arc)), server.given, 1)
    for name in colluders:
        key = MaskKey(clients[name]._mask_private)
        for peer in arc & set(p.graph[name]):
            add_streams(Z64, total, [k.pair_stream(p, key, name, key.public, peer, server._keys[peer].mask)])
    assert Z64.decode_signed(total) == group.sum_over(frozenset(arc))


def test_with_signatures_a_sparse_circle_has_no_room_for_dropouts_that_cut_it(make_group: GroupMaker) -> None:
    with pytest.raises(BadParameters, match="half the degree"):
        make_group(n=24, degree=4, threshold=3, survivors=21, signed=True)
    make_group(n=24, degree=4, threshold=3, survivors=22, signed=True)
    make_group(n=24, threshold=12, survivors=17, signed=True)  # the complete graph has nothing to cut


def around(p: Any) -> list[PartyName]:
    """The clients in the order of the circle: who is beside whom shares all neighbours but two."""
    order = [p.clients[0]]
    while len(order) < len(p.clients):
        beside = [n for n in p.graph[order[-1]] if n not in order]
        order.append(max(beside, key=lambda n: len({*p.graph[n], n} & {*p.graph[order[-1]], order[-1]})))
    return order
