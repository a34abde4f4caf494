"""What is said of a run from its plan alone, and that it is what a run then keeps to."""

from __future__ import annotations

import json
from importlib import resources

import pytest

from jobs.disclosure.profile import Profile, load_profile
from jobs.errors import OutOfScope
from jobs.kinds import registry
from jobs.kinds.registry import forecast_of, kind_of
from jobs.kinds.statistics.forecast import Forecast, budget_words, forecast
from jobs.kinds.statistics.plan.compile import compile_sql
from jobs.kinds.statistics.plan.types import Plan
from jobs.schema import CatalogueView, Dataset, Holding, NodeId, OwnerId, Role
from tests.support.orders import FLIGHTS, ROWS, SQL, plan
from tests.support.signed import OWNERS


def of(dataset: Dataset, sql: str, owners: int = 3) -> Plan:
    held = [
        Holding(
            dataset=dataset.name, owner=OwnerId(f"o{n}"), node=NodeId(f"n{n}"), provider="x", version_commitment="",
            max_rows=ROWS,
        )
        for n in range(owners)
    ]  # fmt: skip
    return compile_sql(sql, CatalogueView(datasets=(dataset,), holdings=tuple(held)))


def test_errors_and_minimum_follow_from_the_plan() -> None:
    found = forecast(plan())
    assert (found.profile, found.owners, found.cells, found.numbers) == ("standard@2", len(OWNERS), 4, 8)
    assert found.charged == {"cells": 8}
    mean, count = found.statistics
    assert count.error == "5.2"  # sqrt(3) * 3
    assert mean.error.startswith("at most about 14,700 / number of rows")  # sqrt(2) * sqrt(3) * 3 * 2000
    assert (count.shown_from, mean.shown_from) == (21, 21)  # four standard errors, above the minimum of ten
    assert count.reasons == mean.reasons == ("too-few", "asked-too-much", "owner-rule")


def test_under_differential_privacy_it_says_the_price_and_no_owners_rule() -> None:
    private = FLIGHTS.model_copy(update={"profile": "dp@1", "rows_per_unit": 1, "units_disjoint": True})
    found = forecast(of(private, "SELECT carrier, COUNT(*) AS n FROM flights GROUP BY carrier"))
    assert "rho 1/60 of 1" in found.base
    assert (set(found.reasons), found.asked) == ({"too-few"}, ())
    assert [(item.error, item.shown_from) for item in found.statistics] == [("9.49", 38)]
    assert found.base in found.text()


def test_answers_that_the_audit_counts_bound_what_they_tell() -> None:
    found = forecast(of(FLIGHTS, "SELECT carrier, COUNT(*) AS n, SUM(delay) AS s FROM flights GROUP BY carrier"))
    # presence: the count of rows; delay: how many have one (with a count of aircraft), and the sum
    assert [(item.about, item.answers) for item in found.asked] == [("flights.delay", 3), ("who is in the data", 1)]
    assert [item.alone for item in found.asked] == ["0.0769", "0.027"]  # m / (m + 36)
    assert found.cap == "0.0833"  # one aircraft may be at each of three owners
    for declared in ("units_disjoint", "records_disjoint"):
        apart = FLIGHTS.model_copy(update={declared: True})
        assert forecast(of(apart, "SELECT COUNT(*) AS n FROM flights")).cap == "0.25"


def test_groups_of_a_secret_column_are_answers_about_the_same_records() -> None:
    columns = tuple(
        c.model_copy(update={"role": Role.SENSITIVE}) if c.name == "carrier" else c for c in FLIGHTS.columns
    )
    secret = FLIGHTS.model_copy(update={"columns": columns})
    found = forecast(of(secret, "SELECT carrier, COUNT(*) AS n FROM flights GROUP BY carrier"))
    assert [(item.about, item.answers) for item in found.asked] == [("flights.carrier", 8)]


def test_what_each_part_must_hold_is_said_beside_the_count_over_all() -> None:
    spread = "SELECT COUNT(*) AS n, STDDEV(delay) AS s FROM flights"
    (count, deviation) = forecast(of(FLIGHTS, spread)).statistics
    assert count.parts.startswith("at least 10 individuals at each owner where anybody")
    assert deviation.parts.startswith("at least 11 individuals at each owner")  # degrees of freedom and the mean
    together = FLIGHTS.model_copy(update={"units_disjoint": True, "joint_minimum": True})
    (joint, _) = forecast(of(together, spread)).statistics
    assert joint.parts == "the minimum of 10 is judged on all parts together: a part may be smaller"
    (exact, _) = forecast(of(FLIGHTS.model_copy(update={"profile": "open@1"}), spread)).statistics
    assert exact.parts.startswith("at each owner nobody or at least")
    private = FLIGHTS.model_copy(update={"profile": "dp@1", "rows_per_unit": 1, "units_disjoint": True})
    assert [item.parts for item in forecast(of(private, "SELECT COUNT(*) AS n FROM flights")).statistics] == [""]


def test_spreads_may_be_withheld_for_their_own_error() -> None:
    found = forecast(of(FLIGHTS, "SELECT COUNT(*) AS n, STDDEV(delay) AS s FROM flights"))
    assert [item.reasons[-1] for item in found.statistics] == ["owner-rule", "within-noise"]


def test_open_data_has_no_error_and_no_audit() -> None:
    found = forecast(of(FLIGHTS.model_copy(update={"profile": "open@1"}), "SELECT COUNT(*) AS n FROM flights"))
    assert (found.statistics[0].error, found.statistics[0].shown_from) == ("none", load_profile("open@1").min_group)
    assert (found.asked, list(found.reasons)) == ((), ["too-few", "owner-rule"])


def test_the_text_says_that_no_data_was_looked_at() -> None:
    found = forecast_of(kind_of("statistics"), plan(SQL))
    assert isinstance(found, Forecast)
    assert found.text().endswith("no owner's data was looked at.")
    assert "standard error 5.2; shown from a count of 21 over all owners" in found.text()
    assert "and: at least 10 individuals at each owner" in found.text()
    assert Forecast.model_validate(found.model_dump(mode="json")) == found


def test_a_kind_without_a_forecast_says_so() -> None:
    toy = registry.add("tests.contracts.toy_kind")
    with pytest.raises(OutOfScope, match="has no dry run"):
        forecast_of(toy, None)


def test_a_privacy_budget_is_told_as_price_and_whole() -> None:
    file = resources.files("jobs.disclosure") / "profiles" / "dp-1.json"
    privacy = Profile.model_validate(json.loads(file.read_text())).privacy
    assert privacy is not None
    assert budget_words(privacy).startswith(
        "rho 1/60 of 1 for each kind of individual, at every owner, so 60 questions"
    )
    assert forecast(plan()).budget == ""
