"""Plans under differential privacy: the noise follows from a fixed price, and what no price covers is refused."""

from __future__ import annotations

from fractions import Fraction
from math import sqrt
from typing import Any

import pytest

from jobs.disclosure.profile import load_profile
from jobs.disclosure.zcdp import bound
from jobs.kinds.statistics.plan.check import check_plan
from jobs.kinds.statistics.plan.compile import compile_sql
from jobs.kinds.statistics.plan.errors import InvalidPlan, MissingDeclaration, NotSeparable, TooLarge, UnsupportedSql
from jobs.kinds.statistics.plan.guards import guard_words
from jobs.kinds.statistics.plan.private import events_of, spends
from jobs.kinds.statistics.plan.types import Channel, Plan
from jobs.schema import CatalogueView, Dataset, Holding

PRIVACY = load_profile("dp@1").privacy or pytest.fail("dp@1 has no budget")
NODES = ("node-a", "node-b", "node-c")
MIXED = "SELECT COUNT(*) AS n FROM visits WHERE ward = 'a' OR ill"


def visits(**changed: Any) -> Dataset:
    columns = [
        {"name": "person", "type": "string", "role": "unit", "unit_domain": "people", "nullable": False},
        {"name": "ward", "type": "string", "role": "known", "domain": ["a", "b"], "nullable": False},
        {"name": "ill", "type": "bool", "role": "sensitive", "nullable": False},
        {"name": "cost", "type": "int", "role": "measure", "bounds": {"low": "-5", "high": "200"}, "nullable": False},
        {"name": "doctor", "type": "string", "role": "identifier", "nullable": False},
    ]
    plain = {"name": "visits", "columns": columns, "unit": "person", "legal_basis": "law", "profile": "dp@1"}
    return Dataset.model_validate(plain | {"rows_per_unit": 4, "units_disjoint": True} | changed)


def keyed(name: str, unit: str, domain: str) -> Dataset:
    """A table with one row for each of its units."""
    columns = [
        {"name": unit, "type": "string", "role": "unit", "unit_domain": domain, "nullable": False},
        {"name": "grade", "type": "int", "role": "known", "domain": [1, 2], "nullable": False},
    ]
    plain = {"name": name, "columns": columns, "unit": unit, "legal_basis": "law", "profile": "dp@1"}
    return Dataset.model_validate(plain | {"rows_per_unit": 1, "unique_keys": [[unit]]})


PEOPLE, DOCTORS = keyed("people", "person", "people"), keyed("doctors", "doctor", "doctors")


def plan_of(sql: str, *datasets: Dataset, nodes: tuple[str, ...] = NODES) -> Plan:
    held = tuple(
        Holding(dataset=d.name, owner=n, node=n, provider=n, version_commitment="v", max_rows=1000)
        for n in nodes
        for d in datasets
    )
    return compile_sql(sql, CatalogueView(datasets=datasets, holdings=held))


def test_a_count_of_one_row_each_errs_as_the_price_says() -> None:
    """sd 9.5 for three owners, of a sixtieth of rho = 1."""
    [channel] = plan_of("SELECT COUNT(*) AS n FROM visits", visits(rows_per_unit=1)).channels
    assert sqrt(3) * float(channel.noise) == pytest.approx(sqrt(90), rel=1e-9)


@pytest.mark.parametrize(
    ("outputs", "sensitivities"),
    [
        ("COUNT(*) AS n", [4]),
        ("COUNT(DISTINCT person) AS n", [4]),
        ("SUM(cost) AS s", [4, 800]),
        ("VAR_SAMP(cost) AS v, COUNT(*) AS n", [4, 800, 160_000]),
        ("AVG(cost) AS m, COUNT(*) FILTER (WHERE ill) AS n", [4, 800, 4]),
    ],
)
def test_a_question_costs_its_price_however_many_numbers_it_asks_for(outputs: str, sensitivities: list[int]) -> None:
    plan = plan_of(f"SELECT ward, {outputs} FROM visits GROUP BY ward", visits())
    assert sorted(channel.sensitivity for channel in plan.channels) == sorted(sensitivities)
    [spend] = spends(plan)
    assert (spend.unit_domain, spend.parts) == ("people", 1)
    assert PRIVACY.rho_per_question * (1 - Fraction(1, 10**9)) < spend.rho <= PRIVACY.rho_per_question
    assert spend.truncation == PRIVACY.truncation


def test_owners_that_may_hold_the_same_individual_share_the_price() -> None:
    sql = "SELECT COUNT(*) AS n FROM visits"
    alone, [shared] = plan_of(sql, visits()), spends(plan := plan_of(sql, visits(units_disjoint=False)))
    assert shared.parts == 3
    assert shared.rho <= PRIVACY.rho_per_question
    assert float(plan.channels[0].noise) == pytest.approx(sqrt(3) * float(alone.channels[0].noise), rel=1e-9)


def test_the_range_holds_all_values_with_all_noise() -> None:
    plan = plan_of("SELECT ward, SUM(cost) AS s FROM visits GROUP BY ward", visits())
    for channel, event, (low, high) in zip(plan.channels, events_of(plan), [(0, 1), (-5, 200)], strict=True):
        most = 3 * bound(event.sigma, plan.cells, event.truncation)
        assert (channel.low, channel.high) == (4096 * low - most, 4096 * high + most)


def test_any_condition_is_possible() -> None:
    for sql in (
        MIXED,
        "SELECT COUNT(*) AS n FROM visits WHERE cost >= 17",
        "SELECT COUNT(*) AS n FROM visits WHERE ill",
    ):
        check_plan(plan := plan_of(sql, visits()), [visits()])
        assert spends(plan)
    with pytest.raises(NotSeparable):
        plan_of(MIXED, visits(profile="standard@2"))


def test_without_a_bound_on_rows_nothing_is_planned() -> None:
    with pytest.raises(MissingDeclaration, match="visits needs rows_per_unit under dp@1"):
        plan_of("SELECT COUNT(*) AS n FROM visits", visits(rows_per_unit=None))


def test_noise_that_owners_would_share_is_refused() -> None:
    with pytest.raises(UnsupportedSql, match="colluding_owners"):
        plan_of("SELECT COUNT(*) AS n FROM visits", visits(colluding_owners=1))


def test_a_statement_is_about_one_kind_of_individual() -> None:
    joined = "SELECT grade, COUNT(*) AS n FROM visits JOIN {} USING ({}) GROUP BY grade"
    [spend] = spends(plan_of(joined.format("people", "person"), visits(), PEOPLE))
    assert [event.sensitivity for event in spend.events] == [4]  # many to one: no row is multiplied
    with pytest.raises(UnsupportedSql, match="one unit column, and this one has 2: person, doctor"):
        plan_of(joined.format("doctors", "doctor"), visits(), DOCTORS)


def test_noise_wider_than_the_ring_names_what_to_declare() -> None:
    columns = [
        c.model_copy(update={"bounds": c.bounds.model_copy(update={"high": "2000000000"})}) if c.bounds else c
        for c in visits().columns
    ]
    with pytest.raises(TooLarge, match="narrower bounds"):
        plan_of("SELECT VAR_SAMP(cost) AS v FROM visits", visits().model_copy(update={"columns": tuple(columns)}))


@pytest.mark.parametrize("field", ["noise", "sensitivity"])
def test_a_node_takes_no_plan_with_less_noise(field: str) -> None:
    plan = plan_of("SELECT COUNT(*) AS n FROM visits", visits())
    bent = tuple(Channel.model_validate(c.model_dump() | {field: 1}) for c in plan.channels)
    with pytest.raises(InvalidPlan, match="differs"):
        check_plan(plan.model_copy(update={"channels": bent}), [visits()])


def test_a_plan_survives_its_bytes() -> None:
    plan = plan_of("SELECT AVG(cost) AS m FROM visits", visits())
    assert Plan.model_validate_json(plan.model_dump_json()) == plan


def test_the_words_say_price_and_promise() -> None:
    said = "\n".join(guard_words(plan_of("SELECT COUNT(*) AS n FROM visits", visits(rows_per_unit=1))))
    for part in ("rho 1/60 of 1", "60 such questions, epsilon 7.77", "delta 1e-06", "no rule looks at data", "9.49"):
        assert part in said
    assert "audit" not in said
