"""The owner's answers at a terminal: by short names, refused before anything is said, and what has left already."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from sandbox.client import Job
from sandbox.local.layout import free_port
from tests.support import toy
from tests.support.cli import Person, operator, owner
from tests.support.ground import Ground, open_ground

pytestmark = pytest.mark.e2e
SQL = "SELECT line, COUNT(*) AS trips FROM trips GROUP BY line"


@dataclass
class Answers:
    ground: Ground
    a: Person
    node: Path
    released: Job

    @property
    def config(self) -> tuple[str, str]:
        return "--config", str(self.node)


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Answers]:
    with open_ground(tmp_path_factory.mktemp("answers")) as ground:
        job = ground.run(SQL)
        assert ground.ended(job.id).state == "released"
        ground.settled(job.id)
        yield Answers(ground, owner(ground.places, "A"), ground.places.node("A") / "node.yaml", job)


def test_a_request_is_named_by_the_start_of_its_id_and_a_foreign_key_signs_nothing(answers: Answers) -> None:
    job = answers.ground.ask("SELECT zone, COUNT(*) AS n FROM trips GROUP BY zone")
    short = job.id.removeprefix("job-")[:8]
    foreign = answers.ground.places.owner_keys("B")[0]
    refused = answers.a("review", "approve", short, "--yes", "--key", foreign, code=1)
    assert "none of A's" in refused.err
    assert refused.out == "", "refused before anything is said"
    there = answers.node.parent / "there.json"
    there.write_text("something else")
    assert "already" in answers.a("review", "approve", short, "--yes", "--out", there, code=1).err
    assert there.read_text() == "something else"
    assert f"denied {job.id}" in answers.a("review", "deny", short, "--reason", "not this year").out


def test_history_lists_what_was_granted_and_denied_with_the_runs_left(answers: Answers) -> None:
    listed = answers.a.json("review", "history")
    assert [item["event"] for item in listed][:1] == ["grant.accepted"]
    assert (listed[0]["grant"]["used"], listed[0]["grant"]["runs"]) == (1, 1)
    assert listed[-1]["event"] == "denial.accepted"
    shown = answers.a("review", "history").out
    assert "1 of 1" in shown
    assert "denied" in shown


def test_a_grant_is_revoked_by_its_job_and_what_has_left_is_said(answers: Answers) -> None:
    said = answers.a("node", "revoke", *answers.config, answers.released.id).out
    assert "this node obeys" in said
    assert "has left already" in said
    assert "values" in said
    assert answers.released.id in said
    assert "revoked" in answers.a("review", "history").out


def test_an_unknown_grant_is_refused_before_the_node_is_told(answers: Answers) -> None:
    refused = answers.a("node", "revoke", *answers.config, "0123456789ab", code=1)
    assert "no grant" in refused.err
    assert "obeys" not in refused.out


def test_a_whole_digest_is_obeyed_while_the_hub_is_away(answers: Answers) -> None:
    job = answers.ground.ask("SELECT line, zone, COUNT(*) AS n FROM trips GROUP BY line, zone")
    grant = answers.ground.federation.approve("A", job.id)
    away = f"http://127.0.0.1:{free_port()}"
    said = answers.a("node", "revoke", *answers.config, grant.digest, "--hub", away, code=1)
    assert "obeys" in said.out
    assert "nothing answers" in said.err
    answers.ground.federation.approve("B", job.id)
    answers.ground.federation.approve("C", job.id)
    assert answers.ground.ended(job.id).state == "failed", "the node refuses what its owner took back"


def test_submitting_what_a_rule_denies_fails_and_files_are_not_written_over(answers: Answers, tmp_path: Path) -> None:
    acme, file = operator(answers.ground.places), tmp_path / "job.yaml"
    receipt = tmp_path / "receipt.json"
    acme("job", "receipt", answers.released.id, "--out", receipt)
    before = receipt.read_bytes()
    assert "already" in acme("job", "receipt", answers.released.id, "--out", receipt, code=1).err
    assert receipt.read_bytes() == before
    file.write_text(yaml.safe_dump(toy.job(1, SQL)))
    commitment = tmp_path / "c.json"
    acme("job", "submit", file, "--commitment", commitment)
    assert commitment.exists()
    narrow = Person({**acme.settings, "COLUMNS": "80"})
    assert answers.released.id in narrow("job", "list").out


def test_a_word_that_is_no_command_is_answered_with_what_was_meant() -> None:
    assert "Did you mean 'submit'" in Person()("job", "sumbit", code=2).err
    assert Person()("--version").out.startswith("unseen ")
