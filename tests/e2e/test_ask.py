"""``hub.ask``: one call from SQL to a table whose receipt held, over real processes."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sandbox.client import (
    Client,
    HubAway,
    HubRefused,
    Job,
    QuestionDenied,
    Signer,
    StillWaiting,
    build_denial,
)
from sandbox.errors import InvalidSpec, ReceiptRefused
from sandbox.keys import load_key, read_private
from sandbox.local.layout import free_port
from tests.support import toy
from tests.support.ground import Ground, open_ground

pytestmark = pytest.mark.e2e
SQL = "SELECT line, COUNT(*) AS trips FROM trips GROUP BY line"
NOW = datetime.now(UTC).replace(microsecond=0)
WHY = "How many trips each line has, for a report."


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with open_ground(tmp_path_factory.mktemp("ask")) as made:
        yield made


@dataclass
class Analyst:
    ground: Ground
    commitments: Path

    def client(self, kind: type[Client] = Client) -> Client:
        places = self.ground.places
        folder = places.operator("acme")
        signer = Signer("acme", load_key(folder / "operator.key"), self.commitments)
        return kind(places.url, read_private(folder / "token").decode(), self.ground.federation.trust, signer=signer)


@pytest.fixture(scope="module")
def analyst(ground: Ground, tmp_path_factory: pytest.TempPathFactory) -> Analyst:
    return Analyst(ground, tmp_path_factory.mktemp("kept") / "commitments")


def waiting(ground: Ground) -> list[Job]:
    with ground.federation.operator() as client:
        return list(client.jobs(state="needs_approval"))


def approving(ground: Ground, runs: int) -> threading.Thread:
    """The owners, who sign the next question."""
    before = {job.id for job in waiting(ground)}

    def sign() -> None:
        while not (new := [job for job in waiting(ground) if job.id not in before]):
            time.sleep(0.1)
        time.sleep(0.5)  # so that the analyst is seen to wait
        ground.federation.approve_all(new[0].id, runs=runs)

    thread = threading.Thread(target=sign, daemon=True)
    thread.start()
    return thread


@pytest.fixture(scope="module")
def first(ground: Ground, analyst: Analyst) -> Any:
    said: list[str] = []
    owners = approving(ground, runs=2)
    with analyst.client() as hub:
        answer = hub.ask(SQL, purpose=WHY, scenario="test", timeout=90, tell=said.append)
    owners.join(30)
    return answer, said


def test_one_call_waits_for_the_owners_and_returns_a_verified_table(ground: Ground, first: Any) -> None:
    answer, said = first
    assert "not approved yet by A, B, C" in said
    assert said[-1] == "released"
    assert {row[0] for row in answer.table.rows} == set(toy.LINES)
    assert answer.table == ground.answer(answer.job.id)
    assert answer.verified.output is not None, "the table itself was compared"
    assert len(answer) == len(answer.to_pandas())
    shown = answer._repr_html_()
    assert "<table>" in shown
    assert "cosigned by participants" in shown


def test_asked_again_it_finds_its_grants_and_waits_for_nobody(analyst: Analyst, first: Any) -> None:
    said: list[str] = []
    with analyst.client() as hub:
        again = hub.ask(SQL, purpose=WHY, scenario="test", timeout=90, tell=said.append)
    assert not [line for line in said if line.startswith("not approved")]
    assert again.table == first[0].table
    assert again.job.id != first[0].job.id


def test_another_purpose_is_another_question_and_asking_again_goes_on_with_its_job(
    analyst: Analyst, ground: Ground, first: Any
) -> None:
    said: list[str] = []
    with analyst.client() as hub:
        for _ in range(2):
            with pytest.raises(StillWaiting, match="still needs_approval"):
                hub.ask(SQL, purpose="something else", scenario="test", timeout=1, tell=said.append)
    asked = [line.split()[0] for line in said if line.startswith("job-")]
    assert asked[0] == asked[1]
    assert any("asks this already" in line for line in said)
    with ground.federation.owner("B") as owner:
        review = next(item for item in owner.reviews() if item.job == asked[0])
        owner.deny(build_denial(review, "B", ground.federation.keys("B"), NOW, ["not this year"]))
    with ground.federation.operator() as client:
        assert client.job(asked[0]).state == "denied"


def test_an_owners_no_is_typed_and_names_the_reason(analyst: Analyst, ground: Ground, first: Any) -> None:
    before = {job.id for job in waiting(ground)}

    def refuse() -> None:
        while not (new := [job for job in waiting(ground) if job.id not in before]):
            time.sleep(0.1)
        with ground.federation.owner("A") as owner:
            review = next(item for item in owner.reviews() if item.job == new[0].id)
            owner.deny(build_denial(review, "A", ground.federation.keys("A"), NOW, ["we are closed"]))

    threading.Thread(target=refuse, daemon=True).start()
    with analyst.client() as hub, pytest.raises(QuestionDenied, match="we are closed") as refused:
        hub.ask(SQL, purpose="a third thing", scenario="test", timeout=60, tell=None)
    assert refused.value.advice


class Lied(Client):
    """A client to whom somebody showed another number."""

    def release(self, job_id: str) -> Any:
        shown: dict[str, Any] = dict(super().release(job_id))
        rows: list[list[Any]] = [list(row) for row in shown["rows"]]
        rows[0][1] = (rows[0][1] or 0) + 1
        return {**shown, "rows": rows}


def test_a_table_that_the_receipt_does_not_prove_is_not_returned(analyst: Analyst, first: Any) -> None:
    with analyst.client(Lied) as hub, pytest.raises(ReceiptRefused, match="not what was released"):
        hub.ask(SQL, purpose=WHY, scenario="test", timeout=90, tell=None)


def test_what_cannot_be_asked_advises(ground: Ground, analyst: Analyst) -> None:
    with analyst.client() as hub, pytest.raises(HubRefused) as refused:
        hub.ask("SELECT vehicle, COUNT(*) AS n FROM trips GROUP BY vehicle", purpose=WHY)
    assert refused.value.advice
    with ground.federation.operator() as nobody, pytest.raises(InvalidSpec, match="from_environment"):
        nobody.ask(SQL, purpose=WHY)


def test_a_hub_that_is_away_is_named_with_what_to_look_at() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with Client(url, "") as hub, pytest.raises(HubAway, match=url) as away:
        hub.health()
    assert "UNSEEN_HUB" in away.value.advice
