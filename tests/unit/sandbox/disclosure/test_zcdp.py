"""The accountant of differential privacy: exact costs, published conversions, and bounds that hold."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from importlib import resources
from typing import Any

import opendp.prelude as dp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from jobs.disclosure.profile import Privacy, Profile, load_profile
from jobs.disclosure.zcdp import (
    Event,
    Spend,
    bound,
    delta_at,
    epsilon,
    question_events,
    rho_of,
    sigma_for,
    truncation_of,
)
from jobs.documents import canonical, parse_canonical
from jobs.errors import InvalidRequest

RARE = Fraction(1, 10**18)
MILLIONTH = Fraction(1, 10**6)
SHIPPED: dict[str, Any] = json.loads((resources.files("jobs.disclosure") / "profiles" / "dp-1.json").read_text())

dp.enable_features("contrib")


def opendp_rho(event: Event) -> float:
    """What OpenDP's own privacy map says of one vector."""
    space = dp.vector_domain(dp.atom_domain(T="i64")), dp.l2_distance(T="f64")
    cost: float = dp.m.make_gaussian(*space, scale=float(event.sigma)).map(float(event.sensitivity))
    return cost


def opendp_epsilon(rho: Fraction, delta: float) -> float:
    scale = math.sqrt(1 / (2 * rho))
    measurement = dp.m.make_gaussian(dp.atom_domain(T="f64", nan=False), dp.absolute_distance(T="f64"), scale=scale)
    found: float = dp.c.make_zCDP_to_approxDP(measurement).map(1.0).epsilon(delta)
    return found


def pmf(sigma: float) -> dict[int, float]:
    """The discrete Gaussian as its definition states it, out to 12 sigma."""
    reach = math.ceil(12 * sigma)
    weights = {x: math.exp(-(x * x) / (2 * sigma * sigma)) for x in range(-reach, reach + 1)}
    total = math.fsum(weights.values())
    return {x: weight / total for x, weight in weights.items()}


@given(st.fractions(Fraction(1, 10**6), 100), st.integers(1, 10**15))
def test_the_scale_costs_at_most_the_share_and_hardly_less(rho: Fraction, sensitivity: int) -> None:
    if rho == 0:
        return
    sigma = sigma_for(rho, sensitivity)
    cost = Event(sensitivity=sensitivity, sigma=sigma, truncation=RARE).rho
    assert rho * (1 - Fraction(1, 10**9)) < cost <= rho
    assert Fraction(float(sigma)) == sigma


@given(
    st.lists(st.integers(1, 10**12), min_size=1, max_size=8),
    st.fractions(Fraction(1, 1000), 1),
)
def test_a_question_costs_its_price_whatever_its_channels(sensitivities: list[int], rho: Fraction) -> None:
    events = question_events(rho, sensitivities, RARE)
    assert [event.sensitivity for event in events] == sensitivities
    assert rho * (1 - Fraction(1, 10**9)) < rho_of(events) <= rho
    assert truncation_of(events) == RARE


def test_the_cost_is_what_opendp_counts() -> None:
    for sensitivity in (1, 7, 3_000_000):
        (event,) = question_events(Fraction(1, 60), [sensitivity], RARE)
        assert float(event.rho) == pytest.approx(opendp_rho(event), rel=1e-12)


def test_costs_add_up_exactly_and_a_repeated_event_counts_as_often() -> None:
    event = Event(sensitivity=3, sigma=Fraction(9, 2), truncation=RARE)
    assert event.rho == Fraction(9, 2) / Fraction(81, 4)
    often = event.model_copy(update={"count": 30})
    assert rho_of([event] * 30) == rho_of([often]) == 30 * event.rho
    assert truncation_of([event] * 30) == truncation_of([often]) == 30 * RARE
    assert rho_of([]) == truncation_of([]) == 0


def test_the_figures_of_the_issue() -> None:
    """Sixty tables within rho = 1: three owners together err by 9.5, against 5.2 of the keyed noise."""
    (event,) = question_events(Fraction(1, 60), [1], RARE)
    assert float(event.sigma) * math.sqrt(3) == pytest.approx(9.5, abs=0.02)
    assert 3 * math.sqrt(3) == pytest.approx(5.2, abs=0.01)
    assert rho_of([event] * 60) <= 1 < rho_of([event] * 61)


@pytest.mark.parametrize(
    ("least", "most", "published"),
    [("2.555", "2.565", 17.14), ("0.065", "0.075", 2.47)],
    ids=["persons", "housing units"],
)
def test_the_budget_of_the_united_states_census_of_2020(least: str, most: str, published: float) -> None:
    """Redistricting data: epsilon 17.14 and 2.47 at delta 1e-10 for rho 2.56 and 0.07, printed to two digits."""
    delta = Fraction(1, 10**10)
    assert epsilon(Fraction(least), delta) <= published <= epsilon(Fraction(most), delta)


@pytest.mark.parametrize("rho", [Fraction(1, 10**6), Fraction(1, 60), Fraction(1), Fraction(20)])
@pytest.mark.parametrize("delta", [1e-4, 1e-6, 1e-10])
def test_the_conversion_is_opendps_and_never_above_the_closed_form(rho: Fraction, delta: float) -> None:
    ours = epsilon(rho, Fraction(delta))
    closed = float(rho) + 2 * math.sqrt(rho * math.log(1 / delta))  # Bun and Steinke, proposition 1.3
    assert ours == pytest.approx(opendp_epsilon(rho, delta), rel=1e-6)
    assert ours < closed


@pytest.mark.parametrize("sigma", [1.0, 5.5, 20.0])
@pytest.mark.parametrize("at", [0.1, 1.0, 3.0])
def test_delta_is_above_the_exact_one_of_a_discrete_gaussian(sigma: float, at: float) -> None:
    """The hockey-stick divergence summed over the integers: what zCDP promises must cover it."""
    loss = {x: (1 - 2 * x) / (2 * sigma * sigma) for x in pmf(sigma)}  # of x against noise around 1
    exact = math.fsum(p * max(0.0, 1 - math.exp(at - loss[x])) for x, p in pmf(sigma).items())
    assert exact <= delta_at(1 / (2 * sigma * sigma), at)


def test_truncation_is_paid_for_in_delta() -> None:
    plain = epsilon(Fraction(1), MILLIONTH)
    truncation = Fraction(1, 10**10)
    cut = epsilon(Fraction(1), MILLIONTH, truncation)
    assert plain < cut
    assert delta_at(1.0, cut) + (1 + math.exp(cut)) * truncation <= MILLIONTH
    with pytest.raises(InvalidRequest, match="smaller truncation"):
        epsilon(Fraction(1), MILLIONTH, Fraction(1, 10**7))
    with pytest.raises(InvalidRequest, match="smaller truncation"):
        epsilon(Fraction(10**4), MILLIONTH, RARE)


@pytest.mark.parametrize("sigma", [Fraction(1, 2), Fraction(1), Fraction(11, 2), Fraction(37)])
@pytest.mark.parametrize("truncation", [Fraction(1, 2), Fraction(1, 1000), Fraction(1, 10**9)])
@pytest.mark.parametrize("cells", [1, 50])
def test_noise_beyond_the_bound_is_as_rare_as_stated(sigma: Fraction, truncation: Fraction, cells: int) -> None:
    most = bound(sigma, cells, truncation)
    beyond = math.fsum(p for x, p in pmf(float(sigma)).items() if abs(x) > most)
    assert cells * beyond <= truncation
    if sigma > 5 and truncation < Fraction(1, 10):
        assert cells * math.fsum(p for x, p in pmf(float(sigma)).items() if abs(x) > most * 0.7) > truncation


def test_a_bound_that_holds_with_no_probability_is_refused() -> None:
    for cells, truncation in ((0, RARE), (1, Fraction(0)), (1, Fraction(1))):
        with pytest.raises(InvalidRequest, match="at least one cell"):
            bound(Fraction(5), cells, truncation)


def test_noise_wider_than_the_ring_is_refused_and_says_what_to_declare() -> None:
    assert bound(Fraction(10**17), 1000, RARE) < 1 << 62
    with pytest.raises(InvalidRequest, match="narrower bounds"):
        bound(Fraction(10**18), 1000, RARE)


def test_a_share_or_a_sensitivity_of_nothing_is_refused() -> None:
    for rho, sensitivity in ((Fraction(0), 1), (Fraction(-1), 1), (Fraction(1), 0)):
        with pytest.raises(InvalidRequest, match="positive share"):
            sigma_for(rho, sensitivity)
    with pytest.raises(InvalidRequest, match="ask for an aggregate"):
        question_events(Fraction(1), [], RARE)


def test_an_event_is_one_document_and_reads_back_the_same() -> None:
    for event in question_events(Fraction(1, 60), [1, 3_000, 9_000_000], RARE):
        data = canonical(event.model_dump(mode="json"))
        assert Event.model_validate(parse_canonical(data)) == event


@pytest.mark.parametrize("sigma", ["2/4", "0", "-1", "1.5", "+3", "3/0", "03", 5.5, 3, True, None, ""])
def test_an_event_with_another_spelling_of_its_scale_is_refused(sigma: Any) -> None:
    with pytest.raises(ValidationError):
        Event.model_validate({"mechanism": "discrete-gaussian", "sensitivity": 1, "sigma": sigma, "truncation": "1/9"})


def test_the_shipped_profile_states_its_budget() -> None:
    profile = Profile.model_validate(SHIPPED)
    assert profile.id == "dp@1"
    assert not profile.exact
    assert profile.privacy is not None
    assert profile.privacy.questions == 60
    assert profile.privacy.epsilon == pytest.approx(7.766, abs=0.001)
    assert Profile.model_validate(profile.model_dump(mode="json")).digest == profile.digest


@pytest.mark.parametrize("rule", ["noise_ratio", "leverage_cap_percent", "dominance_k_percent", "p_percent"])
def test_under_differential_privacy_no_rule_reads_data(rule: str) -> None:
    with pytest.raises(ValidationError, match="set the others to 0"):
        Profile.model_validate(SHIPPED | {rule: 3})


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("rho_per_question", "2", "costs at most the budget"),
        ("delta", "1/10", "below 1/1000"),
        ("truncation", "1/1000000000", "millionth of delta"),
        ("truncation", "1/1000000000000000000000", "the finest"),
    ],
)
def test_a_budget_that_contradicts_itself_is_refused(field: str, value: str, says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Profile.model_validate(SHIPPED | {"privacy": SHIPPED["privacy"] | {field: value}})


def test_the_price_of_several_holders_is_booked_whole_by_each() -> None:
    """Each draws noise for its share, so that all shares together cost one individual the price."""
    privacy = Privacy.model_validate(SHIPPED["privacy"])
    events = question_events(privacy.rho_per_question / 3, [1, 100], privacy.truncation)
    spend = Spend(unit_domain="people", parts=3, events=events)
    assert privacy.rho_per_question * (1 - Fraction(1, 10**9)) < spend.rho <= privacy.rho_per_question
    assert spend.truncation == 3 * privacy.truncation
    assert Spend.model_validate(parse_canonical(canonical(spend.model_dump(mode="json")))) == spend


@pytest.mark.parametrize("name", ["standard@2", "open@1", "dp@1"])
def test_what_is_shipped_is_listed_and_loads(name: str) -> None:
    assert load_profile(name).id == name
    with pytest.raises(InvalidRequest, match=name):
        load_profile("other@1")


def test_each_profile_has_one_way_to_protect() -> None:
    found = {name: load_profile(name) for name in ("standard@2", "open@1", "dp@1")}
    assert {name for name, profile in found.items() if profile.judged} == {"standard@2"}
    assert {name for name, profile in found.items() if profile.exact} == {"open@1"}
    assert {name for name, profile in found.items() if profile.privacy is not None} == {"dp@1"}
