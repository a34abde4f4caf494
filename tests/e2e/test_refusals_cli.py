"""What a person sees when the answer is no: exit code 1, one typed refusal, JSON where JSON was asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.conftest import EXAMPLES, Airports
from tests.support.cli import Person

pytestmark = pytest.mark.e2e
JOB = EXAMPLES / "jobs" / "delay-by-carrier.yaml"


def job_file(airports: Airports, name: str, **changed: Any) -> Path:
    file = airports.jobs / f"{name}.yaml"
    file.write_text(yaml.safe_dump({**yaml.safe_load(JOB.read_text()), **changed}))
    return file


@pytest.mark.parametrize(
    ("name", "changed", "code"),
    [
        ("not-sql", {"sql": "DROP TABLE flights"}, None),
        ("no-such-column", {"sql": "SELECT COUNT(*) AS n FROM flights WHERE altitude > 3"}, None),
        ("one-row", {"sql": "SELECT tailnum, COUNT(*) AS n FROM flights GROUP BY tailnum"}, None),
        ("missing-parameter", {"sql": "SELECT COUNT(*) AS n FROM flights WHERE distance > :far"}, None),
        ("unknown-field", {"priority": "high"}, "invalid-spec"),
        ("no-purpose", {"purpose": ""}, "invalid-spec"),
    ],
)
def test_a_bad_job_file(airports: Airports, name: str, changed: dict[str, Any], code: str | None) -> None:
    error = airports.operator.json("job", "submit", job_file(airports, name, **changed), code=1)["error"]
    assert error["detail"]
    assert error["code"] == code if code else error["code"]


def test_unknown_jobs_and_foreign_roles(airports: Airports) -> None:
    acme, ewr = airports.operator, airports.owner("EWR")
    assert acme.json("job", "show", "job-0", code=1)["error"]["code"] == "not-found"
    assert acme.json("review", "list", code=1)["error"]["code"] == "not-permitted"
    assert ewr.json("job", "submit", JOB, "--operator", "acme", code=1)["error"]["code"] == "not-permitted"
    nobody = Person({**acme.settings, "UNSEEN_HUB": "http://127.0.0.1:9"})
    assert nobody.json("job", "list", code=1)["error"]["code"] == "unreachable"
    assert "refused" in acme("job", "show", "job-0", code=1).err


def test_anothers_job_does_not_exist(airports: Airports) -> None:
    from tests.support.cli import operator

    job = airports.operator.json("job", "submit", job_file(airports, "mine", purpose="not yours"))["id"]
    rival = operator(airports.places, "rival")
    assert rival.json("job", "show", job, code=1)["error"]["code"] == "not-found"
    assert job not in [item["id"] for item in rival.json("job", "list")]
    assert "cancelled" in airports.operator("job", "cancel", job).out
    assert airports.operator.json("job", "show", job)["state"] == "cancelled"
    airports.operator("job", "watch", job, code=1)
    airports.operator("job", "cancel", job, code=1)


def test_a_denial_ends_the_job_with_its_reason(airports: Airports) -> None:
    file = job_file(airports, "deny", sql="SELECT carrier, AVG(air_time) AS mean FROM flights GROUP BY carrier")
    job = airports.operator.json("job", "submit", file)["id"]
    airports.owner("JFK")("review", "deny", job, "--reason", "air time is not for this scenario")
    shown = airports.operator.json("job", "show", job)
    assert shown["state"] == "denied"
    assert "air time is not for this scenario" in yaml.safe_dump(shown, width=1000)
    assert airports.owner("EWR").json("review", "show", job, code=1)["error"]["code"] == "not-found"


def test_a_usage_error_is_two(airports: Airports) -> None:
    airports.operator("job", "submit", code=2)
    airports.operator("job", "explain", "no-such-file.yaml", code=2)
    airports.operator("no-such-command", code=2)


def test_no_token_no_answer(airports: Airports) -> None:
    stranger = Person({"UNSEEN_HUB": airports.places.url})
    assert stranger.json("job", "list", code=1)["error"]["code"] == "not-authenticated"
