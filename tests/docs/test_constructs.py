"""The page of usual constructs says what the planner does, and most of them work."""

from __future__ import annotations

import pytest

from jobs.kinds.statistics.plan.check import check_plan
from jobs.kinds.statistics.plan.compile import compile_sql
from jobs.kinds.statistics.plan.errors import PlanError
from jobs.kinds.statistics.plan.statement import statement
from jobs.kinds.statistics.plan.words import explain
from tests.constructs import PAGE, Construct, catalogue, constructs, fate, page

VIEW = catalogue()


def test_the_page_is_what_the_planner_does() -> None:
    assert PAGE.read_text() == page(), "write it anew: python -m tests.constructs"


def test_at_least_50_of_73_work() -> None:
    fates = [fate(construct, VIEW)[0] for construct in constructs()]
    assert len(fates) == 73
    assert fates.count("works") >= 50


@pytest.mark.parametrize("construct", constructs(), ids=lambda construct: construct.name)
def test_a_construct_is_planned_and_said_or_refused_in_its_own_words(construct: Construct) -> None:
    if fate(construct, VIEW)[0] != "works":
        with pytest.raises(PlanError, match=r"^line 1, column \d+: "):
            compile_sql(construct.sql, VIEW)
        return
    plan = compile_sql(construct.sql, VIEW)
    check_plan(plan, VIEW.datasets)
    assert explain(plan, VIEW).text()
    assert compile_sql("\n".join(statement(plan)), VIEW).digest() == plan.digest()
