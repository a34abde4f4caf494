"""What one party of the dealerless triples sees of another's factors: nothing, with broken variants as controls."""

from __future__ import annotations

import secrets

import numpy as np

from mpc.party import PartyName, RandomBytes
from mpc.ring import Z64
from mpc.sharing.ot_messages import COLUMNS, Products
from mpc.sharing.ot_triples import TripleMaker

SESSION, N = b"s" * 16, 8
GIVER, TAKER = PartyName("giver"), PartyName("taker")


def products_and_factors(rng: RandomBytes) -> tuple[np.ndarray, np.ndarray]:
    """What the giver sends, and 2^k * a for its factors a, bit by bit of the taker's b."""
    makers = {name: TripleMaker(SESSION, name, [GIVER, TAKER], Z64, N, rng) for name in (GIVER, TAKER)}
    queue = [(name, send) for name, maker in makers.items() for send in maker.start()]
    sent = None
    while queue:
        sender, send = queue.pop(0)
        if sender == GIVER and send.message[4] == Products.KIND:
            sent = Products.decode(send.message, SESSION, 64 * N, Z64).vector
        queue += [(send.to, answer) for answer in makers[send.to].receive(sender, send.message)]
    assert sent is not None
    return sent, makers[GIVER]._shifted(makers[GIVER].result.a.vector)


def test_products_hide_the_givers_factor_and_without_secret_choices_they_do_not() -> None:
    sent, factors = products_and_factors(secrets.token_bytes)
    assert not (sent == factors).any()
    top = (sent >> np.uint64(63)).astype(int)
    assert abs(top.mean() - 0.5) < 0.16  # 512 fair bits: beyond it once in 2e12 runs
    # control: base choices that are all zero leave both pads equal, and the factor stands in the clear
    sent, factors = products_and_factors(lambda size: bytes(size) if size == COLUMNS else secrets.token_bytes(size))
    assert (sent == factors).all()


def test_pads_of_equal_rows_differ_by_place_pair_and_session() -> None:
    maker = TripleMaker(SESSION, GIVER, [GIVER, TAKER], Z64, N)
    foreign = TripleMaker(b"t" * 16, GIVER, [GIVER, TAKER], Z64, N)
    rows = np.ones((2, 2), np.uint64)
    pads = [
        *maker._hash(GIVER, TAKER, rows, 0),
        *maker._hash(GIVER, TAKER, rows, 2),
        *maker._hash(TAKER, GIVER, rows, 0),
        *foreign._hash(GIVER, TAKER, rows, 0),
    ]
    assert len({int(pad) for pad in pads}) == len(pads)
