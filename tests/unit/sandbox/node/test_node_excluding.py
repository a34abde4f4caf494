"""Withdrawn consent: grants stay good, orders of the version before are refused, and nothing more leaves a running job."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from adapters.snapshot.exclusions import Exclusions
from jobs.documents import Permit, parse_json
from jobs.permit import Order
from sandbox.node.excluding import exclusions_shown
from sandbox.node.storing import add_exclusions
from sandbox.node.tables import jobs, ledger, outbox
from tests.support.joint_nodes import Federation
from tests.support.orders import Bend, Documents, version

NODE, DOMAIN = "node-ewr", "aircraft"
AT = "2026-11-21T08:00:00Z"


def exclude(federation: Federation, *numbers: int) -> int:
    """What the node's own table of exclusions holds after the owner's command, or after half of it."""
    found = Exclusions.from_bytes(number.to_bytes(16, "little") for number in numbers)
    with federation[NODE].context.state.write() as connection:
        return len(add_exclusions(connection, DOMAIN, found, AT).hashes)


def write_version(federation: Federation, excluded: int) -> None:
    """The version without them, as ``leave_out`` makes it active."""
    state = federation[NODE].context.state
    with state.write() as connection:
        held = state.held(connection)["flights"]
        new = replace(held, version=version("ewr", 2), sequence=2, excluded=excluded, changed_rows=12)
        state.add_dataset(connection, new, bytes(32))


def follows() -> dict[str, Bend]:
    """The owner's record of it, and a permit for it; the grant is the old one."""
    new = version("ewr", 2)

    def permit(document: Any) -> Any:
        uses = tuple(u.model_copy(update={"version": new}) if u.node == NODE else u for u in document.data)
        return document.model_copy(update={"data": uses})

    def record(document: Any) -> Any:
        return document.model_copy(update={"version": new, "sequence": 2, "changed_below": 100})

    return {"permit": permit, "record:ewr": record}


def test_a_grant_survives_an_exclusion_and_the_permit_names_the_exact_version(federation: Federation) -> None:
    write_version(federation, exclude(federation, 1, 2))
    federation.hub.order(Documents(bend=follows()))
    federation.drive(lambda: all(federation.states(name) == [("finished", None)] for name in federation.names))
    (row,) = federation.rows(NODE, jobs)
    permit = Permit.open(Order.read(parse_json(bytes(row.order))).permit)
    assert [use.version for use in permit.data if use.node == NODE] == [version("ewr", 2)]


def test_a_grant_of_other_data_does_not_survive(federation: Federation) -> None:
    """The control: new data under the same name is another lineage."""
    write_version(federation, exclude(federation, 1))
    bend = follows()
    registered = bend["record:ewr"]

    def anew(document: Any) -> Any:
        return registered(document).model_copy(update={"lineage": version("ewr", 2), "changed_below": None})

    assert federation.refusal(NODE, Documents(bend={**bend, "record:ewr": anew}).body) == "out-of-scope"


def test_an_order_of_the_version_before_is_refused(federation: Federation) -> None:
    write_version(federation, exclude(federation, 1))
    assert federation.refusal(NODE, Documents().body) == "not-granted"
    assert federation.rows(NODE, ledger) == []


def test_a_crash_between_exclusion_and_version_runs_nothing(federation: Federation) -> None:
    """The set has grown and no version knows it, also after a restart: fail closed, and say what to do."""
    exclude(federation, 1)
    assert federation.refusal(NODE, Documents().body) == "data-changed"
    federation.restart(NODE)
    assert federation.refusal(NODE, Documents(nonce="cd" * 32, job="job-2").body) == "data-changed"
    assert {row.round for row in federation.rows(NODE, outbox)} == {"stop"}
    assert federation.rows(NODE, jobs) == []


@pytest.mark.parametrize("withdrawn", [True, False], ids=["attack", "control"])
def test_numbers_that_count_a_withdrawn_individual_do_not_leave(federation: Federation, withdrawn: bool) -> None:
    """The owner excludes somebody after flags and before values: without it (the control) the values leave."""
    hub = federation.hub
    hub.hold.add("flags")
    hub.order(Documents())
    federation.drive(lambda: all("flags" in hub.rounds(name) for name in federation.names))
    if withdrawn:
        exclude(federation, 1)
    hub.open()
    if withdrawn:
        federation.drive(lambda: federation.states(NODE) == [("failed", "data-changed")])
        federation.settle()
        assert "values" not in federation.outbox(NODE)
        assert federation.alarms(NODE) == []
        assert "individuals were left out" in hub.messages(NODE, "stop")[0].advice
    else:
        federation.drive(lambda: "values" in federation.outbox(NODE))


def test_the_owner_sees_what_is_left_out_and_whether_every_version_knows(federation: Federation) -> None:
    state = federation[NODE].context.state

    def shown() -> tuple[Any, ...]:
        with state.read() as connection:
            (found,) = exclusions_shown(connection, state.held(connection))
        return found["excluded"], found["changed_rows"], found["complete"]

    assert shown() == (0, None, True)
    count = exclude(federation, 1, 2, 3)
    assert shown() == (3, None, False)
    write_version(federation, count)
    assert shown() == (3, 12, True)
