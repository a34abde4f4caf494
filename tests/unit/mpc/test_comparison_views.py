"""What a party receives before the bits is uniform whatever the others' counts; a broken variant is not."""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from mpc.comparison import three, two
from mpc.comparison.helper import Helper, Taker
from mpc.comparison.messages import Words
from mpc.drive import run
from mpc.party import Party, PartyName, RandomBytes

RING = (PartyName("p0"), PartyName("p1"), PartyName("p2"))
HELPER = PartyName("helper")
SESSION = bytes(16)
COUNT = 4096
LAST_WHOLE = 2  # level 0 and 1 of uint32 words: 32 and 16 bits; later words have fewer bits than their bytes


def _received(parties: list[Party], who: PartyName, rounds: Callable[[int], bool]) -> npt.NDArray[np.uint8]:
    """All bytes that ``who`` receives in the chosen rounds."""
    by_name = {party.name: party for party in parties}
    queue = [(name, send) for name, party in by_name.items() for send in party.start()]
    seen = []
    while queue:
        sender, send = queue.pop(0)
        words = Words.decode(send.message)
        if send.to == who and rounds(words.round):
            seen.append(np.frombuffer(words.data, np.uint8))
        queue.extend((send.to, answer) for answer in by_name[send.to].receive(sender, send.message))
    return np.concatenate(seen)


def _excess(data: npt.NDArray[np.uint8]) -> float:
    """Chi-square of the bytes against uniform, in standard deviations from its mean (255 degrees of freedom)."""
    expected = len(data) / 256
    chi = float(((np.bincount(data, minlength=256) - expected) ** 2 / expected).sum())
    return (chi - 255) / math.sqrt(2 * 255)


def _parties_of_three(fill: int, randomness: RandomBytes) -> list[Party]:
    words = np.full(COUNT, fill, np.uint32)
    return [three.Contributor(name, RING, SESSION, words, 10, randomness) for name in RING]


@pytest.mark.parametrize("who", RING)
@pytest.mark.parametrize("fill", [0, 3, 2**28])
def test_three_parties_see_noise(who: PartyName, fill: int) -> None:
    data = _received(_parties_of_three(fill, secrets.token_bytes), who, lambda r: three.MOVE <= r <= three.GENERATE + 1)
    assert abs(_excess(data)) < 6


def test_without_zero_sharing_three_parties_would_see_products(monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken variant: masks that are all zero. The same statistic must notice."""
    monkeypatch.setattr(three, "stream", lambda seed, label, count, dtype: np.zeros(count, dtype))
    data = _received(_parties_of_three(3, secrets.token_bytes), RING[0], lambda r: three.MOVE <= r <= three.GENERATE)
    assert _excess(data) > 100


def _parties_of_two(fill: int, broken: bool) -> list[Party]:
    takers = [Taker(name, HELPER, RING[:2], SESSION, 32, COUNT) for name in RING[:2]]
    run([Helper(HELPER, RING[:2], SESSION, 32, COUNT, secrets.token_bytes), *takers])
    triples = [taker.result for taker in takers]
    if broken:
        for shares in triples:
            for triple in shares.stages:
                for part in triple:
                    part[:] = 0
    words = np.full(COUNT, fill, np.uint32)
    return [two.Contributor(n, RING[:2], SESSION, words, 10, t) for n, t in zip(RING, triples, strict=False)]


@pytest.mark.parametrize("who", RING[:2])
@pytest.mark.parametrize("fill", [0, 3, 2**28])
def test_two_parties_see_noise(who: PartyName, fill: int) -> None:
    assert abs(_excess(_received(_parties_of_two(fill, False), who, lambda r: r <= LAST_WHOLE))) < 6


def test_without_triples_two_parties_would_see_each_other() -> None:
    assert _excess(_received(_parties_of_two(3, True), RING[0], lambda r: r <= LAST_WHOLE)) > 100
