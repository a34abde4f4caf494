"""A newcomer of each role, with the settings that ``make serve`` writes and data of its own, counting commands.

From an owner's own CSV to a release whose receipt holds: at most twelve commands of all roles together. A command that
is refused counts too. What people edit between two commands stands here as they would edit it.
"""

from __future__ import annotations

import csv
import random
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from examples.serve import settings
from tests.support.cli import Person
from tests.support.ground import Ground, open_ground

pytestmark = pytest.mark.e2e
AT_MOST = 12
OWNER = "A"


@dataclass
class Walk:
    """Everybody's terminals, and how often something was typed in any of them."""

    ground: Ground
    folder: Path
    typed: list[str] = field(default_factory=list)

    def type(self, who: str, *words: str, code: int = 0) -> str:
        self.typed.append(f"{who}: unseen {' '.join(words)}")
        return self._person(who)(*[self._here(word) for word in words], code=code).out

    def _person(self, who: str) -> Person:
        lines = [line for line in settings(self.ground.places, who).splitlines() if line.startswith("export ")]
        return Person(dict(shlex.split(line)[1].split("=", 1) for line in lines))

    def _here(self, word: str) -> str:
        """Files lie in the newcomer's own folder."""
        return str(self.folder / word) if word.rpartition(".")[2] in ("csv", "yaml", "json", "salt") else word


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    with open_ground(tmp_path_factory.mktemp("federation")) as ground:
        yield Walk(ground, tmp_path_factory.mktemp("home"))


def visits(file: Path) -> None:
    """What a clinic has: 300 patients, up to four visits each."""
    pick = random.Random(7)
    with file.open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(("patient_id", "ward", "days", "cost"))
        for patient in range(300):
            for _ in range(1 + patient % 4):
                ward = ("north", "south", "children")[patient % 3]
                rows.writerow((f"P{patient:04d}", ward, pick.randint(1, 20), pick.randint(100, 2000)))


def edit(file: Path, **values: Any) -> None:
    file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), **values}, allow_unicode=True))


def test_own_data_to_a_verified_release(walk: Walk) -> None:
    visits(walk.folder / "visits.csv")
    # the owner: draft, read, sign
    walk.type(
        OWNER, "data", "describe", "visits.csv", "--name", "visits", "--unit", "patient_id", "--out", "visits.yaml"
    )
    edit(walk.folder / "visits.yaml", legal_basis="the clinics act, paragraph 9")
    terms = ("--rows-at-most", "5000", "--label", "2024", "--data-until", "2024-12-31")
    walk.type(OWNER, "data", "register", "visits.yaml", "visits.csv", *terms)
    # the analyst of the operator: look, explain, ask
    assert "ward" in walk.type("acme", "data", "show", "visits")
    question = {
        "sql": "SELECT ward, COUNT(*) AS visits, AVG(days) AS days FROM visits GROUP BY ward",
        "scenario": "clinic planning",
        "purpose": "How long people stay in each ward, for the plan of next year.",
        "datasets": ["visits"],
    }
    (walk.folder / "question.yaml").write_text(yaml.safe_dump(question))
    walk.type("acme", "job", "explain", "question.yaml")
    said = walk.type("acme", "job", "submit", "question.yaml")
    job = next(word for word in said.split() if word.startswith("job-"))
    # the owner: read, sign
    walk.type(OWNER, "review", "show", job)
    walk.type(OWNER, "review", "approve", job, "--yes")
    # the analyst: wait, take table and receipt; anybody: verify
    walk.type("acme", "job", "watch", job)
    walk.type("acme", "job", "release", job, "--out", "release.csv", "--salt-out", "release.salt")
    walk.type("acme", "job", "receipt", job, "--out", "receipt.json")
    held = walk.type("acme", "verify", "receipt.json", "--release", "release.csv", "--salt", "release.salt")
    assert "The receipt holds" in held
    table = (walk.folder / "release.csv").read_text()
    assert all(ward in table for ward in ("north", "south", "children"))
    assert len(walk.typed) <= AT_MOST, "\n".join(walk.typed)


def test_an_auditor_finds_it_and_proves_what_can_be_proven(walk: Walk) -> None:
    """Three commands: what was read, the whole log offline, the node's own account against it."""
    begun = len(walk.typed)
    found = walk.type("auditor", "audit", "column", "visits.days")
    assert "approved by A" in found
    assert "version 1 '2024'" in found
    walk.type("auditor", "log", "export", "--out", "log.json")
    walk.type("auditor", "log", "verify", "--file", "log.json")
    walk.type(OWNER, "node", "export", "--out", "sent.json")
    assert "agrees" in walk.type("auditor", "log", "reconcile", "sent.json")
    assert len(walk.typed) - begun == 5


def test_an_owner_sees_what_left_and_takes_its_grant_back(walk: Walk) -> None:
    begun = len(walk.typed)
    assert "values" in walk.type(OWNER, "node", "sent")
    history = walk.type(OWNER, "review", "history")
    grant = next(line.split()[3] for line in history.splitlines() if " granted " in line)
    assert "has left already" in walk.type(OWNER, "node", "revoke", grant)
    assert len(walk.typed) - begun == 3
