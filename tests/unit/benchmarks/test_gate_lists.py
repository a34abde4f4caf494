"""The lists that utility is measured with are what they are said to be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.gate._lists import QUESTIONS, SECRET, Catalogue, firms, flights, people
from benchmarks.gate._node import OneNode
from jobs.kinds.statistics.plan.bases import subjects

LISTS = [
    pytest.param(lambda folder: people(folder, 400), id="people"),
    pytest.param(lambda folder: firms(folder, 400), id="firms"),
    pytest.param(lambda folder: flights(folder, 2_000), id="flights"),
]


@pytest.mark.parametrize("made", LISTS)
def test_sixty_questions_fifteen_of_them_on_secret_columns(made: Callable[[Path], Catalogue], tmp_path: Path) -> None:
    catalogue = made(tmp_path)
    node = OneNode(tmp_path, catalogue.dataset, catalogue.table)
    assert len(set(catalogue.questions)) == QUESTIONS
    secret = [sql for sql in catalogue.questions if is_on_secrets(node, sql)]
    assert sorted(secret) == sorted(catalogue.secret)
    assert len(secret) == SECRET


def is_on_secrets(node: OneNode, sql: str) -> bool:
    plan = node.compiled(sql)
    return any(subjects(plan, channel) for channel in plan.channels)


def test_one_node_remembers_what_it_was_asked(tmp_path: Path) -> None:
    catalogue = people(tmp_path, 400)
    node = OneNode(tmp_path, catalogue.dataset, catalogue.table)
    sql = "SELECT district, AVG(income) AS x FROM people WHERE sex = {} GROUP BY district"
    answers = [node.answer(sql.format(0)) for _ in range(2)]
    assert answers[0].shown == answers[1].shown  # one question, one answer
    assert answers[0].judged.sum() == 8
    assert 0 < answers[0].shown.count <= 8
