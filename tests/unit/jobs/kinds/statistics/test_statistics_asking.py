"""What a party asks its gate, and how it judges itself, from real records: told by known columns and noisy counts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.disclosure.gate import Inquiry, Question, Records
from jobs.kinds.base import Ask, Case
from jobs.kinds.statistics.asking import _units_of
from jobs.kinds.statistics.evidence import LocalResult
from jobs.kinds.statistics.messages import decode_open
from jobs.kinds.statistics.noisy import ID_BYTES, add_noise
from jobs.schema import Role
from tests.support.statistic import (
    NODES,
    OwnGate,
    Person,
    Walk,
    case_of,
    dataset,
    noise_of,
    part_of,
    plan_of,
)

NODE = NODES[0]
DATA = dataset("100")
ILL = "SELECT kind, COUNT(*) FILTER (WHERE ill) AS n FROM data GROUP BY kind"


def one(sql: str, data: Any = DATA, nodes: tuple[str, ...] = (NODE,)) -> Case:
    return case_of(plan_of(sql, data, nodes), nodes)


def people(*sizes: int, chosen: tuple[int, ...] | None = None) -> list[Person]:
    """So many in each base, one record each; of whom the first so many count in the cell of that number."""
    found: list[Person] = []
    for base, size in enumerate(sizes):
        inside = size if chosen is None else chosen[base]
        found += [Person(len(found) + n, base, base if n < inside else -1, n % 7) for n in range(size)]
    return found


def asked(case: Case, held: list[Person]) -> tuple[Ask, Walk]:
    walk = Walk(case, [part_of(case.plan, held)] * len(case.participants))
    return walk.asks[case.participants[0]], walk


def passes(case: Case, held: list[Person]) -> list[list[bool]]:
    _, walk = asked(case, held)
    say, _ = walk.opened()
    found: list[list[bool]] = decode_open(case, say).tolist()
    return found


# --- questions ------------------------------------------------------------------------------------------------------


def test_a_count_of_known_groups_is_one_inquiry_about_who_is_there() -> None:
    case = one("SELECT kind, COUNT(*) AS n FROM data GROUP BY kind")
    ask, _ = asked(case, people(20, 9, 0))
    [question] = ask.questions
    assert (question.unit_domain, question.holders, question.records.count) == ("people", {None: 1}, 29)
    [inquiry] = question.inquiries
    assert (inquiry.subject, inquiry.partition, inquiry.answers) == (None, 0, 1)
    assert inquiry.bases.tolist() == [0, -1, -1]  # nine are closed by their base, nobody answers with noise alone
    assert inquiry.bases.dtype == np.int32
    assert len(set(inquiry.ids)) == 3
    assert {len(item) for item in inquiry.ids} == {ID_BYTES}


@pytest.mark.parametrize(
    ("declared", "holders"),
    [
        ({}, 3),
        ({"units_disjoint": True}, 1),
        ({"records_disjoint": True}, 1),
        ({"records_disjoint": True, "colluding_owners": 0}, 3),  # a part's noise is not what its audit counts on
        ({"units_disjoint": True, "colluding_owners": 0}, 1),
    ],
)
def test_several_holders_share_the_cap_unless_they_hold_no_record_in_common(
    declared: dict[str, Any], holders: int
) -> None:
    sql = "SELECT kind, COUNT(*) AS n, SUM(value) AS s FROM data GROUP BY kind"
    ask, _ = asked(one(sql, dataset("100").model_copy(update=declared), NODES), people(20, 20, 20))
    assert ask.questions[0].holders == {None: holders, ("data", "value"): holders}


@pytest.mark.parametrize(
    ("sql", "data", "subjects"),
    [
        ("SELECT COUNT(*) FILTER (WHERE ill) AS n FROM data", DATA, ["ill"]),
        ("SELECT ill, COUNT(*) AS n FROM data GROUP BY ill", DATA, ["ill"]),
        ("SELECT COUNT(*) AS n FROM data WHERE ill AND kind = 'x'", DATA, ["ill"]),
        ("SELECT SUM(value) AS s FROM data", DATA, [None, "value"]),
        ("SELECT VAR_SAMP(value) AS s FROM data", DATA, [None, "value", "value"]),
        ("SELECT AVG(value) AS s FROM data", dataset("100", nullable=True), ["value", "value"]),
        ("SELECT SUM(value) FILTER (WHERE ill) AS s FROM data", DATA, ["ill", "ill", "value"]),
        ("SELECT COUNT(DISTINCT unit) AS s FROM data", DATA, [None]),
    ],
)
def test_each_channel_asks_about_each_secret_column_that_it_depends_on(
    sql: str, data: Any, subjects: list[str | None]
) -> None:
    case = one(sql, data)
    count = 1 if case.plan.cells == 1 else 2
    held = [Person(n, 0, n % count, 1) for n in range(60)]
    [question] = asked(case, held)[0].questions
    found = [inquiry.subject for inquiry in question.inquiries]
    assert found == [None if subject is None else ("data", subject) for subject in subjects]


def test_one_number_is_one_question_in_every_job_and_spelling() -> None:
    """Grouped, filtered or in WHERE: the same id, and the same number, to whoever asks again."""
    held = people(30, 40, 50)
    group, _ = asked(one("SELECT kind, COUNT(*) AS n FROM data GROUP BY kind"), held)
    inside = [Person(p.unit, 0, 0 if p.base == 1 else -1) for p in held if p.base == 1]
    for sql in (
        "SELECT COUNT(*) AS n FROM data WHERE kind = 'y'",
        "SELECT COUNT(*) FILTER (WHERE kind = 'y') AS n FROM data",
        "SELECT COUNT(*) AS n FROM data WHERE 'y' = kind AND kind = 'y'",
    ):
        case = one(sql)
        again, _ = asked(case, inside)
        assert again.questions[0].inquiries[0].ids[0] == group.questions[0].inquiries[0].ids[1]
        grouped = one("SELECT kind, COUNT(*) AS n FROM data GROUP BY kind")
        assert noise_of(case, NODE, 0, 0) == noise_of(grouped, NODE, 0, 1)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 2), st.booleans(), st.booleans()), min_size=1, max_size=90)
)
def test_what_is_asked_depends_on_no_secret(rows: list[tuple[int, int, bool, bool]]) -> None:
    """Two parts that differ in secret values alone ask the same, byte for byte."""
    case = one(ILL)
    asks = []
    for which in (2, 3):
        held = [Person(row[0], row[1], row[1] if row[which] else -1) for row in rows]
        asks.append(asked(case, held)[0])
    assert _comparable(asks[0]) == _comparable(asks[1])


def _comparable(ask: Ask) -> list[Any]:
    def of(inquiry: Inquiry) -> list[Any]:
        return [inquiry.subject, inquiry.partition, inquiry.bases.tolist(), list(inquiry.ids), inquiry.answers]

    def whole(question: Question) -> list[Any]:
        records = question.records
        labels = [row.tolist() for row in records.labels]
        return [
            question.unit_domain,
            sorted(question.holders.values()),
            records.rows.tolist(),
            labels,
            *map(of, question.inquiries),
        ]

    return [ask.vetoes, *map(whole, ask.questions)]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 15), st.integers(-1, 3)), max_size=60), st.integers(4, 6))
def test_units_of_a_base_are_counted_once_each(rows: list[tuple[int, int]], bases: int) -> None:
    for count, pairs in ((bases, rows), (1, [(unit, min(label, 0)) for unit, label in rows])):
        pairs = sorted(pairs)
        units = sorted({unit for unit, _ in pairs})
        sizes = np.array([sum(unit == other for other, _ in pairs) for unit in units], np.int32)
        labels = np.array([label for _, label in pairs], np.int32)
        prints = np.zeros(len(labels), np.uint64)
        records = Records(pa.array(list(map(str, units)), pa.string()), sizes, prints, (labels,))
        expected = [len({unit for unit, label in pairs if label == base}) for base in range(count)]
        assert _units_of(records, labels, count).tolist() == expected


# --- noisy counts of individuals ------------------------------------------------------------------------------------


def noisy(case: Case, result: LocalResult) -> Any:
    return add_noise(case.plan, {}, case.profile, OwnGate(NODE), result)


def test_where_everybody_has_one_record_the_count_and_its_rule_use_one_noise() -> None:
    """What is judged is what is opened: the rule is no further answer."""
    case = one(ILL)
    result = part_of(case.plan, people(60, 60, 60, chosen=(30, 20, 40)))
    found = noisy(case, result)
    assert found.contributors[0, 0].tolist() == found.values[0]
    assert found.counted == frozenset()
    assert asked(case, people(60, 60, 60, chosen=(30, 20, 40)))[0].questions[0].inquiries[0].answers == 1


def test_where_somebody_has_two_records_the_count_of_units_is_an_answer_of_its_own() -> None:
    case = one(ILL)
    held = [*people(60, 60, 60, chosen=(30, 20, 40)), Person(0, 0, 0)]
    result = part_of(case.plan, held)
    found = noisy(case, result)
    assert found.counted == {(0, 0)}
    units = result.evidence[0][0].units
    assert (abs(found.contributors[0, 0] - units) <= 9).all()
    offsets = [v - e for v, e in zip(found.values[0], result.values[0], strict=True)]
    assert (found.contributors[0, 0] - units).tolist() != offsets
    assert asked(case, held)[0].questions[0].inquiries[0].answers == 2


def test_distinct_units_are_their_own_count() -> None:
    case = one("SELECT COUNT(DISTINCT unit) FILTER (WHERE ill) AS n FROM data")
    held = [Person(n // 2, 0, 0) for n in range(80)]
    found = noisy(case, part_of(case.plan, held))
    assert found.contributors[0, 0].tolist() == found.values[0]
    assert found.counted == frozenset()


def test_nothing_is_counted_where_no_secret_selects() -> None:
    case = one("SELECT kind, AVG(value) AS m FROM data GROUP BY kind")
    found = noisy(case, part_of(case.plan, people(60, 60, 60)))
    assert dict(found.contributors) == {}


def test_every_value_has_its_noise_empty_cells_too() -> None:
    case = one("SELECT kind, VAR_SAMP(value) AS v FROM data GROUP BY kind")
    result = part_of(case.plan, people(60, 0, 5))
    found = noisy(case, result)
    for channel, row in enumerate(found.values):
        assert row == [result.values[channel][cell] + noise_of(case, NODE, channel, cell) for cell in range(3)]


# --- judged by them -------------------------------------------------------------------------------------------------


def test_a_base_is_nobody_or_a_group_whatever_is_selected() -> None:
    assert passes(one(ILL), people(60, 9, 0, chosen=(30, 9, 0))) == [[True, False, True]]


def test_few_or_nearly_all_of_a_base_are_closed_on_the_noisy_count() -> None:
    """Noise is at most 9: none and everybody always fail, half of 100 never does."""
    assert passes(one(ILL), people(100, 100, 100, chosen=(0, 50, 100))) == [[False, True, False]]


def test_an_average_of_values_that_everybody_has_is_not_full() -> None:
    case = one("SELECT kind, AVG(value) AS m FROM data GROUP BY kind", dataset("100", nullable=True))
    assert passes(case, people(100, 100, 100, chosen=(100, 50, 0))) == [[True, True, False]]


def test_whether_somebody_has_a_sensitive_value_is_a_secret_condition_and_of_a_measure_it_is_none() -> None:
    measure = dataset("100", nullable=True)
    columns = [c.model_copy(update={"role": Role.SENSITIVE}) if c.name == "value" else c for c in measure.columns]
    sensitive = measure.model_copy(update={"columns": tuple(columns)})
    for data, full in ((measure, True), (sensitive, False)):
        for sql in ("COUNT(value) AS m FROM data", "COUNT(*) AS m FROM data WHERE value IS NOT NULL"):
            case = one(f"SELECT kind, {sql} GROUP BY kind", data)
            assert passes(case, people(100, 100, 100, chosen=(100, 50, 0))) == [[full, True, False]]


def test_the_verdict_on_a_secret_selection_follows_the_noisy_count_and_no_other() -> None:
    """Near the border the rule asks the number that would be opened, so it tells nothing beyond it."""
    case, size = one(ILL), 60
    for count in range(4, 18):
        found = noisy(case, part_of(case.plan, people(size, size, size, chosen=(count,) * 3))).values[0]
        expected = [10 <= value <= size - 10 for value in found]
        assert passes(case, people(size, size, size, chosen=(count,) * 3)) == [expected]


def test_open_data_judges_exact_contributors_alone() -> None:
    case = one(ILL, dataset("100", profile="open@1"))
    ask, _ = asked(case, people(60, 60, 3, chosen=(60, 9, 0)))
    assert ask == Ask(())
    assert passes(case, people(60, 60, 3, chosen=(60, 9, 0))) == [[True, False, True]]


def test_one_owner_s_closed_base_closes_the_cell_for_all() -> None:
    case = one(ILL, DATA, NODES)
    parts = [part_of(case.plan, people(60, 60, 60, chosen=(30,) * 3)) for _ in NODES]
    parts[1] = part_of(case.plan, people(60, 5, 60, chosen=(30, 3, 30)))
    say, _ = Walk(case, parts).opened()
    assert decode_open(case, say).tolist() == [[True, False, True]]
