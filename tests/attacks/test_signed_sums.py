"""Sums of values that may be negative: one value is twice as uncertain as the noise was made for, so pairs tell more.

On the node's real audit and the real noise. Half of the people owe what the others have; pairs "with and without the
target" are asked until the audit refuses. Counted as one answer each the sums would tell the target's sign.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from jobs.disclosure.noise import noise
from jobs.kinds.statistics.asking import answers_of
from jobs.kinds.statistics.plan.compile import compile_sql
from jobs.kinds.statistics.plan.types import Channel, Plan
from jobs.schema import CatalogueView, Dataset, Holding, OwnerId
from tests.support.audited import Desk

MOST: Final = 1000
TRIES: Final = 400
PEOPLE: Final = 100


def planned(low: int) -> tuple[Plan, Channel]:
    columns = [
        {"name": "person", "type": "string", "role": "unit", "unit_domain": "person", "nullable": False},
        {"name": "house", "type": "int", "role": "known", "nullable": False, "bounds": {"low": "1", "high": "9"}},
        {"name": "balance", "type": "int", "role": "measure", "bounds": {"low": str(low), "high": str(MOST)}},
    ]
    dataset = Dataset.model_validate(
        {"name": "people", "columns": columns, "unit": "person", "legal_basis": "made for tests", "scenarios": ["test"]}
    )
    held = Holding(
        dataset="people", owner=OwnerId("a"), node="node-a", provider="a", version_commitment="sha256:" + "ab" * 32,
        max_rows=PEOPLE,
    )  # fmt: skip
    plan = compile_sql("SELECT SUM(balance) AS s FROM people", CatalogueView(datasets=(dataset,), holdings=(held,)))
    return plan, next(channel for channel in plan.channels if channel.kind == "sum")


def pairs_allowed(desk: Desk, answers: int) -> int:
    """How many pairs on one target (the last) are answered before the audit refuses one of them."""
    for number in range(100):
        others = np.random.default_rng(number).permutation(PEOPLE - 1)[: PEOPLE // 2]
        if not all(desk.set(others, np.append(others, PEOPLE - 1), units=PEOPLE, answers=answers)):
            return number
    raise AssertionError("never refused")


def told(pairs: int, sd: int) -> float:
    """How often the mean difference of so many pairs has the target's sign."""
    right = 0
    for _ in range(TRIES):
        positive = secrets.randbelow(2) == 1
        value = MOST if positive else -MOST
        found = [noise(secrets.token_bytes(32), sd) - noise(secrets.token_bytes(32), sd) + value for _ in range(pairs)]
        right += (sum(found) > 0) == positive
    return right / TRIES


def test_the_audit_counts_a_signed_sum_as_what_it_tells(tmp_path: Path) -> None:
    plan, channel = planned(-MOST)
    pairs = pairs_allowed(Desk(tmp_path), answers_of(plan, channel))
    assert pairs > 0
    assert told(pairs, int(channel.noise)) <= 0.75 + 3 * (0.75 * 0.25 / TRIES) ** 0.5


def test_control_counted_once_the_sign_is_read(tmp_path: Path) -> None:
    _, channel = planned(-MOST)
    assert told(pairs_allowed(Desk(tmp_path), 1), int(channel.noise)) > 0.80


@pytest.mark.parametrize(("low", "answers"), [(0, 1), (-80, 1), (-500, 2), (-1000, 4), (900, 1)])
def test_how_much_a_sum_counts_follows_its_declared_bounds(low: int, answers: int) -> None:
    plan, channel = planned(low)
    assert answers_of(plan, channel) == answers
