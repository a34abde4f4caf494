"""The whole story through the ``unseen`` command, every step a process of its own, as people at their terminals."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pytest
import yaml

from examples.prepare_flights import LONGEST
from tests.e2e.conftest import EXAMPLES, Airports
from tests.support import expected

pytestmark = pytest.mark.e2e
JOB = EXAMPLES / "jobs" / "delay-by-hour.yaml"


@dataclass
class Story:
    """What was seen on the way; the tests below look at it."""

    airports: Airports
    folder: Path
    seen: dict[str, Any]

    @property
    def job(self) -> str:
        return str(self.seen["submitted"]["id"])


@pytest.fixture(scope="module")
def story(airports: Airports, tmp_path_factory: pytest.TempPathFactory) -> Story:
    folder, acme, seen = tmp_path_factory.mktemp("story"), airports.operator, {}
    seen["explained"] = acme.json("job", "explain", JOB)
    seen["submitted"] = acme.json("job", "submit", JOB, "--idempotency-key", "the-story")
    told = Story(airports, folder, seen)
    for name in ("EWR", "JFK"):
        owner = airports.owner(name)
        seen[f"waiting {name}"] = owner.json("review", "list")
        seen[f"words {name}"] = owner.json("review", "show", told.job)
        seen[f"approved {name}"] = owner("review", "approve", told.job, "--runs", "2", "--yes").out
    sign_by_two(told)
    seen["watched"] = acme.json("job", "watch", told.job)
    acme("job", "release", told.job, "--out", folder / "release.csv", "--salt-out", folder / "salt")
    acme("job", "release", told.job, "--out", folder / "release.arrow")
    seen["release"] = acme.json("job", "release", told.job)
    acme("job", "receipt", told.job, "--out", folder / "receipt.json")
    return told


def sign_by_two(story: Story) -> None:
    """At LGA one signature is not enough; the signed grant goes from hand to hand."""
    lga, file = story.airports.owner("LGA"), story.folder / "grant.json"
    story.seen["alone"] = lga("review", "approve", story.job, "--yes", code=1)
    lga("review", "approve", story.job, "--runs", "2", "--yes", "--out", file)
    second = story.airports.places.owner_keys("LGA")[1]
    story.seen["cosigned"] = lga("review", "cosign", file, "--yes", "--key", second).out


def test_explaining_says_what_is_read_and_what_is_missing(story: Story) -> None:
    explained = story.seen["explained"]
    assert explained["decision"] == "needs_approval"
    assert {reason["owner"] for reason in explained["reasons"]} == {"EWR", "JFK", "LGA"}
    assert "arr_delay" in explained["words"]["text"]


def test_the_job_waits_for_every_owner_and_says_so(story: Story) -> None:
    assert story.seen["submitted"]["state"] == "needs_approval"
    for name in ("EWR", "JFK"):
        assert [item["job"] for item in story.seen[f"waiting {name}"]] == [story.job]
        assert "arr_delay" in json.dumps(story.seen[f"words {name}"])
        assert "2 run(s)" in story.seen[f"approved {name}"]


def test_the_same_key_is_the_same_job_and_another_question_under_it_is_refused(story: Story) -> None:
    acme, changed = story.airports.operator, story.folder / "changed.yaml"
    spec = yaml.safe_load(JOB.read_text())
    changed.write_text(yaml.safe_dump({**spec, "sql": "SELECT COUNT(*) AS n FROM flights"}))
    error = acme.json("job", "submit", changed, "--idempotency-key", "the-story", code=1)["error"]
    assert error["code"] == "conflicting"


def test_one_of_two_signers_is_not_enough(story: Story) -> None:
    assert "refused" in story.seen["alone"].err
    assert "2 signatures" in story.seen["cosigned"]


def test_the_job_was_released(story: Story) -> None:
    assert story.seen["watched"]["state"] == "released"
    shown = story.airports.operator("job", "show", story.job).out
    assert f"unseen job receipt {story.job}" in shown
    listed = story.airports.operator.json("job", "list", "--state", "released")
    assert story.job in [item["id"] for item in listed]


def test_released_numbers_are_those_of_one_query_over_the_union(story: Story) -> None:
    release = story.seen["release"]
    names = [column["name"] for column in release["columns"]]
    query = """
        select month, hour, count(*) as flights, count(arr_delay) as n, avg(arr_delay) as mean_delay,
               var_samp(arr_delay) as variance
        from flights where tailnum is not null group by month, hour
    """
    union = {(row["month"], row["hour"]): row for row in expected.ask(story.airports.parts(), query)}
    compared = numbers = 0
    for row, hidden, errors in zip(release["rows"], release["suppressed"], release["errors"], strict=True):
        cell, error = dict(zip(names, row, strict=True)), dict(zip(names, errors, strict=True))
        shown = {"flights", "mean_delay", "deviation"} - set(hidden)
        truth = union.get((cell["month"], cell["hour"]))
        numbers += len(shown)
        if truth is None:
            continue
        for name in shown:
            assert is_right(name, cell[name], error[name], truth), (cell, error, truth)
        compared += len(shown)
    assert numbers == release["verdict"]["cells"] - release["verdict"]["suppressed"] > 500
    assert numbers - compared <= 1  # four standard errors let 3 in 100,000 noisy nothings through


def is_right(name: str, shown: Any, stated: str, truth: dict[str, Any]) -> bool:
    """Whether one released number is a noisy form of the exact one, and says how noisy."""
    if name == "flights":
        return expected.is_noisy(shown, stated, truth["flights"], expected.count_noise(3))
    rows, mean = truth["n"], truth["mean_delay"]
    if name == "mean_delay":
        return expected.is_noisy(shown, stated, mean, expected.mean_noise(3, rows, mean, LONGEST))
    noise = expected.variance_noise(3, rows, mean, truth["variance"], LONGEST)
    return expected.is_deviation(shown, stated, truth["variance"], noise)


def test_the_files_hold_the_same_table_and_its_errors(story: Story) -> None:
    release = story.seen["release"]
    with pa.ipc.open_file(story.folder / "release.arrow") as reader:
        table = reader.read_all()
    assert table.num_rows == len(release["rows"])
    counts = [row[2] for row in release["rows"]]
    assert table.column("flights").to_pylist() == counts
    assert {str(error) for error in table.column("flights (se)").to_pylist() if error is not None} == {"5.2"}
    text = (story.folder / "release.csv").read_text()
    assert release["source_line"] in text
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    parsed = pa_csv.read_csv(pa.BufferReader("\n".join(lines).encode()))
    assert parsed.num_rows == len(counts)
    of_means = [None if row[3] is None else float(row[3]) for row in release["errors"]]
    assert parsed.column("mean_delay (se)").to_pylist() == of_means
    assert any(of_means)


def test_the_receipt_holds_offline_and_nothing_else_does(story: Story) -> None:
    """No hub is named; exit code 0 only when everything holds."""
    folder, trust = story.folder, ("--trust", story.airports.places.trust)
    from tests.support.cli import Person

    anybody = Person()
    table = ("--release", folder / "release.csv", "--salt", folder / "salt")
    assert anybody.json("verify", folder / "receipt.json", *trust, *table)["valid"] is True
    csv = (folder / "release.csv").read_bytes()
    (folder / "changed.csv").write_bytes(csv.replace(b"1", b"2", 1))
    refused = anybody.json(
        "verify",
        folder / "receipt.json",
        *trust,
        "--release",
        folder / "changed.csv",
        "--salt",
        folder / "salt",
        code=1,
    )
    assert refused["error"]["code"] == "receipt-refused"
    receipt = (folder / "receipt.json").read_bytes()
    (folder / "changed.json").write_bytes(receipt.replace(story.job.encode(), b"job-0000000000000000"))
    if receipt.count(story.job.encode()) == 0:  # the id stands in base64 only: change a byte of a payload
        place = receipt.index(b'"payload":"') + 60
        other = b"A" if receipt[place : place + 1] != b"A" else b"B"
        (folder / "changed.json").write_bytes(receipt[:place] + other + receipt[place + 1 :])
    anybody("verify", folder / "changed.json", *trust, code=1)


def test_the_auditor_computes_the_released_table_again(story: Story) -> None:
    auditor = story.airports.auditor
    found = auditor.json("log", "recompute", story.job)
    assert found["agrees"] is True
    assert found["release"].startswith("release-")
    assert "every participant recomputed and signed it" in auditor("log", "recompute", story.job).out
    refused = story.airports.operator.json("log", "recompute", story.job, code=1)
    assert refused["error"]["code"] == "not-permitted"


def test_an_owner_sees_what_all_answers_tell_at_most_of_one_aircraft_and_never_of_which(story: Story) -> None:
    jfk, config = story.airports.owner("JFK"), ("--config", story.airports.node("JFK"))
    found = jfk.json("node", "audit", *config)
    systems = {tuple(item["subject"] or ()): item for item in found["systems"]}
    assert {(), ("flights", "arr_delay")} <= systems.keys()
    for item in systems.values():
        assert 0 < item["highest"] <= item["cap"] == 0.25  # no flight is at two owners
        assert item["rows"] > 0
    assert story.job in systems["flights", "arr_delay"]["jobs"]
    seen = jfk("node", "audit", *config).out + json.dumps(found)
    aircraft = expected.ask(story.airports.parts(), "select distinct tailnum as name from flights")
    assert not [row for row in aircraft if row["name"] and row["name"] in seen]


def test_the_auditor_reads_exports_and_verifies_the_log(story: Story) -> None:
    auditor, export = story.airports.auditor, story.folder / "log.jsonl"
    events = [item["entry"]["event"] for item in auditor.json("log", "list", "--job", story.job)]
    for event in ("job.submitted", "job.permitted", "message.received", "job.released"):
        assert event in events
    assert auditor.json("log", "list", "--kind", "job.released")
    auditor("log", "export", "--out", export)
    assert "hash to the root" in auditor("log", "verify", "--file", export).out
    lines = export.read_text().splitlines()
    entry = json.loads(lines[3])
    leaf = entry["leaf"]
    lines[3] = json.dumps({**entry, "leaf": leaf[:-8] + ("AAAA" if leaf[-8:-4] != "AAAA" else "BBBB") + leaf[-4:]})
    export.write_text("\n".join(lines))
    auditor("log", "verify", "--file", export, code=1)


def test_owners_see_what_left_and_the_auditor_reconciles(story: Story) -> None:
    airports, records = story.airports, []
    for name in ("EWR", "JFK", "LGA"):
        config = ("--config", airports.node(name))
        records.append(story.folder / f"sent-{name}.json")
        airports.owner(name)("node", "export", *config, "--out", records[-1])
    sent = airports.owner("JFK").json("node", "sent", "--config", airports.node("JFK"))
    assert [entry["round"] for entry in sent if entry["job"] == story.job] == ["flags", "values", "sent"]
    assert "values" in airports.owner("JFK")("node", "sent", "--config", airports.node("JFK")).out
    status = airports.owner("JFK").json("node", "status", "--config", airports.node("JFK"))
    assert status["log_failure"] is None
    assert set(status["datasets"]) == {"flights", "planes"}
    assert airports.auditor("log", "reconcile", *records).out.count("node-") == 3


def test_usage_is_booked_once_per_owner(story: Story) -> None:
    rows = story.airports.auditor.json("usage")
    booked = {(row["operator"], row["owner"], row["dataset"], row["unit"]): row["amount"] for row in rows}
    for name in ("EWR", "JFK", "LGA"):
        assert booked["acme", name, "flights", "runs"] >= 1
        assert booked["acme", name, "flights", "cells"] > 300


def test_the_catalogue_shows_one_dataset_with_three_holders(story: Story) -> None:
    listed = story.airports.operator.json("data", "list")
    flights = next(item for item in listed if item["dataset"]["name"] == "flights")
    assert {holding["node"] for holding in flights["holdings"]} == {"node-EWR", "node-JFK", "node-LGA"}
    assert story.airports.operator.json("data", "show", "flights")["dataset"]["unit"] == "tailnum"


def test_a_draft_of_any_file(story: Story, tmp_path: Path) -> None:
    draft = tmp_path / "draft.yaml"
    owner = story.airports.owner("EWR")
    owner("data", "describe", story.airports.planes, "--name", "planes", "--unit", "tailnum", "--out", draft)
    assert {column["name"] for column in yaml.safe_load(draft.read_text())["columns"]} >= {"tailnum", "engine"}


def test_asking_the_same_again_shows_the_same_release_and_charges_nothing(story: Story) -> None:
    airports = story.airports
    before = airports.auditor.json("usage"), spent(airports)
    again = airports.operator.json("job", "submit", JOB)
    if again["state"] == "needs_approval":  # a new commitment needs new grants
        airports.federation.approve_all(again["id"])
    shown = airports.operator.json("job", "watch", again["id"])
    assert shown["state"] == "released"
    release = airports.operator.json("job", "release", again["id"])
    assert release["rows"] == story.seen["release"]["rows"]
    after = airports.auditor.json("usage"), spent(airports)
    assert [row["amount"] for row in after[0]] == [row["amount"] for row in before[0]]
    assert after[1] == before[1]


def spent(airports: Airports) -> list[dict[str, int]]:
    return [airports.federation.ask_node(name, {"do": "status"})["spent"] for name in airports.places.owners]
