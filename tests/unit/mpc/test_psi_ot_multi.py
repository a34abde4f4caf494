"""Programmable PRF and the star of many parties: results, refusals, and what the leader sees of partial matches."""

import secrets
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from mpc.drive import run
from mpc.errors import (
    BadParameters,
    DuplicateMessage,
    MalformedMessage,
    OutOfRange,
    TooFewParties,
    UnknownParty,
    WrongRound,
    WrongSession,
)
from mpc.ot.endemic import EndemicSender
from mpc.party import PartyName, Send
from mpc.psi import opprf
from mpc.psi.messages import HINT_ROWS_AT_ONCE, SenderHello
from mpc.psi.multi import Leader, Member
from mpc.psi.opprf import Hint
from mpc.psi.parameters import MAX_ITEMS, code_words_for
from mpc.psi.zero import KeyShare, PairKeys, zero_shares
from mpc.wire import header

SESSION = bytes(range(16))
LEADER = PartyName("leader")
S, R = PartyName("s"), PartyName("r")


def _names(numbers: range) -> list[bytes]:
    return [b"item %d" % number for number in numbers]


def _star(sets: list[list[bytes]]) -> tuple[Leader, list[Member]]:
    names = [PartyName(f"member {number}") for number in range(1, len(sets))]
    members = [Member(name, LEADER, names, SESSION, held) for name, held in zip(names, sets[1:], strict=True)]
    return Leader(LEADER, names, SESSION, sets[0]), members


@pytest.mark.parametrize(
    "sets",
    [
        [[b"a", b"b"], [b"b", b"c"]],
        [[b"a", b"b", b"c", b"b"], [b"b", b"c"], [b"c", b"b", b"b"]],
        [[b"a"], [], [b"a"]],
        [[], [b"a"], [b"a"]],
        [_names(range(900)), _names(range(300, 1200)), _names(range(600, 1500)), _names(range(700, 800))],
    ],
)
def test_the_intersection_is_the_plain_one(sets: list[list[bytes]]) -> None:
    leader, members = _star(sets)
    run([*members, leader])
    assert leader.result.tolist() == [all(item in held for held in sets[1:]) for item in sets[0]]


def test_the_order_of_parties_does_not_matter() -> None:
    leader, members = _star([[b"a", b"b"], [b"a"], [b"a", b"c"]])
    run([leader, *reversed(members)])
    assert leader.result.tolist() == [True, False]


def test_programmed_values_reach_shared_items_only() -> None:
    x, y = _names(range(500)), _names(range(400, 900))
    values = np.arange(1000, dtype=np.uint64).reshape(500, 2)
    sender, receiver = opprf.Sender(S, R, SESSION, x, values), opprf.Receiver(R, S, SESSION, y)
    run([sender, receiver])
    assert np.array_equal(receiver.values[:100], values[400:])
    assert np.all(receiver.values[100:] >= 1000)  # 800 words of noise: chance 2^-44 to fail


def test_values_of_another_shape_are_refused() -> None:
    with pytest.raises(BadParameters):
        opprf.Sender(S, R, SESSION, [b"a"], np.zeros((2, 2), np.uint64))


def test_the_shares_of_all_parties_cancel() -> None:
    keys = {pair: secrets.token_bytes(16) for pair in ((0, 1), (0, 2), (1, 2))}
    total = np.zeros((2, 2), np.uint64)
    for party in range(3):
        total ^= zero_shares([b"a", b"b"], SESSION, [key for pair, key in keys.items() if party in pair])
    assert not total.any()


def _noise(keys: list[bytes]) -> bool:
    """Whether a leader that knows ``keys[0]`` sees noise for an item that one of two members holds."""
    leader_key, members_key = keys
    value = zero_shares([b"shared"], SESSION, [leader_key, members_key])
    sender, receiver = opprf.Sender(S, R, SESSION, [b"shared"], value), opprf.Receiver(R, S, SESSION, [b"shared"])
    run([sender, receiver])
    return bool((receiver.values ^ zero_shares([b"shared"], SESSION, [leader_key])).any())


def test_a_partial_match_looks_like_noise_to_the_leader() -> None:
    """Positive control: were the members' common key known (here: the leader's own), the match would show."""
    known = secrets.token_bytes(16)
    assert _noise([known, secrets.token_bytes(16)])
    value = zero_shares([b"shared"], SESSION, [known])
    sender, receiver = opprf.Sender(S, R, SESSION, [b"shared"], value), opprf.Receiver(R, S, SESSION, [b"shared"])
    run([sender, receiver])
    assert not (receiver.values ^ value).any()


def test_a_lost_member_is_a_typed_end() -> None:
    leader, members = _star([[b"a"], [b"a"], [b"a"]])
    with pytest.raises(TooFewParties):
        run([leader, members[0], _Silent(members[1].name)])


class _Silent:
    """A party that takes everything and never answers."""

    def __init__(self, name: PartyName) -> None:
        self.name, self.finished = name, True

    def start(self) -> list[Send]:
        return []

    def receive(self, sender: PartyName, message: bytes) -> list[Send]:
        return []


def test_names_must_be_distinct_and_complete() -> None:
    with pytest.raises(BadParameters):
        Leader(LEADER, [], SESSION, [b"a"])
    with pytest.raises(BadParameters):
        Leader(LEADER, [LEADER], SESSION, [b"a"])
    with pytest.raises(BadParameters):
        Member(PartyName("x"), LEADER, [PartyName("y")], SESSION, [b"a"])


def test_refusals_of_the_key_round() -> None:
    leader, members = _star([[b"a"], [b"a"], [b"a"]])
    share = next(iter(members[0].start())).message
    with pytest.raises(UnknownParty):
        leader.receive(PartyName("third"), share)
    with pytest.raises(WrongSession):
        leader.receive(members[0].name, share[:5] + bytes(16) + share[21:])
    with pytest.raises(MalformedMessage):
        leader.receive(members[0].name, KeyShare(bytes(32)).encode(SESSION))
    leader.receive(members[0].name, share)
    with pytest.raises(DuplicateMessage):
        leader.receive(members[0].name, share)
    with pytest.raises(WrongRound):  # anything but a key share comes later
        members[0].receive(LEADER, Hint(0, np.zeros((1, 2), np.uint64)).encode(SESSION))
    with pytest.raises(WrongRound):
        _ = leader.result


def test_a_leader_with_too_large_a_set_is_refused() -> None:
    names = [PartyName("only")]
    member = Member(names[0], LEADER, names, SESSION, [b"a"], leader_at_most=2)
    with pytest.raises(OutOfRange):
        run([member, Leader(LEADER, names, SESSION, [b"a", b"b", b"c"])])


def test_parts_of_the_table_are_checked() -> None:
    value = np.ones((1, 2), np.uint64)
    sender, receiver = opprf.Sender(S, R, SESSION, [b"a"], value), opprf.Receiver(R, S, SESSION, [b"a"])
    openings = [*sender.start(), *receiver.start()]
    list(sender.receive(R, openings[1].message))
    (correction,) = receiver.receive(S, openings[0].message)
    (part,) = sender.receive(R, correction.message)
    hint = Hint.decode(part.message, SESSION)
    with pytest.raises(WrongRound):
        _ = receiver.values
    with pytest.raises(WrongRound):
        list(receiver.receive(S, replace(hint, offset=1).encode(SESSION)))
    for rows in (hint.rows[:-1], hint.rows[:, :1], np.zeros((0, 2), np.uint64)):
        with pytest.raises(MalformedMessage):
            list(receiver.receive(S, replace(hint, rows=rows).encode(SESSION)))
    list(receiver.receive(S, part.message))
    assert np.array_equal(receiver.values, value)
    with pytest.raises(WrongRound):
        list(receiver.receive(S, part.message))


def test_keys_and_openings_of_a_pair_belong_to_its_session_and_names() -> None:
    """Even if scalars came twice, another session or pair has other keys; and no two pairs share a session id."""

    def key(session: bytes, name: str, other: str) -> bytes:
        pairs = PairKeys(PartyName(name), [PartyName(other)], session, lambda size: b"\x07" * size)
        pairs.take(PartyName(other), KeyShare(pairs.point))
        return next(iter(pairs.keys))

    keys = [key(SESSION, "a", "b"), key(bytes(16), "a", "b"), key(SESSION, "a", "c"), key(SESSION, "ab", "c")]
    assert len(set(keys)) == 4
    assert key(SESSION, "b", "a") == keys[0]
    leader, members = _star([[b"x"], [b"x"], [b"x"]])
    sends = [(party.name, send) for party in (leader, *members) for send in party.start()]
    openings = [
        opening
        for name, send in sends
        for member in members
        if send.to == member.name
        for opening in member.receive(name, send.message)
    ]
    assert len({header(opening.message).session for opening in openings} | {SESSION}) == 3


def test_an_announced_size_alone_takes_no_memory() -> None:
    """A sender that announces 2^27 items announces a table of 8 GB; the receiver pays for what has arrived."""
    point = EndemicSender(SESSION, secrets.token_bytes).point
    receiver = opprf.Receiver(R, S, SESSION, [b"a"])
    list(receiver.start())
    pairs = point * (2 * 64 * code_words_for(MAX_ITEMS))
    list(receiver.receive(S, SenderHello(MAX_ITEMS, bytes(16), bytes(16), pairs).encode(SESSION)))
    rows = np.zeros((HINT_ROWS_AT_ONCE, 2), np.uint64)
    tracemalloc.start()
    list(receiver.receive(S, Hint(0, rows).encode(SESSION)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20 * rows.nbytes
    assert not receiver.finished
    with pytest.raises(DuplicateMessage):
        receiver.receive(S, Hint(0, rows).encode(SESSION))
    with pytest.raises(WrongRound):
        receiver.receive(S, Hint(2 * HINT_ROWS_AT_ONCE, rows).encode(SESSION))


def test_nothing_is_taken_after_the_end() -> None:
    leader, members = _star([[b"a"], [b"a"]])
    run([leader, *members])
    with pytest.raises(WrongRound):
        leader.receive(members[0].name, Hint(0, np.zeros((1, 2), np.uint64)).encode(SESSION))


def test_secrets_stay_out_of_repr() -> None:
    leader, members = _star([[b"very secret"], [b"very secret"]])
    assert "very secret" not in repr(leader) + repr(members[0])
