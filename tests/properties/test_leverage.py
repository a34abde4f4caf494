"""The audit's leverages are those of the definition, whatever is asked in whatever order, and nobody passes the cap."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.node.gate import partitions
from tests.support.audited import INCOME, Dense, Desk, hashes


@st.composite
def sessions(draw: st.DrawFn) -> tuple[Any, list[Any]]:
    """Rows per unit, and questions: labels of one to three partitions, answers, and which units take part."""
    rows = np.array(draw(st.lists(st.integers(1, 4), min_size=3, max_size=25)), np.int32)
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    asked = []
    for _ in range(draw(st.integers(1, 7))):
        units = np.sort(rng.choice(len(rows), int(rng.integers(2, len(rows) + 1)), replace=False))
        count = int(rows[units].sum())
        parts = [rng.integers(-1, int(rng.integers(1, 9)), count) for _ in range(int(rng.integers(1, 4)))]
        asked.append((units, parts, int(rng.integers(1, 6))))
    return rows, asked


@settings(max_examples=60, deadline=None)
@given(session=sessions(), cap=st.sampled_from([0.05, 0.12, 0.25, 1.0]), restart=st.booleans())
def test_leverages_are_those_of_dense_matrices(session: Any, cap: float, restart: bool) -> None:
    rows, asked = session
    starts = np.concatenate([[0], np.cumsum(rows)])
    owner = np.repeat(np.arange(len(rows)), rows)
    dense = Dense(len(owner))
    with TemporaryDirectory() as folder:
        desk = Desk(Path(folder), cap=cap)
        for units, parts, answers in asked:
            records = np.concatenate([np.arange(starts[unit], starts[unit + 1]) for unit in units])
            verdict = desk.answered(parts, rows=rows[units], units=units, answers=answers)
            places = iter(verdict)
            for part in parts:
                for base in range(int(part.max()) + 1):
                    if next(places) and (part == base).any():
                        dense.add(records[part == base], answers)
            if restart:
                desk.restart()
            check(desk, dense, owner, cap)
        desk.engine.dispose()


def check(desk: Desk, dense: Dense, owner: Any, cap: float) -> None:
    domain = desk.domain
    system = domain.systems.get(INCOME)
    expected = dense.units(owner)
    assert expected.max() <= cap + 1e-9
    if system is None:
        assert len(dense.rows) == 0
        return
    # units in the audit's order of their records: unit number n was seen at its place
    place_of = places_of(domain, owner)
    diagonal = np.diagonal(dense.hat())
    seen = place_of >= 0
    np.testing.assert_allclose(system.leverage[place_of[seen]], diagonal[seen], atol=1e-9)
    assert (diagonal[~seen] < 1e-12).all()
    np.testing.assert_allclose(desk.highest(), expected.max(), atol=1e-9)
    for unit in range(int(owner.max()) + 1):
        own = place_of[owner == unit]
        if own[0] >= 0:
            assert system.bound[domain.places.owner[own[0]]] >= expected[unit] - 1e-9


def places_of(domain: Any, owner: Any) -> Any:
    """The audit's place of each record (unit and ordinal), -1 for one that was never asked about."""
    out = np.full(len(owner), -1)
    found = domain.places.find(hashes(int(owner.max()) + 1))
    for unit, place in enumerate(found):
        if place >= 0:
            own = np.flatnonzero(domain.places.owner == place)
            out[np.flatnonzero(owner == unit)[: len(own)]] = own
    return out


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), sizes=st.lists(st.integers(1, 40), min_size=1, max_size=8))
def test_counts_and_labels_of_grouped_partitions(seed: int, sizes: list[int]) -> None:
    """Partitions packed into common codes give back their labels, and the records that two bases share."""
    rng = np.random.default_rng(seed)
    labels = [rng.integers(-1, size, 300).astype(np.int32) for size in sizes]
    packed, atoms = partitions.Partitions(), partitions.Atoms().grown(300)
    for one, size in zip(labels, sizes, strict=True):
        packed, atoms = packed.with_partition(one, size), atoms.refined(one, size)
    for number, one in enumerate(labels):
        np.testing.assert_array_equal(packed.labels(number, np.arange(300)), one)
    assert atoms.weights.sum() == 300
    counts = packed.counts(labels[-1], sizes[-1], atoms, set(range(len(sizes))))
    for number, (one, size) in enumerate(zip(labels, sizes, strict=True)):
        both = np.array([[((one == a) & (labels[-1] == b)).sum() for b in range(sizes[-1])] for a in range(size)])
        np.testing.assert_array_equal(counts[packed.offsets[number] :][:size], both)
