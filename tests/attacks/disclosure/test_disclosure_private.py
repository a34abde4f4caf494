"""Differential privacy over the public API, on real processes: answered, charged, explained, and used up."""

from __future__ import annotations

from math import sqrt
from typing import Any

import pytest

from sandbox.catalogue.check import DataRefused
from tests.attacks.disclosure import people as made
from tests.attacks.disclosure.bench import Refused
from tests.attacks.disclosure.live import OWNERS, Live, LiveData
from tests.attacks.disclosure.people import People, people

pytestmark = [pytest.mark.e2e]
ERROR = sqrt(3 * 30)
"""Of a count of three owners: each has a variance of 1 / (2 * 1/60)."""


def data_of(live: Live, name: str, who: People, domain: str) -> LiveData:
    declared = made.dataset(name, "dp@1", domain=domain).model_copy(update={"rows_per_unit": 1})
    data = LiveData(live, declared, OWNERS)
    data.change(who)
    return data


def budget(live: Live, owner: str, domain: str) -> dict[str, Any]:
    answer = live.federation.ask_node(owner, {"do": "audit"})
    [found] = [item for item in answer["budgets"] if item["unit_domain"] == domain]
    return dict(found)


def count(data: LiveData, where: str) -> float:
    [row] = data.ask(f"SELECT COUNT(*) AS n FROM people WHERE {where}").rows
    return float(str(row["n"]))


@pytest.mark.timeout(900)  # sixty jobs
def test_the_budget_of_a_kind_of_individual_is_spent_once_over_all_its_datasets(live: Live) -> None:
    who = people(1200, 5)
    one, other = (data_of(live, name, who, "private") for name in ("private1", "private2"))
    ill = int(who["ill"].sum())
    assert abs(count(one, "ill") - ill) < 6 * ERROR
    assert budget(live, "A", "private")["questions_left"] == 59
    assert count(one, "ill") == count(one, "ill")  # the stored answer
    mixed = "ill OR (age = 30 AND income > 17)"  # known and secret in one condition, and no cut point
    assert abs(count(other, mixed) - ill) < 6 * ERROR + 40
    for owner in OWNERS:
        stands = budget(live, owner, "private")
        assert (stands["answered"], stands["questions_left"], stands["rho_total"]) == (2, 58, "1")
        assert 0 < stands["epsilon"] < stands["epsilon_total"] < 7.78
    for number in range(58):
        count((one, other)[number % 2], f"income > {90 * number + 50}")  # a sweep, cut points or not
    for data in (one, other):
        with pytest.raises(Refused, match="budget-exceeded"):
            count(data, "income > 99")
    assert budget(live, "A", "private")["questions_left"] == 0
    assert count(one, "ill") > 0  # what was answered stays answered


def test_a_table_names_no_cell_that_is_not_noisy_enough_to_show(live: Live) -> None:
    who = people(1200, 6)
    data = data_of(live, "private3", who, "private3")
    rows = data.ask("SELECT job, COUNT(*) AS n, AVG(income) AS m FROM people GROUP BY job").rows
    assert {row["job"]: row["n"] is None for row in rows} == {job: job in ("mill", "none") for job in made.JOBS}
    for row in rows:
        if row["n"] is not None:
            exact = int((who["job"] == row["job"]).sum())
            assert abs(float(str(row["n"])) - exact) < 6 * sqrt(2) * ERROR  # half the price for the sums
            assert row["m"] is None or abs(float(str(row["m"])) - who["income"][who["job"] == row["job"]].mean()) < 3500


def test_data_beyond_its_declaration_is_refused(live: Live) -> None:
    who = people(40, 7)
    with pytest.raises(DataRefused, match="more rows than rows_per_unit"):
        data_of(live, "private4", who.plus(who), "private4")
