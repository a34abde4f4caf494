"""Who shares masks with whom: a random k-regular graph, and how to choose its degree (Bell et al. 2020, section 3).

The graph is a Harary graph over a random order of the clients: each is joined with the k/2 before and the k/2 behind it
on a circle. The seed of the order must be unknown until the set of clients is fixed, or whoever knows it places
colluders around a victim; with k = n - 1 (SecAgg) there is nothing to choose.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import comb

from mpc.errors import BadParameters


@dataclass(frozen=True)
class Degree:
    """The number of neighbours of each client, and how many of their shares open a secret."""

    degree: int
    threshold: int


def neighbours(names: Sequence[str], degree: int, seed: bytes) -> list[list[int]]:
    """For each client its neighbours' indices, ascending. ``degree`` is even, or n - 1 for the complete graph."""
    n = len(names)
    if degree == n - 1:
        return [[j for j in range(n) if j != i] for i in range(n)]
    if degree % 2 or not 2 <= degree < n:
        raise BadParameters(f"{n} clients take an even degree from 2 to {n - 1}, or {n - 1}")
    order = sorted(range(n), key=lambda i: hashlib.sha256(seed + names[i].encode()).digest())
    steps = [*range(-(degree // 2), 0), *range(1, degree // 2 + 1)]
    result: list[list[int]] = [[] for _ in range(n)]
    for at, client in enumerate(order):
        result[client] = sorted(order[(at + step) % n] for step in steps)
    return result


def choose_degree(
    clients: int,
    corrupt: int,
    dropouts: int,
    security_bits: int = 40,
    correctness_bits: int = 20,
    *,
    signed: bool = False,
) -> Degree:
    """The smallest degree and threshold for n clients of which ``corrupt`` collude with the server.

    By exact hypergeometric tails and union bounds over all clients (Bell et al. 2020, section 3, properties 1 to 3):
    no honest client has ``threshold`` or more corrupt neighbours, and the honest survivors stay connected, each except
    with probability 2^-security_bits; every client keeps ``threshold`` living neighbours except with probability
    2^-correctness_bits. Dropouts are taken as random: against a server that picks them there are signatures
    (``signed``), under which ``Parameters`` admit at most half the degree of them. The threshold also exceeds half the
    degree (see ``parameters``). Falls back to the complete graph when no smaller one serves; ``BadParameters`` if that
    fails too.
    """
    if clients < 2 or corrupt < 0 or dropouts < 0 or corrupt + dropouts >= clients:
        raise BadParameters("choose_degree needs at least two clients, of which one is honest and stays")
    for degree in range(2, clients - 1, 2):
        if signed and dropouts > degree // 2:
            continue
        if _disconnected(clients, corrupt + dropouts, degree // 2) > Fraction(1, 1 << security_bits):
            continue
        for threshold in range(degree // 2 + 1, degree + 1):
            surrounded = clients * _at_least(clients - 1, corrupt, degree, threshold)
            deserted = clients * _at_least(clients - 1, dropouts, degree, degree - threshold + 1)
            if surrounded <= Fraction(1, 1 << security_bits) and deserted <= Fraction(1, 1 << correctness_bits):
                return Degree(degree, threshold)
    threshold = max(corrupt + 1, (clients - 1) // 2 + 1)
    if clients - 1 - dropouts < threshold:
        raise BadParameters("even the complete graph cannot survive so many corrupt and lost clients")
    return Degree(clients - 1, threshold)


def _at_least(population: int, marked: int, drawn: int, bound: int) -> Fraction:
    """Probability that ``drawn`` of ``population`` without replacement hold at least ``bound`` marked ones."""
    ways = sum(comb(marked, i) * comb(population - marked, drawn - i) for i in range(bound, min(marked, drawn) + 1))
    return Fraction(ways, comb(population, drawn))


def _disconnected(clients: int, removed: int, run: int) -> Fraction:
    """Bound on the probability that somewhere on the circle ``run`` clients in a row are all removed."""
    if removed < run:
        return Fraction(0)
    return Fraction(clients * comb(clients - run, removed - run), comb(clients, removed))
