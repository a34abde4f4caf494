"""The whole story through the ``unseen`` command, every step a process of its own, as people at their terminals."""

from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pytest
import yaml

from tests.e2e.conftest import EXAMPLES, Airports
from tests.support import expected

pytestmark = pytest.mark.e2e
JOB = EXAMPLES / "jobs" / "delay-by-carrier.yaml"


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
        select carrier, month, count(*) as flights, count(arr_delay) as n,
               sum(arr_delay)::bigint as total, sum(arr_delay * arr_delay)::bigint as squares
        from flights where tailnum is not null group by carrier, month
    """
    union = {(row["carrier"], row["month"]): row for row in expected.ask(story.airports.parts(), query)}
    compared = 0
    for row, hidden in zip(release["rows"], release["suppressed"], strict=True):
        cell = dict(zip(names, row, strict=True))
        truth = union.get((cell["carrier"], cell["month"]))
        if len(hidden) == 3 or truth is None:
            assert truth is None or set(hidden) == {"flights", "mean_delay", "deviation"}
            continue
        n, total = truth["n"], truth["total"]
        if "flights" not in hidden:
            assert cell["flights"] == expected.count(truth["flights"])
        if "mean_delay" not in hidden:
            assert Fraction(cell["mean_delay"]) == expected.mean(total, n)
        if "deviation" not in hidden:
            variance = (truth["squares"] - Fraction(total * total, n)) / (n - 1)
            assert expected.is_deviation(Fraction(cell["deviation"]), variance, n)
        compared += 3 - len(hidden)
    assert compared == release["verdict"]["cells"] - release["verdict"]["suppressed"] > 300


def test_the_files_hold_the_same_table(story: Story) -> None:
    release = story.seen["release"]
    with pa.ipc.open_file(story.folder / "release.arrow") as reader:
        table = reader.read_all()
    assert table.num_rows == len(release["rows"])
    counts = [row[2] for row in release["rows"]]
    assert table.column("flights").to_pylist() == counts
    text = (story.folder / "release.csv").read_text()
    assert release["source_line"] in text
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    parsed = pa_csv.read_csv(pa.BufferReader("\n".join(lines).encode()))
    assert parsed.num_rows == len(counts)


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
