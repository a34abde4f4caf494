"""The privacy budget at a node: per unit domain over all datasets, kept like everything else that was answered."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from jobs.disclosure.profile import load_profile
from jobs.disclosure.zcdp import rho_of
from jobs.documents import RootKeys, SigningKey
from jobs.kinds.base import Ask
from jobs.kinds.statistics.kind import KIND
from jobs.kinds.statistics.plan.compile import compile_sql
from jobs.kinds.statistics.plan.types import Plan
from jobs.schema import CatalogueView, Dataset, Holding
from sandbox.errors import BudgetExceeded, IntegrityFailure, NotGranted
from sandbox.keys import Trust
from sandbox.node import ledger
from sandbox.node.accept import Accepted, _check_private
from sandbox.node.asking import Asking
from sandbox.node.opened_gate import OpenedGate
from sandbox.node.spending import rho_account
from sandbox.node.state import NodeState
from sandbox.node.tables import audit, jobs

AT = datetime(2026, 11, 21, 8, tzinfo=UTC).isoformat()
DP, STANDARD = load_profile("dp@1"), load_profile("standard@2")
QUESTIONS = 60


@pytest.fixture
def state(tmp_path: Path) -> Iterator[NodeState]:
    root = RootKeys(keys=(SigningKey.from_seed(bytes(32)).public.text,), threshold=1)
    made = NodeState(tmp_path / "node", Trust(root=root, origin="log.example/x"))
    yield made
    made.close()


def dataset(name: str, domain: str = "people", *, disjoint: bool = True) -> Dataset:
    columns = [
        {"name": "person", "type": "string", "role": "unit", "unit_domain": domain, "nullable": False},
        {"name": "cost", "type": "int", "role": "measure", "bounds": {"low": "0", "high": "50"}, "nullable": False},
    ]
    value = {"name": name, "columns": columns, "unit": "person", "legal_basis": "law", "profile": "dp@1"}
    return Dataset.model_validate(value | {"rows_per_unit": 2, "units_disjoint": disjoint})


def plan_of(data: Dataset, outputs: str = "COUNT(*) AS n", nodes: int = 3) -> Plan:
    held = tuple(
        Holding(dataset=data.name, owner=f"o{n}", node=f"n{n}", provider="p", version_commitment="v", max_rows=1000)
        for n in range(nodes)
    )
    return compile_sql(f"SELECT {outputs} FROM {data.name}", CatalogueView(datasets=(data,), holdings=held))


class Site:
    """A node's gate and ledger, and orders about its datasets."""

    def __init__(self, state: NodeState) -> None:
        self.state = state
        self.gate = OpenedGate(state, bytes(32), lambda size: bytes(range(size)))
        self.number = 0

    def accepted(self, data: Dataset, plan: Plan | None = None, kind: Any = KIND) -> Accepted:
        self.number += 1
        permit = SimpleNamespace(digest=f"permit-{self.number}", document=SimpleNamespace(job=f"job-{self.number}"))
        grant = SimpleNamespace(digest="grant", document=SimpleNamespace(runs=10_000, budget={"cells": 10**9}))
        domain = data.column(data.unit).unit_domain
        held: Any = SimpleNamespace(unit_domain=domain, budgets={}, lineage=data.name, kin=(), roots=(data.name,))
        checked: Any = SimpleNamespace(kind=kind, plan=plan or plan_of(data), permit=permit, own_grant=grant)
        return Accepted(checked, {data.name: held}, DP, b"")

    def reserve(self, accepted: Accepted) -> None:
        row = {
            "permit": accepted.permit,
            "nonce": accepted.permit,
            "job": "j",
            "state": "open",
            "order": b"",
            "seen": 0,
        }
        with self.state.write() as connection:
            connection.execute(insert(jobs).values(**row, deadline=AT, now_used=AT))
            ledger.reserve(connection, accepted.permit, accepted.charges(), AT)

    def answer(self, accepted: Accepted, fault: Exception | None = None) -> None:
        """As a job does that sends its flags."""
        with Asking(self.gate, self.state, accepted).answered(Ask(())) as found:
            assert found.verdict == []
            with self.state.write() as connection:
                found.store(connection)
                if fault is not None:
                    raise fault

    def run(self, data: Dataset, plan: Plan | None = None) -> Accepted:
        accepted = self.accepted(data, plan)
        self.reserve(accepted)
        self.answer(accepted)
        return accepted

    def standing(self, domain: str = "people") -> Any:
        assert DP.privacy is not None
        with self.state.read() as connection:
            return self.gate.spending.standing(connection, domain, DP.privacy)

    def digest(self) -> str:
        with self.state.read() as connection:
            return str(self.gate.state_digest(connection))


def test_sixty_questions_are_answered_and_not_one_more_over_all_datasets_of_one_domain(state: NodeState) -> None:
    site = Site(state)
    visits, drugs, cars = dataset("visits"), dataset("drugs"), dataset("cars", "vehicles")
    for number in range(QUESTIONS):
        site.run((visits, drugs)[number % 2])
    stands = site.standing()
    assert (stands.answered, stands.questions_left, stands.rho_used, stands.rho_total) == (60, 0, "1", "1")
    assert 7.7 < stands.epsilon <= stands.epsilon_total < 7.8
    for data in (visits, drugs):
        with pytest.raises(BudgetExceeded, match=r"\(rho\) of unit domain people is used up: 1 of 1 used, 0.01667 ask"):
            site.reserve(site.accepted(data))
    site.run(cars)  # other individuals
    assert site.standing("vehicles").questions_left == 59
    assert site.standing().answered == 60


def test_the_price_is_the_same_for_one_count_and_for_many_numbers_of_shared_individuals(state: NodeState) -> None:
    site = Site(state)
    shared = dataset("visits", disjoint=False)
    site.run(shared, plan_of(shared, "COUNT(*) AS n, VAR_SAMP(cost) AS v"))
    assert site.standing().questions_left == 59
    with state.read() as connection:
        [(_, spend)] = site.gate.spending.events(connection, "people")
        booked = Fraction(ledger.spent(connection, rho_account("people")), 720_720 * 10**6)
    assert spend.parts == 3
    assert 3 * rho_of(spend.events) == spend.rho <= booked <= Fraction(1, 60)


def test_a_refused_question_writes_nothing_and_one_that_sent_nothing_is_given_back(state: NodeState) -> None:
    site = Site(state)
    for _ in range(QUESTIONS - 1):
        site.run(dataset("visits"))
    last, late = site.accepted(dataset("visits")), site.accepted(dataset("drugs"))
    site.reserve(last)
    with pytest.raises(BudgetExceeded):
        site.reserve(late)  # what runs counts as spent
    with state.write() as connection:
        ledger.refund(connection, last.permit, AT)
    site.reserve(late)
    with state.write() as connection:
        ledger.commit(connection, late.permit, {}, AT)  # failed after its flags: kept
        ledger.refund(connection, late.permit, AT)
    with pytest.raises(BudgetExceeded):
        site.reserve(site.accepted(dataset("visits")))


def test_events_are_stored_with_what_leaves_or_not_at_all_and_change_the_state_digest(state: NodeState) -> None:
    site, data = Site(state), dataset("visits")
    before = site.digest()
    with pytest.raises(RuntimeError, match="disk"):
        site.answer(site.accepted(data), RuntimeError("disk"))
    assert (site.digest(), site.standing().answered) == (before, 0)
    site.run(data)
    assert site.digest() != before
    assert site.standing().jobs == ("job-2",)


def test_events_cannot_be_taken_back_or_altered(state: NodeState) -> None:
    site = Site(state)
    site.run(dataset("visits"))
    with state.write() as connection, pytest.raises(Exception, match="append only"):
        connection.execute(audit.delete())
    with state.write() as connection:
        box = bytes(connection.execute(select(audit.c.box)).scalar_one())
        for name in connection.exec_driver_sql("select name from sqlite_master where type = 'trigger'").scalars().all():
            if "audit" in name:
                connection.exec_driver_sql(f"drop trigger {name}")
        connection.execute(update(audit).values(box=box[:-1] + bytes([box[-1] ^ 1])))
    with pytest.raises(IntegrityFailure, match="altered"):
        site.standing()


def test_what_counts_no_budget_is_not_answered_under_differential_privacy(state: NodeState) -> None:
    site, data = Site(state), dataset("visits")
    with pytest.raises(NotGranted, match="counts no privacy budget of people"):
        _check_private(site.accepted(data, kind=SimpleNamespace(title="training", spends=lambda plan: ())))
    _check_private(site.accepted(data))  # control


def test_other_profiles_cost_no_rho(state: NodeState) -> None:
    site, data = Site(state), dataset("visits")
    plain = data.model_copy(update={"profile": "standard@2"})
    accepted = site.accepted(plain)
    other = Accepted(accepted.checked, accepted.inputs, STANDARD, b"")
    assert not any(charge.account.startswith("rho") for charge in other.charges())
    assert any(charge.account == "rho people" for charge in site.accepted(data).charges())
