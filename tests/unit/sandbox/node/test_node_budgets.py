"""Budgets of metered units: of the grant over all runs, of a data version's lineage; one reservation for all or none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from jobs.documents import DatasetRecord, Permit
from jobs.errors import BadKind
from sandbox.node.accept import Accepted, check
from sandbox.node.tables import ledger
from tests.support.joint_nodes import Federation
from tests.support.orders import Documents, version

NODE = "node-ewr"
CELLS = 8
"""What a run of the plan may cost: two aggregates in four cells."""


def granted(budget: dict[str, int], **changed: Any) -> Documents:
    return Documents(
        bend={"grant:ewr": lambda grant: grant.model_copy(update={"budget": budget, "runs": 9})}, **changed
    )


def accounts(federation: Federation) -> list[tuple[str, int, str]]:
    return [(row.account, row.amount, row.state) for row in federation.rows(NODE, ledger)]


def test_a_grants_budget_bounds_all_its_runs_and_is_given_back_what_stayed_closed(federation: Federation) -> None:
    documents = granted({"cells": CELLS + 2})
    federation.hub.order(documents)
    federation.drive(lambda: all(federation.states(name) == [("finished", None)] for name in federation.names))
    used = int(federation.hub.passed.sum())
    assert 2 < used < CELLS
    grant = documents.grants[0].digest
    assert (f"cells grant {grant}", used, "committed") in accounts(federation)
    federation.settle()
    again = granted({"cells": CELLS + 2}, nonce="cd" * 32, job="job-2")
    before = accounts(federation)
    assert federation.refusal(NODE, again.body) == "budget-exceeded"
    assert accounts(federation) == before  # neither the run nor the version's cells are charged


def test_control_a_larger_budget_has_room_for_the_second_run(federation: Federation) -> None:
    federation.hub.order(granted({"cells": 2 * CELLS}))
    federation.drive(lambda: all(federation.states(name) == [("finished", None)] for name in federation.names))
    federation.settle()
    federation.hub.order(granted({"cells": 2 * CELLS}, nonce="cd" * 32, job="job-2"))
    federation.drive(lambda: federation.states(NODE)[-1] == ("finished", None) and len(federation.states(NODE)) == 2)


def set_budgets(federation: Federation, budgets: dict[str, int]) -> str:
    state = federation[NODE].context.state
    with state.write() as connection:
        held = state.held(connection)["flights"]
        state.add_dataset(connection, replace(held, version="sha256:" + "9" * 64, sequence=2), bytes(32))
        state.add_dataset(
            connection, replace(held, version="sha256:" + "8" * 64, sequence=3, budgets=budgets), bytes(32)
        )
    return "sha256:" + "8" * 64


@pytest.mark.parametrize(
    ("version_has", "grant_has", "code"),
    [
        ({}, {}, "not-granted"),
        ({"sums": 5}, {}, "not-granted"),
        ({"cells": CELLS - 1}, {}, "budget-exceeded"),
        ({"cells": CELLS}, {"cells": CELLS - 1}, "budget-exceeded"),
        ({}, {"cells": CELLS}, None),
        ({"cells": CELLS}, {}, None),
    ],
)
def test_a_unit_is_charged_where_a_budget_is_declared_and_nowhere_else(
    federation: Federation, version_has: dict[str, int], grant_has: dict[str, int], code: str | None
) -> None:
    new = set_budgets(federation, version_has)

    def permit(document: Permit) -> Permit:
        uses = tuple(u.model_copy(update={"version": new}) if u.node == NODE else u for u in document.data)
        return document.model_copy(update={"data": uses})

    bend = {
        "grant:ewr": lambda grant: grant.model_copy(update={"budget": grant_has}),
        "permit": permit,
        "record:ewr": lambda record: record.model_copy(update={"version": new, "changed_below": 10, "sequence": 3}),
    }
    body = Documents(bend=bend).body
    if code is not None:
        assert federation.refusal(NODE, body) == code
        assert accounts(federation) == []
        return
    federation.hub.put(NODE, "permit", "job-1", body)
    federation.answer(NODE)
    assert [(name.split()[0], amount) for name, amount, _ in accounts(federation)] == [("grant", 1), ("cells", CELLS)]


def test_leaving_individuals_out_gives_no_budget_back(federation: Federation) -> None:
    """Charges are to the lineage, which the version with further exclusions shares."""
    state = federation[NODE].context.state
    with state.read() as connection:
        held = state.held(connection)["flights"]
    record = DatasetRecord.open(held.record)
    later = record.model_copy(update={"version": version("ewr", 2), "changed_below": 10, "sequence": 2})
    assert replace(held, version=version("ewr", 2), record=later.sign()).lineage == held.lineage == record.version


@pytest.mark.parametrize("metered", [{"cells": CELLS + 1}, {"cells": -1}, {"rows": 1}])
def test_a_run_that_meters_more_than_its_kind_says_is_a_fault_of_the_kind(
    federation: Federation, metered: dict[str, int]
) -> None:
    context, documents = federation[NODE].context, Documents()
    now = context.clock()
    context.state.trust_roster(documents.roster)
    accepted: Accepted = check(documents.order(), context.state, context.config, context.state.roster(now), now)
    assert accepted.amounts({"cells": CELLS})  # the control
    with pytest.raises(BadKind):
        accepted.amounts(metered)
