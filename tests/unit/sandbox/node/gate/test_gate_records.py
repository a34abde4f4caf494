"""What a record is known by: its unit and its print, in whatever order and beside whatever rows it stands."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.node.gate.places import Places
from tests.support.audited import INCOME, Desk, hashes

Versions = list[list[list[int]]]


def after(places: Places, *units: list[int]) -> tuple[Places, list[int]]:
    """The places once these units' rows were asked about, and where each row is. A row is its print."""
    rows = np.array([len(prints) for prints in units], np.int32)
    prints = np.array([one for prints in units for one in prints], np.uint64)
    growth, where = places.growth(hashes(len(units)), rows, prints)
    return places.grown(growth), where.tolist()


@pytest.mark.parametrize(
    ("version", "places"),
    [
        ([7, 8, 9], [0, 1, 2]),
        ([5, 7, 8, 9], [3, 0, 1, 2]),  # a row before the others
        ([8, 9], [1, 2]),  # the first one is gone
        ([9, 7, 8], [2, 0, 1]),
        ([7, 7, 8], [0, 3, 1]),  # an equal of the first: which of the two it is tells nothing
        ([], []),
    ],
)
def test_a_record_is_the_same_in_any_order_and_beside_any_rows(version: list[int], places: list[int]) -> None:
    known, _ = after(Places(), [7, 8, 9])
    assert after(known, version)[1] == places


def test_where_no_print_is_known_records_are_matched_by_their_order_and_have_two_names() -> None:
    """A column has become known, or the rows of a unit have all changed: no answer about them is forgotten."""
    known, _ = after(Places(), [7, 8, 9], [7])
    renamed, where = after(known, [17, 18], [17, 18])
    assert where == [0, 1, 3, 4]
    assert after(renamed, [9, 8], [18, 17])[1] == [2, 1, 4, 3]
    assert after(renamed, [9, 8], [18, 17])[0] is renamed


def test_two_names_of_one_record_in_one_version_are_two_records_ever_after() -> None:
    known, _ = after(Places(), [7])
    known, where = after(known, [17])
    assert where == [0]
    known, where = after(known, [7, 17])
    assert sorted(where) == [0, 1]
    again, turned = after(known, [17, 7])
    assert again is known
    assert turned == where[::-1]


def test_units_that_share_a_print_share_no_record() -> None:
    known, where = after(Places(), *[[1, 1]] * 500)
    assert where == list(range(1000))
    assert after(known, *[[1, 1]] * 500) == (known, where)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(st.lists(st.integers(0, 5), max_size=5), min_size=3, max_size=3), min_size=1, max_size=5))
def test_records_of_a_version_are_its_own_and_their_units(versions: Versions) -> None:
    places = Places()
    for version in versions:
        places, where = after(places, *version)
        hashed = places.find(hashes(3))
        assert len(set(where)) == len(where)
        owners = [hashed[unit] for unit, prints in enumerate(version) for _ in prints]
        assert places.owner[where].tolist() == owners
        assert np.bincount(places.owner, minlength=places.units).tolist() == places.counts.tolist()
        assert after(places, *version) == (places, where)


def with_a_target(version: int, print_: int) -> dict[str, Any]:
    """Forty people of one row; the first has so many rows before the one that all pairs are about."""
    rows = np.ones(40, np.int32)
    rows[0] += version
    prints = np.concatenate([100 + np.arange(version), [print_], 200 + np.arange(39)])
    return {"rows": rows, "prints": prints}


@pytest.mark.parametrize("printed", [True, False])
def test_rows_before_an_old_one_do_not_let_it_be_asked_about_anew(desk: Desk, printed: bool) -> None:
    """With prints a question of every version is one more about the same record; by order each is about another one."""
    for version in range(6):
        more = with_a_target(version, 7)
        labels = np.full(40 + version, -1)
        labels[version:] = 0
        if not printed:
            more["prints"] = more["prints"] * 0
        desk.answered([labels], **more)
    leverages = desk.domain.systems[INCOME].leverage
    other = leverages[1]  # of somebody with one row in all versions
    assert (leverages[0] == pytest.approx(other)) == printed
    assert leverages[0] > 0.9 * other or not printed


def test_what_records_are_called_outlives_a_restart(desk: Desk) -> None:
    desk.answered([np.zeros(40)], prints=np.arange(40))
    desk.answered([np.zeros(40)], prints=np.arange(40) + 100)  # a column has become known
    before = desk.domain.places
    assert (before.records, len(before.names)) == (40, 80)
    desk.restart()
    after_ = desk.domain.places
    np.testing.assert_array_equal(after_.names, before.names)
    np.testing.assert_array_equal(after_.named, before.named)
    desk.answered([np.zeros(40)], prints=np.arange(40))
    assert desk.domain.places.records == 40
