"""mpc.secagg.graph: regular, symmetric, connected, and degrees that meet the bounds they claim."""

from __future__ import annotations

import random
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpc.errors import BadParameters
from mpc.secagg import choose_degree, neighbours
from mpc.secagg.graph import _at_least, _disconnected


@settings(max_examples=50)
@given(st.integers(3, 40), st.integers(1, 20), st.binary(max_size=4))
def test_the_graph_is_regular_symmetric_and_connected(n: int, half: int, seed: bytes) -> None:
    degree = min(2 * half, (n - 1) // 2 * 2)
    graph = neighbours([f"c{i}" for i in range(n)], degree, seed)
    assert all(len(set(near)) == degree and i not in near for i, near in enumerate(graph))
    assert all(i in graph[j] for i, near in enumerate(graph) for j in near)
    seen, stack = {0}, [0]
    while stack:
        new = set(graph[stack.pop()]) - seen
        seen |= new
        stack += new
    assert len(seen) == n


def test_another_seed_gives_another_graph_and_the_complete_graph_needs_none() -> None:
    names = [f"c{i}" for i in range(20)]
    assert neighbours(names, 4, b"a") != neighbours(names, 4, b"b")
    assert neighbours(names, 4, b"a") == neighbours(names, 4, b"a")
    assert neighbours(names, 19, b"") == [[j for j in range(20) if j != i] for i in range(20)]


@pytest.mark.parametrize("degree", [0, 1, 3, 10, 11, -2])
def test_impossible_degrees_are_refused(degree: int) -> None:
    with pytest.raises(BadParameters):
        neighbours([f"c{i}" for i in range(10)], degree, b"")


def test_tails_equal_exhaustive_counts() -> None:
    population, marked, drawn, bound = 9, 4, 5, 3
    draws = list(combinations(range(population), drawn))
    hits = sum(sum(x < marked for x in draw) >= bound for draw in draws)
    assert _at_least(population, marked, drawn, bound) == Fraction(hits, len(draws))


def test_the_bound_on_disconnection_holds_in_simulation() -> None:
    clients, removed, run, rng = 20, 8, 3, random.Random(7)

    def has_run() -> bool:
        gone = set(rng.sample(range(clients), removed))
        return any(all((i + j) % clients in gone for j in range(run)) for i in range(clients))

    seen = sum(has_run() for _ in range(4000)) / 4000
    assert 0 < seen <= float(_disconnected(clients, removed, run))
    assert _disconnected(clients, 2, 3) == 0


def test_chosen_degrees_grow_slowly_and_meet_their_claims() -> None:
    few, many = choose_degree(200, 10, 20), choose_degree(2000, 100, 200)
    assert few.degree < many.degree < 3 * few.degree
    for n, corrupt, dropouts, chosen in [(200, 10, 20, few), (2000, 100, 200, many)]:
        assert chosen.degree // 2 < chosen.threshold <= chosen.degree
        assert n * _at_least(n - 1, corrupt, chosen.degree, chosen.threshold) <= Fraction(1, 1 << 40)
        lost = chosen.degree - chosen.threshold + 1
        assert n * _at_least(n - 1, dropouts, chosen.degree, lost) <= Fraction(1, 1 << 20)


def test_small_groups_get_the_complete_graph_or_a_refusal() -> None:
    assert choose_degree(10, 2, 2).degree == 9
    with pytest.raises(BadParameters):
        choose_degree(10, 4, 5)
    with pytest.raises(BadParameters):
        choose_degree(10, 5, 5)


def test_a_chosen_degree_serves_under_signatures_too(make_group: Callable[..., Any]) -> None:
    """Without ``signed`` it is smaller, and the parameters refuse it: the two limits used to contradict each other."""
    sparse, chosen = choose_degree(200, 10, 60), choose_degree(200, 10, 60, signed=True)
    assert sparse.degree < chosen.degree < 199
    for degree in (sparse, chosen):
        build = partial(make_group, n=200, signed=True, degree=degree.degree, threshold=degree.threshold, survivors=140)
        if degree is chosen:
            build()
        else:
            with pytest.raises(BadParameters, match="half the degree"):
                build()
