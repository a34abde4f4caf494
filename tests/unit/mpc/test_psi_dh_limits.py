"""What a peer may ask is bounded before its message costs anything; what is sent keeps no order."""

from __future__ import annotations

import secrets

import numpy as np
import pytest
from phe.paillier import generate_paillier_keypair

from mpc.drive import run
from mpc.errors import BadParameters, MalformedMessage
from mpc.oprf.messages import BlindedElements
from mpc.party import PartyName
from mpc.psi_dh.cardinality import Receiver, Sender
from mpc.psi_dh.curve25519 import in_value_order
from mpc.psi_dh.join import PartyOne, PartyTwo
from mpc.psi_dh.messages import DoublyMasked, Groups, Masked, Pairs
from mpc.psi_dh.paillier_scheme import PaillierEvaluator, PaillierKeyHolder
from mpc.psi_dh.points import MOST_POINTS
from mpc.wire import Writer

A, B = PartyName("a"), PartyName("b")
SESSION = bytes(range(16))
BAD = np.full((3, 32), 0xFF, np.uint8)
"""Three times the same non-canonical point: whoever looks at it refuses it for what it is."""


def test_too_many_points_are_refused_before_any_is_looked_at() -> None:
    for message in (Masked(SESSION, BAD).encode(), Masked(SESSION, BAD).encode()[:-1]):
        with pytest.raises(BadParameters, match="at most 2"):
            Masked.decode(message, SESSION, 2)
    with pytest.raises(MalformedMessage, match="canonical"):
        Masked.decode(Masked(SESSION, BAD).encode(), SESSION, 3)
    with pytest.raises(BadParameters, match="at most 2"):
        Groups.decode(Groups(SESSION, False, (3,), BAD).encode(), SESSION, False, 2)
    with pytest.raises(MalformedMessage, match="more points"):
        Masked.decode(Writer(7, 1, SESSION).u32(MOST_POINTS + 1).done(), SESSION)


def test_too_many_elements_are_refused_before_any_is_looked_at() -> None:
    message = BlindedElements(SESSION, (bytes(32), bytes(32))).encode()
    with pytest.raises(BadParameters, match="charged"):
        BlindedElements.decode(message, SESSION, 1)
    with pytest.raises(MalformedMessage):
        BlindedElements.decode(message, SESSION, 2)


@pytest.mark.parametrize(("at_most", "refused"), [(3, False), (2, True)])
def test_party_two_answers_no_more_items_than_were_charged(at_most: int, refused: bool) -> None:
    keys = PaillierKeyHolder(generate_paillier_keypair(n_length=2048)[1], 1, 8, 2, secrets.token_bytes)
    one = PartyOne(A, B, SESSION, [[b"1", b"2"], [b"3"]], PaillierEvaluator, 1, secrets.token_bytes)
    two = PartyTwo(B, A, SESSION, [b"1", b"3"], np.array([[5], [6]]), keys, 1, secrets.token_bytes, at_most=at_most)
    if refused:
        with pytest.raises(BadParameters, match="at most 2"):
            run([one, two])
        return
    run([one, two])
    assert two.result == ((5,), (6,))


def test_sets_of_a_join_forget_their_order_on_every_way() -> None:
    """Whoever kept the order could tell which of its points came back as which, or which row is which item."""
    keys = PaillierKeyHolder(generate_paillier_keypair(n_length=2048)[1], 1, 8, 20, secrets.token_bytes)
    groups = [[b"%d" % i for i in range(10)], [b"%d" % i for i in range(10, 30)]]
    items = [b"%d" % i for i in range(20)]
    one = PartyOne(A, B, SESSION, groups, PaillierEvaluator, 1, secrets.token_bytes)
    two = PartyTwo(B, A, SESSION, items, np.ones((20, 1), np.int64), keys, 1, secrets.token_bytes)
    question = next(iter(one.start())).message
    answer = next(iter(two.receive(A, question))).message
    points = [Pairs.decode(next(iter(two.start())).message).points]
    for doubly, message in ((False, question), (True, answer)):
        sent = Groups.decode(message, SESSION, doubly)
        points += [sent.points[:10], sent.points[10:]]
    for part in points:
        assert np.array_equal(in_value_order(part), np.arange(len(part)))


def test_the_answer_does_not_come_in_the_order_of_the_question() -> None:
    """Else the receiver would read from the places which of its items are shared, and not only how many."""
    receiver = Receiver(A, B, SESSION, [b"%d" % i for i in range(40)], secrets.token_bytes)
    sender = Sender(B, A, SESSION, [b"1", b"2"], 1, 40, secrets.token_bytes)
    question = next(iter(receiver.start())).message
    points = DoublyMasked.decode(next(iter(sender.receive(A, question))).message).points
    assert np.array_equal(in_value_order(points), np.arange(40))
    for sent in (question, next(iter(sender.start())).message):
        own = Masked.decode(sent).points
        assert np.array_equal(in_value_order(own), np.arange(len(own)))
