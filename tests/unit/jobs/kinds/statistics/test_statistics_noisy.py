"""A part with its noise, from real scans: every kind of individual is counted noisily where a secret selects it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.disclosure.noise import BOUND, noise
from jobs.disclosure.profile import load_profile
from jobs.kinds.statistics.asking import bases_of, evidence_of, questions_of, refused_by
from jobs.kinds.statistics.evidence import LocalResult
from jobs.kinds.statistics.noisy import NoisyPart, add_noise
from jobs.kinds.statistics.plan.cell import cell_questions
from jobs.kinds.statistics.plan.compile import compile_sql
from jobs.kinds.statistics.plan.types import Plan
from jobs.kinds.statistics.run import run_local
from jobs.schema import CatalogueView, Dataset, Holding
from tests.support.gates import OpenGate
from tests.support.statistic import OwnGate

COLUMNS: list[dict[str, Any]] = [
    {"name": "person", "type": "string", "role": "unit", "unit_domain": "people", "nullable": False},
    {"name": "doctor", "type": "string", "role": "unit", "unit_domain": "doctors", "nullable": False},
    {"name": "town", "type": "string", "role": "known", "domain": ["a", "b"], "nullable": False},
    {"name": "ill", "type": "bool", "role": "sensitive", "nullable": False},
    {"name": "cost", "type": "int", "role": "measure", "bounds": {"low": "-5", "high": "200"}, "nullable": True},
]
ROWS = [
    {"person": f"p{n % 90}", "doctor": f"d{n % 30}", "town": "ab"[n % 90 % 2], "ill": n % 3 == 0,
     "cost": None if n % 5 == 0 else n % 60}
    for n in range(180)
]  # fmt: skip
TABLE = pa.Table.from_pylist(ROWS)


def plan_of(sql: str, profile: str = "standard@2", holders: int = 1) -> Plan:
    data = Dataset.model_validate(
        {"name": "visits", "unit": "person", "legal_basis": "law", "profile": profile, "columns": COLUMNS}
    )
    held = tuple(
        Holding(dataset="visits", owner=f"o{n}", node=f"n{n}", provider="p", version_commitment="x", max_rows=1000)
        for n in range(holders)
    )
    return compile_sql(sql, CatalogueView(datasets=(data,), holdings=held))


def scanned(plan: Plan, **parameters: Any) -> LocalResult:
    return run_local(plan, parameters, {"visits": lambda names: TABLE.select(list(names)).to_reader()})


def noisy(plan: Plan, gate: OpenGate | None = None, **parameters: Any) -> tuple[LocalResult, NoisyPart]:
    result = scanned(plan, **parameters)
    return result, add_noise(plan, parameters, load_profile(plan.profile), gate or OwnGate("n0"), result)


ILL = "SELECT town, COUNT(*) FILTER (WHERE ill) AS n FROM visits GROUP BY town"


def test_an_exact_profile_adds_nothing_and_needs_no_seed() -> None:
    gate = OwnGate("n0")
    result, part = noisy(plan_of(ILL, "open@1"), gate)
    assert (part.values, part.ids, part.contributors, part.counted) == (result.values, (), {}, frozenset())
    assert gate.asked == []


def test_the_noise_is_that_of_the_question_in_the_size_that_the_plan_says() -> None:
    plan = plan_of("SELECT town, COUNT(*) AS n, SUM(cost) AS s, VAR_POP(cost) AS v FROM visits GROUP BY town")
    result, part = noisy(plan)
    assert {channel.kind: channel.noise for channel in plan.channels} == {"rows": 3, "sum": 600, "sumsq": 120_000}
    questions = cell_questions(plan, {})
    for number, channel in enumerate(plan.channels):
        seeds = OpenGate("n0").seeds(questions[number])
        expected = [x + noise(seed, int(channel.noise)) for x, seed in zip(result.values[number], seeds, strict=True)]
        assert part.values[number] == expected


@settings(max_examples=30, deadline=None)
@given(st.text(max_size=8), st.text(max_size=8))
def test_another_node_or_key_has_other_noise_and_other_ids(one: str, other: str) -> None:
    plan, result = plan_of(ILL), scanned(plan_of(ILL))
    parts = [add_noise(plan, {}, load_profile(plan.profile), OpenGate(name), result) for name in (one, other)]
    assert (parts[0].ids == parts[1].ids) is (one == other)


def test_an_id_is_the_same_for_the_same_number_in_every_job_and_in_no_other_cell_or_channel() -> None:
    """The audit counts what was answered before by its id alone: a second one for one number would be charged again,
    one for two numbers would be an answer that nobody counted."""
    sql = "SELECT town, COUNT(*) AS n, SUM(cost) AS s FROM visits WHERE ill = :ill GROUP BY town"
    _, first = noisy(plan_of(sql), ill=True)
    _, again = noisy(plan_of(sql), ill=True)
    _, other = noisy(plan_of(sql), ill=False)
    assert first.ids == again.ids
    flat = [item for part in (first, other) for row in part.ids for item in row]
    assert len(set(flat)) == len(flat)
    _, alone = noisy(plan_of("SELECT COUNT(*) AS n FROM visits WHERE ill AND town = 'b'"))
    assert alone.ids[0][0] == first.ids[0][1]
    assert alone.values[0][0] == first.values[0][1]


def test_an_id_tells_nobody_the_seed() -> None:
    plan = plan_of(ILL)
    _, part = noisy(plan)
    seeds = OpenGate("n0").seeds(cell_questions(plan, {})[0])
    assert all(item not in seed for item, seed in zip(part.ids[0], seeds, strict=True))


def test_each_kind_of_individual_is_counted_on_its_own() -> None:
    """Two records of each person, six of each doctor: the channel counts records, so both counts are further answers."""
    plan = plan_of(ILL)
    assert [unit.column.name for unit in plan.unit_columns] == ["person", "doctor"]
    result, part = noisy(plan)
    assert set(part.contributors) == part.counted == {(0, 0), (1, 0)}
    ill = [row for row in ROWS if row["ill"]]
    for place, name in enumerate(("person", "doctor")):
        exact = [len({row[name] for row in ill if row["town"] == town}) for town in "ab"]
        off = part.contributors[place, 0] - np.array(exact)
        assert (abs(off) <= BOUND * 3).all()
    assert part.contributors[0, 0].tolist() != part.contributors[1, 0].tolist()
    [people, doctors] = questions_of(
        plan, load_profile(plan.profile), result, part, bases_of(plan, load_profile(plan.profile), result)
    )
    assert (people.unit_domain, doctors.unit_domain) == ("people", "doctors")
    assert [inquiry.answers for question in (people, doctors) for inquiry in question.inquiries] == [2, 2]


def test_distinct_people_are_told_by_their_channel_and_doctors_are_not() -> None:
    plan = plan_of("SELECT COUNT(DISTINCT person) FILTER (WHERE ill) AS n FROM visits")
    _, part = noisy(plan)
    assert part.counted == {(1, 0)}
    assert part.contributors[0, 0].tolist() == part.values[0]


def test_a_column_that_may_be_empty_decides_who_contributes() -> None:
    _, part = noisy(plan_of("SELECT AVG(cost) AS m FROM visits"))
    assert set(part.contributors) == {(0, 0), (1, 0)}
    _, part = noisy(plan_of("SELECT town, COUNT(*) AS n FROM visits GROUP BY town"))
    assert dict(part.contributors) == {}


# --- what is asked and judged ---------------------------------------------------------------------------------------


def judged(sql: str, **parameters: Any) -> tuple[Plan, Any, Any]:
    plan = plan_of(sql)
    profile = load_profile(plan.profile)
    result, part = noisy(plan, None, **parameters)
    bases = bases_of(plan, profile, result)
    return plan, questions_of(plan, profile, result, part, bases), evidence_of(plan, result, part, bases)


def test_a_known_filter_is_a_base_of_its_own_and_a_secret_one_is_not() -> None:
    plan, [people, _], evidence = judged(
        "SELECT COUNT(*) AS n, COUNT(*) FILTER (WHERE town = 'a') AS a, COUNT(*) FILTER (WHERE ill) AS i FROM visits"
    )
    assert len(people.records.labels) == 2  # everybody, and those of town a
    found = {}
    for aggregate, entries in zip(plan.aggregates, evidence, strict=True):
        name = "all" if aggregate.filter is None else "ill" if plan.secrets_of(aggregate.filter) else "town"
        inquiry = people.inquiries[aggregate.channels[0]]
        found[name] = (inquiry.partition, entries[0].base.tolist())
        assert entries[0].chosen is (name == "ill")
    assert found["all"] == found["ill"] == (found["all"][0], [90])
    assert found["town"] == (1 - found["all"][0], [45])


def test_groups_by_a_secret_column_share_their_base() -> None:
    plan, [people, doctors], evidence = judged("SELECT town, ill, COUNT(*) AS n FROM visits GROUP BY town, ill")
    assert plan.cells == 4
    assert people.inquiries[0].bases.tolist() == [0, 0, 1, 1]
    assert people.inquiries[0].subject == ("visits", "ill")
    assert evidence[0][0].base.tolist() == [45] * 4
    assert evidence[0][1].base.tolist() == [15] * 4
    assert doctors.inquiries[0].bases.tolist() == [0, 0, 1, 1]


def test_a_base_that_is_too_small_for_one_kind_of_individual_asks_nothing_about_that_kind() -> None:
    """15 people and 5 doctors have a record in this corner."""
    rows = [row for row in ROWS if row["person"] in {f"p{n}" for n in range(0, 90, 6)}]
    table = pa.Table.from_pylist(rows)
    plan, profile = plan_of("SELECT COUNT(*) AS n FROM visits"), load_profile("standard@2")
    result = run_local(plan, {}, {"visits": lambda names: table.select(list(names)).to_reader()})
    part = add_noise(plan, {}, profile, OwnGate("n0"), result)
    bases = bases_of(plan, profile, result)
    [people, doctors] = questions_of(plan, profile, result, part, bases)
    assert people.inquiries[0].bases.tolist() == [0]
    assert doctors.inquiries[0].bases.tolist() == [-1]
    [[of_people, of_doctors]] = evidence_of(plan, result, part, bases)
    assert (of_people.base.tolist(), of_doctors.base.tolist()) == ([15], [5])


@pytest.mark.parametrize("kind", [0, 1], ids=["people", "doctors"])
def test_what_is_refused_about_either_kind_closes_every_aggregate_that_needs_the_channel(kind: int) -> None:
    plan, questions, _ = judged(
        "SELECT town, COUNT(cost) AS n, SUM(cost) AS s, COUNT(*) AS r FROM visits GROUP BY town"
    )
    verdict = [[np.ones(2, np.bool_) for _ in question.inquiries] for question in questions]
    assert not refused_by(plan, verdict).any()
    place = next(n for n, channel in enumerate(plan.channels) if channel.kind == "sum")  # one inquiry per channel
    verdict[kind][place] = np.array([False, True])
    refused = {a.function: row.tolist() for a, row in zip(plan.aggregates, refused_by(plan, verdict), strict=True)}
    assert refused == {"count": [False, False], "sum": [True, False], "count_rows": [False, False]}
