"""The ring of union cardinality: result, wrong messages."""

from __future__ import annotations

import secrets

import numpy as np
import pytest

from mpc.drive import run
from mpc.errors import BadParameters, DuplicateMessage, UnknownParty, WrongRound, WrongSession
from mpc.party import PartyName
from mpc.psi_dh.curve25519 import in_value_order
from mpc.union_cardinality.messages import FullyMasked, Travelling
from mpc.union_cardinality.ring import Counter, Member

SESSION = bytes(range(16))
HUB = PartyName("hub")


def _ring(sets: list[list[int]]) -> tuple[list[Member], Counter]:
    names = [PartyName(f"m{i}") for i in range(len(sets))]
    members = [
        Member(name, names, HUB, SESSION, [b"u%d" % n for n in items], secrets.token_bytes)
        for name, items in zip(names, sets, strict=True)
    ]
    return members, Counter(HUB, names, SESSION)


@pytest.mark.parametrize("count", [2, 3, 5])
def test_counts_every_unit_once(count: int) -> None:
    sets = [list(range(i * 10, i * 10 + 25)) for i in range(count)]
    members, counter = _ring(sets)
    run([*members, counter])
    assert counter.result == len(set().union(*sets)) < sum(map(len, sets))


def test_empty_sets_are_sets() -> None:
    members, counter = _ring([[], [1, 2], []])
    run([*members, counter])
    assert counter.result == 2


def test_bad_rings_are_refused() -> None:
    names = [PartyName("m0"), PartyName("m1")]
    for ring, counter, name in (
        (names[:1], HUB, "m0"),
        ([*names, names[0]], HUB, "m0"),
        (names, names[0], "m0"),
        (names, HUB, "m9"),
    ):
        with pytest.raises(BadParameters):
            Member(PartyName(name), ring, counter, SESSION, [], secrets.token_bytes)
    with pytest.raises(BadParameters, match="twice"):
        Member(names[0], names, HUB, SESSION, [b"x", b"x"], secrets.token_bytes)
    with pytest.raises(BadParameters):
        Counter(HUB, names, b"short")


def test_wrong_messages_are_refused() -> None:
    members, counter = _ring([[1], [2], [3]])
    sends = [next(iter(member.start())) for member in members]
    first = sends[0].message
    with pytest.raises(WrongRound):
        list(members[0].start())
    with pytest.raises(UnknownParty):
        members[1].receive(PartyName("m2"), first)
    with pytest.raises(WrongSession):
        members[1].receive(PartyName("m0"), first[:5] + bytes(16) + first[21:])
    for origin, masks in ((0, 2), (1, 1), (7, 1), (0, 0)):
        forged = Travelling(SESSION, origin, masks, Travelling.decode(first).points).encode()
        with pytest.raises(WrongRound):
            members[1].receive(PartyName("m0"), forged)
    onward = next(iter(members[1].receive(PartyName("m0"), first)))
    with pytest.raises(DuplicateMessage):
        members[1].receive(PartyName("m0"), first)
    final = next(iter(members[2].receive(PartyName("m1"), onward.message)))
    assert final.to == HUB
    counter.receive(PartyName("m2"), final.message)
    with pytest.raises(DuplicateMessage):
        counter.receive(PartyName("m2"), final.message)
    with pytest.raises(UnknownParty):
        counter.receive(PartyName("x"), final.message)
    with pytest.raises(WrongRound):
        _ = counter.result


def test_no_member_sees_two_sets_under_the_same_masks() -> None:
    """With equal sets everywhere, a member could match them if any two arrived under equal masks."""
    members, counter = _ring([[1, 2, 3]] * 4)
    seen: dict[PartyName, list[frozenset[bytes]]] = {member.name: [] for member in members}
    queue = [(member.name, send) for member in members for send in member.start()]
    by_name = {member.name: member for member in members}
    while queue:
        sender, send = queue.pop(0)
        if send.to == HUB:
            counter.receive(sender, send.message)
            continue
        rows = Travelling.decode(send.message).points
        seen[send.to].append(frozenset(row.tobytes() for row in rows))
        queue.extend((send.to, answer) for answer in by_name[send.to].receive(sender, send.message))
    assert counter.result == 3
    for views in seen.values():
        assert len(views) == 3
        assert len(frozenset().union(*views)) == 9


def test_every_set_forgets_its_order_at_every_member() -> None:
    """Whoever kept the order of a set it sent or received could tell which of its points came back as which."""
    members, _ = _ring([list(range(40)), list(range(20, 60)), list(range(10))])
    queue = [(member.name, send) for member in members for send in member.start()]
    by_name = {member.name: member for member in members}
    hops = 0
    while queue:
        _, send = queue.pop(0)
        kind = FullyMasked if send.to == HUB else Travelling
        points = kind.decode(send.message, SESSION).points
        assert np.array_equal(in_value_order(points), np.arange(len(points)))
        hops += 1
        if send.to != HUB:
            sender = members[members.index(by_name[send.to]) - 1].name
            queue.extend((send.to, answer) for answer in by_name[send.to].receive(sender, send.message))
    assert hops == 9


def test_two_sessions_are_unlinkable_even_under_one_mask() -> None:
    names = [PartyName("m0"), PartyName("m1")]
    rows = []
    for session in (SESSION, bytes(16)):
        member = Member(names[0], names, HUB, session, [b"u1", b"u2"], lambda size: b"\x05" * size)
        points = Travelling.decode(next(iter(member.start())).message).points
        rows.append({row.tobytes() for row in points})
    assert not rows[0] & rows[1]
