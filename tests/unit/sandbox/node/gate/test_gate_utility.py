"""What sensible analysts ask is answered: a session of 60 tables, and many records at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tests.support.audited import INCOME, Desk

Columns = dict[str, Any]


def people(units: int, seed: int = 7) -> Columns:
    """Skewed as registers are: districts of 30% down to 2%, occupations of 20% down to 1%."""
    rng = np.random.default_rng(seed)
    age = 70 - rng.integers(0, 70 * 365, units) // 365
    return {
        "district": rng.choice(8, units, p=np.array([30, 20, 15, 12, 10, 7, 4, 2]) / 100),
        "sex": rng.integers(0, 2, units),
        "occ": rng.choice(12, units, p=np.array([20, 16, 13, 11, 10, 8, 7, 5, 4, 3, 2, 1]) / 100),
        "age": age,
        "age10": age // 10,
        "age5": age // 5,
        "work": np.where(age < 18, 0, np.where(age < 65, 1, 2)),
    }


def session(table: Columns) -> Iterator[tuple[Any, tuple[str, ...]]]:
    """60 queries: who is in, and by what they are grouped."""
    everybody = np.ones(len(table["age"]), bool)
    for column in ("district", "occ", "sex", "age10", "age5", "work"):
        yield everybody, (column,)
    pairs = "district occ, district sex, district age10, district work, occ sex, occ age10, occ work, sex age10"
    for pair in (pairs + ", sex age5, sex work, district age5").split(", "):
        yield everybody, tuple(pair.split())
    for three in ("district sex age10", "district sex work", "occ sex age10", "district occ sex", "district occ work"):
        yield everybody, tuple(three.split())
    for low, high in ((18, 64), (65, 100), (20, 64), (0, 17), (25, 54), (60, 100), (66, 100), (16, 24)):
        for column in ("district", "occ"):
            yield (table["age"] >= low) & (table["age"] <= high), (column,)
    for sex in (0, 1):
        for column in ("district", "occ", "age10", "age5"):
            yield table["sex"] == sex, (column,)
    for district in (0, 1, 4, 7):
        for column in ("occ", "age10", "sex"):
            yield table["district"] == district, (column,)
    yield everybody, ()
    yield table["district"] != 7, ()


def bases(table: Columns, inside: Any, columns: tuple[str, ...]) -> Any:
    """Of every record the group it is in; -1 outside and where a group has fewer than ten."""
    labels = np.zeros(len(inside), np.int64)
    for column in columns:
        labels = labels * 100 + table[column]
    labels = np.where(inside, np.unique(labels, return_inverse=True)[1], -1)
    sizes = np.bincount(labels[labels >= 0])
    return np.where((labels >= 0) & (sizes[labels] >= 10), labels, -1)


@pytest.mark.slow
@pytest.mark.parametrize("subject", [None, INCOME])
def test_a_session_of_sixty_tables_loses_at_most_one_cell_in_a_hundred(desk: Desk, subject: Any) -> None:
    table = people(3000)
    asked = list(session(table))
    assert len(asked) == 60
    cells = refused = 0
    for inside, columns in asked:
        labels = bases(table, inside, columns)
        sizes = np.bincount(labels[labels >= 0])
        verdict = np.array(desk.answered([labels], subject=subject))
        cells += int((sizes > 0).sum())
        refused += int((~verdict).sum())
    assert cells > 900
    assert refused <= cells // 100
    assert desk.highest(subject) <= desk.cap


@pytest.mark.slow
def test_a_hundred_thousand_records_of_many_units(desk: Desk) -> None:
    rng = np.random.default_rng(8)
    rows = rng.integers(1, 5, 40_000).astype(np.int32)
    total = int(rows.sum())
    assert total > 90_000
    for number in range(5):
        assert all(desk.answered([rng.integers(0, 20, total), rng.integers(-1, 7, total)], rows=rows, subject=None))
        assert desk.domain.places.records == total, number
    before = desk.highest(None)
    desk.restart()
    assert desk.highest(None) == pytest.approx(before, abs=1e-12)


def test_units_with_many_records_are_judged_by_eigenvalues_not_by_their_trace(desk: Desk) -> None:
    """The trace of a unit's block is above the cap, its largest eigenvalue is not: nothing is refused."""
    rng = np.random.default_rng(9)
    rows = np.full(100, 80, np.int32)
    for _ in range(9):
        assert all(desk.answered([rng.integers(0, 25, 8_000)], rows=rows))
    system = desk.domain.systems[INCOME]
    trace = np.bincount(desk.domain.places.owner, weights=system.leverage)
    assert trace.max() > desk.cap
    assert desk.highest() < 0.7 * desk.cap
