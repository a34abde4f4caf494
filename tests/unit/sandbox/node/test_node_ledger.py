"""Reserve, commit, refund: what was reserved or committed is never available twice, and nothing turns up from nowhere."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sqlalchemy import insert
from sqlalchemy.engine.base import Connection, Engine

from sandbox.errors import BudgetExceeded
from sandbox.node import ledger
from sandbox.node.migrate import migrate
from sandbox.node.tables import jobs
from sandbox.store.engine import open_engine, sqlite_url, writing

AT = "2026-11-21T08:00:00Z"
LIMIT = 20
ACCOUNTS = ("grant a", "cells a")


def engine_in(folder: Path) -> Engine:
    engine = open_engine(sqlite_url(folder / "node.sqlite"))
    migrate(engine)
    return engine


def add_job(connection: Connection, permit: str) -> None:
    row = {"permit": permit, "nonce": permit, "job": permit, "state": "open", "order": b"", "deadline": AT, "seen": 0}
    connection.execute(insert(jobs).values(**row, now_used=AT))


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = engine_in(tmp_path)
    yield made
    made.dispose()


def charges(amount: int) -> list[ledger.Charge]:
    return [ledger.Charge(account, amount, LIMIT, "used up") for account in ACCOUNTS]


def test_a_charge_above_the_limit_writes_nothing(engine: Engine) -> None:
    with writing(engine) as connection:
        add_job(connection, "one")
        wanted = [
            ledger.Charge(ACCOUNTS[0], 1, LIMIT, "fine"),
            ledger.Charge(ACCOUNTS[1], LIMIT + 1, LIMIT, "too much"),
        ]
        with pytest.raises(BudgetExceeded, match="too much: 0 of 20 used, 21 asked for"):
            ledger.reserve(connection, "one", wanted, AT)
        assert ledger.spent(connection, ACCOUNTS[0]) == 0


def test_the_last_unit_may_be_spent_and_no_more(engine: Engine) -> None:
    with writing(engine) as connection:
        for name in ("one", "two"):
            add_job(connection, name)
        ledger.reserve(connection, "one", charges(LIMIT), AT)
        with pytest.raises(BudgetExceeded):
            ledger.reserve(connection, "two", charges(1), AT)


def test_a_commit_may_lower_an_amount_and_never_raise_it(engine: Engine) -> None:
    with writing(engine) as connection:
        add_job(connection, "one")
        ledger.reserve(connection, "one", charges(5), AT)
        ledger.commit(connection, "one", {ACCOUNTS[0]: 3, ACCOUNTS[1]: 9}, AT)
        assert [ledger.spent(connection, account) for account in ACCOUNTS] == [3, 5]


def test_what_is_committed_is_not_given_back(engine: Engine) -> None:
    with writing(engine) as connection:
        add_job(connection, "one")
        ledger.reserve(connection, "one", charges(5), AT)
        ledger.commit(connection, "one", {}, AT)
        ledger.refund(connection, "one", AT)
        assert ledger.spent(connection, ACCOUNTS[0]) == 5


class LedgerMachine(RuleBasedStateMachine):
    """Jobs in any order against a plain dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.engine = engine_in(Path(self.folder.name))
        self.model: dict[str, tuple[str, int]] = {}

    def teardown(self) -> None:
        self.engine.dispose()
        self.folder.cleanup()

    def used(self) -> int:
        return sum(amount for state, amount in self.model.values() if state != "refunded")

    @rule(amount=st.integers(0, LIMIT + 3))
    def reserve(self, amount: int) -> None:
        name = f"job {len(self.model)}"
        try:
            with writing(self.engine) as connection:
                add_job(connection, name)
                ledger.reserve(connection, name, charges(amount), AT)
        except BudgetExceeded:
            assert self.used() + amount > LIMIT
        else:
            assert self.used() + amount <= LIMIT
            self.model[name] = ("reserved", amount)

    @precondition(lambda self: self.model)
    @rule(pick=st.integers(0, 10**6), actual=st.integers(0, LIMIT))
    def commit(self, pick: int, actual: int) -> None:
        name = list(self.model)[pick % len(self.model)]
        state, amount = self.model[name]
        with writing(self.engine) as connection:
            ledger.commit(connection, name, dict.fromkeys(ACCOUNTS, actual), AT)
        if state == "reserved":
            self.model[name] = ("committed", min(amount, actual))

    @precondition(lambda self: self.model)
    @rule(pick=st.integers(0, 10**6))
    def refund(self, pick: int) -> None:
        name = list(self.model)[pick % len(self.model)]
        state, amount = self.model[name]
        with writing(self.engine) as connection:
            ledger.refund(connection, name, AT)
        if state == "reserved":
            self.model[name] = ("refunded", amount)

    @invariant()
    def never_more_than_the_limit(self) -> None:
        with writing(self.engine) as connection:
            for account in ACCOUNTS:
                assert ledger.spent(connection, account) == self.used() <= LIMIT


TestLedgerMachine = LedgerMachine.TestCase
TestLedgerMachine.settings = settings(max_examples=8, stateful_step_count=12, deadline=None)
