"""What was told stays told: over restarts, rollbacks, tampering and new versions of the rows."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sqlalchemy import delete, select, text, update

from adapters.snapshot.units import hash_units
from jobs.disclosure.gate import Inquiry, Question, Records
from sandbox.errors import IntegrityFailure
from sandbox.node.gate.errors import AuditFull, StaleJudgement
from sandbox.node.gate.limits import Limits
from sandbox.node.gate.pieces import state_digest
from sandbox.node.tables import audit, settings
from sandbox.store.engine import reading, writing
from tests.support.audited import INCOME, Desk, hashes


def some_questions(desk: Desk, seed: int, count: int = 12) -> list[Question]:
    rng = np.random.default_rng(seed)
    rows = rng.integers(1, 4, 200).astype(np.int32)
    total = int(rows.sum())
    made = []
    for number in range(count):
        labels = [rng.integers(-1, 12, total), rng.integers(-1, 4, total)]
        made.append(desk.question(labels, rows=rows, subject=INCOME if number % 3 else None, answers=1 + number % 4))
    return made


def state(desk: Desk) -> str:
    with reading(desk.engine) as connection:
        return state_digest(connection)


def test_after_a_restart_the_verdicts_are_those_of_memory(desk: Desk) -> None:
    for question in some_questions(desk, 5):
        desk.ask(question)
    assert any(len(system.rows) > 20 for system in desk.domain.systems.values())
    before = {name: system.leverage for name, system in desk.domain.systems.items()}
    later = some_questions(desk, 6)
    memory = [desk.judge(question).verdict for question in later]
    assert not all(bits.all() for verdict in memory for bits in verdict[0])
    desk.restart()
    for name, system in desk.domain.systems.items():
        np.testing.assert_allclose(system.leverage, before[name], atol=1e-12)
    for question, expected in zip(later, memory, strict=True):
        for one, other in zip(desk.judge(question).verdict[0], expected[0], strict=True):
            np.testing.assert_array_equal(one, other)


def test_judging_changes_nothing_and_neither_does_a_rollback(desk: Desk) -> None:
    first, second = some_questions(desk, 7, 2)
    desk.ask(first)
    domain, before = desk.domain, state(desk)
    with desk.audit:
        judgement = desk.judge(second)
        with suppress(ZeroDivisionError), writing(desk.engine) as connection:
            desk.audit.store(connection, judgement)
            raise ZeroDivisionError
    assert (desk.domain, state(desk)) == (domain, before)
    desk.ask(second)
    assert state(desk) != before


def test_stored_but_not_adopted_is_read_at_the_next_job(desk: Desk) -> None:
    first, second = some_questions(desk, 8, 2)
    desk.ask(first)
    judgement = desk.judge(second)
    with writing(desk.engine) as connection:
        desk.audit.store(connection, judgement)
    after = desk.domain
    assert after.sequence == 2
    with pytest.raises(StaleJudgement):
        desk.audit.adopt(judgement)
    assert all(desk.judge(second).additions == [] for _ in range(2))  # every id is known


def test_a_judgement_that_something_overtook_is_stale(desk: Desk) -> None:
    first, second = some_questions(desk, 9, 2)
    old = desk.judge(first)
    desk.ask(second)
    with pytest.raises(StaleJudgement), writing(desk.engine) as connection:
        desk.audit.store(connection, old)
    other = desk.opened()
    with writing(desk.engine) as connection:
        other.ready(connection, ["person"])
    judgement = other.judge("job", [first], 0.25)
    desk.ask(first)
    with pytest.raises(StaleJudgement), writing(desk.engine) as connection:
        other.store(connection, judgement)


def test_what_was_not_stored_is_not_adopted(desk: Desk) -> None:
    [question] = some_questions(desk, 9, 1)
    with pytest.raises(ValueError, match="stored before"):
        desk.audit.adopt(desk.judge(question))


def test_an_answer_that_was_given_costs_nothing(desk: Desk) -> None:
    question = some_questions(desk, 10, 2)[1]
    verdict = desk.ask(question)
    before, highest = state(desk), desk.highest()
    for _ in range(50):
        again = desk.ask(question)
        assert all(a[v].all() for a, v in zip(again[0], verdict[0], strict=True))
    assert (state(desk), desk.highest()) == (before, highest)


def test_the_same_id_within_one_question_is_one_answer(desk: Desk) -> None:
    labels = np.zeros(50, np.int32)
    ids = desk.ids(1)
    cell = Inquiry(INCOME, 0, np.zeros(1, np.int32), ids)
    desk.ask(
        Question("person", Records(hashes(50), np.ones(50, np.int32), np.zeros(50, np.uint64), (labels,)), (cell, cell))
    )
    assert desk.domain.systems[INCOME].rows.answers.tolist() == [1]
    two = replace(cell, ids=desk.ids(1))
    desk.ask(
        Question(
            "person",
            Records(hashes(50), np.ones(50, np.int32), np.zeros(50, np.uint64), (labels,)),
            (two, replace(cell, answers=3)),
        )
    )
    assert desk.domain.systems[INCOME].rows.answers.tolist() == [1, 1]


def test_cells_that_ask_nothing_and_empty_bases_are_answered_without_a_row(desk: Desk) -> None:
    cells = Inquiry(INCOME, 0, np.array([-1, 5, 0], np.int32), desk.ids(3), answers=60)
    records = Records(
        hashes(50),
        np.ones(50, np.int32),
        np.zeros(50, np.uint64),
        (np.where(np.arange(50) < 10, 0, -1).astype(np.int32),),
    )
    assert desk.ask(Question("person", records, (cells,)))[0][0].tolist() == [True, True, True]
    assert len(desk.domain.systems[INCOME].rows) == 1


def test_a_new_version_of_the_rows_adds_to_the_same_records(desk: Desk) -> None:
    """A unit's second row appears, others go: the first rows keep their places, and what was told of them."""
    desk.answered([np.zeros(40)], rows=np.ones(40), units=np.arange(40))
    rows = np.array([2, 1, 1], np.int32)
    desk.answered([np.array([0, 0, 0, 0])], rows=rows, units=np.array([39, 0, 77]))
    domain = desk.domain
    assert domain.places.counts.tolist() == [1] * 39 + [2, 1]
    assert domain.places.owner.tolist() == [*range(40), 39, 40]
    leverage = domain.systems[INCOME].leverage
    assert leverage[39] == leverage[0] > leverage[40] > leverage[1] > 0


def test_units_themselves_are_hashed_under_the_domains_key(desk: Desk) -> None:
    names = pa.array([f"P{n}" for n in range(30)])
    question = desk.question([np.zeros(30)])
    desk.ask(replace(question, records=replace(question.records, units=names)))
    with reading(desk.engine) as connection:
        key = connection.execute(select(settings.c.value).where(settings.c.name == "unit_key person")).scalar_one()
    high, low = hash_units(names, key)
    np.testing.assert_array_equal(desk.domain.places.hashes, np.stack([high, low], axis=1))
    desk.ask(replace(desk.question([np.zeros(30)]), records=replace(question.records, units=desk.domain.places.hashes)))
    assert desk.domain.places.units == 30


@pytest.mark.parametrize(("limits", "limit"), [(Limits(rows=30), "audit_rows"), (Limits(records=450), "audit_records")])
def test_more_than_the_audit_holds_is_refused_and_names_the_limit(desk: Desk, limits: Limits, limit: str) -> None:
    desk.limits = limits
    desk.restart()
    first, second = some_questions(desk, 11, 2)
    desk.ask(first)
    before = desk.domain
    more = desk.question([np.arange(60)], units=np.arange(1000, 1060))
    with pytest.raises(AuditFull, match=limit):
        desk.ask(second, more)
    assert desk.domain == before


def tamper(desk: Desk, *statements: Any) -> None:
    with writing(desk.engine) as connection:
        for verb in ("update", "delete"):
            connection.execute(text(f"DROP TRIGGER IF EXISTS audit_no_{verb}"))
        for statement in statements:
            connection.execute(statement)


def pieces(desk: Desk) -> list[dict[str, Any]]:
    with reading(desk.engine) as connection:
        return [dict(row._mapping) for row in connection.execute(select(audit).order_by(audit.c.sequence))]


def swapped(desk: Desk) -> list[Any]:
    one, two = pieces(desk)[:2]
    return [
        update(audit).where(audit.c.sequence == 1).values(box=two["box"], digest=two["digest"]),
        update(audit).where(audit.c.sequence == 2).values(box=one["box"], digest=one["digest"]),
    ]


@pytest.mark.parametrize(
    "how", ["altered box", "altered box and digest", "swapped", "missing", "last missing", "other domain", "all gone"]
)
def test_tampering_is_an_integrity_failure(desk: Desk, how: str) -> None:
    for question in some_questions(desk, 12, 4):
        desk.ask(question)
    box = bytes(pieces(desk)[1]["box"])
    bad = box[:50] + bytes([box[50] ^ 1]) + box[51:]
    second = audit.c.sequence == 2
    ways: dict[str, list[Any]] = {
        "altered box": [update(audit).where(second).values(box=bad)],
        "altered box and digest": [update(audit).where(second).values(box=bad, digest=b"x" * 32)],
        "swapped": swapped(desk),
        "missing": [delete(audit).where(second)],
        "last missing": [delete(audit).where(audit.c.sequence == 4)],
        "other domain": [update(audit).where(second).values(unit_domain="firm")],
        "all gone": [delete(audit)],
    }
    tamper(desk, *ways[how])
    desk.restart()
    with pytest.raises(IntegrityFailure), writing(desk.engine) as connection:
        desk.audit.ready(connection, ["person"])


def test_under_another_key_nothing_is_read(desk: Desk) -> None:
    desk.ask(*some_questions(desk, 12, 1))
    desk.audit = desk.opened(bytes(32))
    with pytest.raises(IntegrityFailure), writing(desk.engine) as connection:
        desk.audit.ready(connection, ["person"])


def test_a_lost_unit_key_is_an_integrity_failure(desk: Desk) -> None:
    desk.ask(*some_questions(desk, 12, 1))
    with writing(desk.engine) as connection:
        connection.execute(delete(settings).where(settings.c.name == "unit_key person"))
    desk.restart()
    with pytest.raises(IntegrityFailure, match="unit key"), writing(desk.engine) as connection:
        desk.audit.ready(connection, ["person"])


def test_pieces_hold_nothing_legible(desk: Desk) -> None:
    desk.ask(*some_questions(desk, 13, 3), job="canary-4711")
    assert all(b"canary" not in row["box"] and b"income" not in row["box"] for row in pieces(desk))
    assert len(pieces(desk)) == 3


def test_the_owner_sees_the_highest_leverage_and_the_jobs_behind_it(desk: Desk) -> None:
    everybody, others = np.arange(100), np.arange(1, 100)
    wide = desk.question([np.zeros(1000)])
    desk.ask(wide, job="wide")
    for number in range(5):
        labels = np.full(1000, -1)
        labels[others] = 0
        with_her = np.full(1000, -1)
        with_her[everybody] = 0
        desk.ask(desk.question([labels, with_her]), job=f"pair-{number}")
    elsewhere = np.full(1000, -1)
    elsewhere[500:900] = 0
    desk.ask(desk.question([elsewhere], subject=None), job="elsewhere")
    standing = desk.standing()
    assert standing[INCOME].highest == pytest.approx(desk.highest())
    assert (standing[INCOME].rows, standing[INCOME].questions) == (11, 6)
    assert set(standing[INCOME].jobs) == {f"pair-{n}" for n in range(5)}
    assert standing[None].jobs == ("elsewhere",)


def test_questions_of_one_job_are_judged_one_after_the_other(desk: Desk) -> None:
    """Two unit columns of one unit domain: what the first question tells counts for the second."""
    everybody, without = np.zeros(60), np.where(np.arange(60) < 1, -1, 0)
    first, second = desk.question([everybody], answers=40), desk.question([without], answers=40)
    verdict = desk.ask(first, second)
    assert [bool(bits[0]) for [bits] in verdict] == [True, False]
    assert len(pieces(desk)) == 1
    assert len(desk.domain.systems[INCOME].rows) == 1


def test_unit_domains_are_apart(desk: Desk) -> None:
    question = desk.question([np.zeros(60)])
    desk.ask(question, replace(question, unit_domain="firm"))
    assert [row["unit_domain"] for row in pieces(desk)] == ["person", "firm"]
    desk.restart()
    assert desk.domain.sequence == 1


def test_two_jobs_do_not_judge_at_once(desk: Desk) -> None:
    order: list[str] = []

    def other() -> None:
        with desk.audit:
            order.append("second")

    thread = threading.Thread(target=other)
    with desk.audit:
        thread.start()
        thread.join(timeout=0.05)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


@pytest.mark.parametrize("cap", [0.0, -0.1, 1.5])
def test_without_a_cap_nothing_is_judged(desk: Desk, cap: float) -> None:
    desk.cap = cap
    with pytest.raises(ValueError, match="cap"):
        desk.judge(desk.question([np.zeros(60)]))


def test_a_question_that_contradicts_itself_is_refused(desk: Desk) -> None:
    good = desk.question([np.zeros(60)])
    [inquiry] = good.inquiries
    short = replace(good.records, labels=(np.zeros(59, np.int32),))
    twice = replace(good.records, units=hashes(np.zeros(60)))
    for bad in (
        replace(good, records=short),
        replace(good, records=twice),
        replace(good, inquiries=(replace(inquiry, partition=1),)),
        replace(good, inquiries=(replace(inquiry, ids=[b"short"]),)),
        replace(good, inquiries=(replace(inquiry, answers=0),)),
        replace(good, inquiries=(replace(inquiry, holders=0),)),
    ):
        with pytest.raises(ValueError, match=r"one label|twice|names a partition|16 bytes|one holder"):
            desk.judge(bad)
