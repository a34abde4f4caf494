"""The auditor's commands over real processes: the log listed, exported and verified offline; jobs and columns audited."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from jobs.documents.ed25519 import decode_base64, encode_base64
from sandbox.client import Job, build_denial
from tests.support import toy
from tests.support.cli import Person, auditor
from tests.support.ground import Ground, open_ground

pytestmark = pytest.mark.e2e
BY_LINE = "SELECT line, COUNT(*) AS trips FROM trips GROUP BY line"
DELAYS = "SELECT zone, AVG(delay) AS mean FROM trips WHERE tour >= :least GROUP BY zone"


@dataclass
class Audit:
    ground: Ground
    person: Person
    folder: Path
    counted: Job
    delayed: Job
    waiting: Job


@pytest.fixture(scope="module")
def audit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Audit]:
    with open_ground(tmp_path_factory.mktemp("audit")) as ground:
        counted, delayed = ground.run(BY_LINE), ground.run(DELAYS)
        for job in (counted, delayed):
            assert ground.ended(job.id).state == "released"
            ground.check_receipt(job.id)
            ground.settled(job.id)
        folder = tmp_path_factory.mktemp("auditor")
        yield Audit(ground, auditor(ground.places), folder, counted, delayed, ground.ask(BY_LINE))


def jobs_of(entries: list[dict[str, object]]) -> set[str]:
    return {str(item["entry"]["facts"]["job"]) for item in entries if "job" in item["entry"]["facts"]}  # type: ignore[index]


def test_the_log_is_filtered_by_job_kind_column_dataset_owner_operator_and_time(audit: Audit) -> None:
    listed = audit.person.json("log", "list", "--column", "trips.delay")
    assert jobs_of(listed) == {audit.delayed.id}
    every = {audit.counted.id, audit.delayed.id, audit.waiting.id}
    assert jobs_of(audit.person.json("log", "list", "--operator", "acme", "--limit", "500")) == every
    assert jobs_of(audit.person.json("log", "list", "--operator", "rival")) == set()
    assert jobs_of(audit.person.json("log", "list", "--owner", "B", "--limit", "500")) == every
    of_data = audit.person.json("log", "list", "--dataset", "trips", "--kind", "dataset.registered")
    assert len(of_data) == len(toy.OWNERS)
    assert audit.person.json("log", "list", "--until", "2020-01-01") == []
    assert audit.person.json("log", "list", "--since", "2020-01-01", "--kind", "job.released")


def test_what_the_log_cannot_have_is_refused_with_what_was_meant(audit: Audit) -> None:
    kind = audit.person.json("log", "list", "--kind", "job.relased", code=1)["error"]
    assert "job.released" in kind["detail"]
    column = audit.person.json("log", "list", "--column", "trips.dely", code=1)["error"]
    assert "delay" in column["detail"]


def test_pages_go_on_where_the_last_one_ended(audit: Audit) -> None:
    whole = audit.person.json("log", "list", "--limit", "500")
    first = audit.person.json("log", "list", "--limit", "5")
    rest = audit.person.json("log", "list", "--limit", "500", "--after", str(first[-1]["index"]))
    assert first + rest == whole
    assert f"--after {first[-1]['index']}" in audit.person("log", "list", "--limit", "5").out


def test_it_is_written_as_csv_and_json_and_never_over_a_file(audit: Audit) -> None:
    table, tree = audit.folder / "log.csv", audit.folder / "log.json"
    audit.person("log", "list", "--job", audit.counted.id, "--out", table)
    audit.person("log", "list", "--job", audit.counted.id, "--out", tree)
    rows = list(csv.DictReader(table.open()))
    assert [int(row["index"]) for row in rows] == [item["index"] for item in json.loads(tree.read_text())]
    assert "already" in audit.person("log", "list", "--out", table, code=1).err


def test_an_export_is_verified_without_a_hub_and_no_other_is(audit: Audit) -> None:
    export = audit.folder / "log.jsonl"
    audit.person("log", "export", "--out", export, "--wait", "20")
    offline = Person({"UNSEEN_TRUST": str(audit.ground.places.trust), "UNSEEN_HUB": "http://127.0.0.1:9"})
    found = offline.json("log", "verify", "--file", export)
    assert set(found["cosigned"]) == {"node-A", "node-B", "node-C", "witness"}
    assert not [check for check in found["checks"] if check.startswith("not proven")]
    lines = export.read_text().splitlines()
    short = audit.folder / "short.jsonl"
    short.write_text("\n".join(lines[:-2]))
    assert "left out" in offline("log", "verify", "--file", short, code=1).err
    head = json.loads(lines[0])
    note, _, signatures = head["checkpoint"].partition("\n\n")
    alone = "\n".join([line for line in signatures.splitlines() if " witness " not in line]) + "\n"
    bare = audit.folder / "bare.jsonl"
    bare.write_text("\n".join([json.dumps({**head, "checkpoint": f"{note}\n\n{alone}"}), *lines[1:]]))
    unseen = offline.json("log", "verify", "--file", bare)["checks"]
    assert [check for check in unseen if check.startswith("not proven") and "witness" in check]
    entry = json.loads(lines[4])
    leaf = bytearray(decode_base64(entry["leaf"]))
    leaf[leaf.index(b'"salt":"') + 9] ^= 1
    changed = audit.folder / "changed.jsonl"
    changed.write_text("\n".join([*lines[:4], json.dumps({**entry, "leaf": encode_base64(bytes(leaf))}), *lines[5:]]))
    offline("log", "verify", "--file", changed, code=1)


def test_a_job_says_who_approved_under_which_version_and_what_left_when(audit: Audit) -> None:
    found = audit.person.json("audit", "job", audit.delayed.id)
    assert sorted(item["owner"] for item in found["approvals"]) == list(toy.OWNERS)
    assert all(item["at"] for item in found["approvals"])
    assert {(item["dataset"], item["label"], item["sequence"]) for item in found["reads"]} == {("trips", "2013", 1)}
    assert {item["round"] for item in found["left"]} >= {"flags", "values", "sent"}
    assert {item["node"] for item in found["left"]} == {"node-A", "node-B", "node-C"}
    assert [item["event"] for item in found["ended"]] == ["job.released"]
    shown = audit.person("audit", "job", audit.delayed.id).out
    assert "approved by A on" in shown
    assert "none is missing" in shown
    assert "unseen log recompute" in shown


def test_a_column_names_every_job_that_reads_it_and_what_is_not_proven(audit: Audit) -> None:
    found = audit.person.json("audit", "column", "trips.delay")
    assert [item["job"] for item in found["jobs"]] == [audit.delayed.id]
    whole = audit.person.json("audit", "column", "trips")
    assert [item["job"] for item in whole["jobs"]] == [audit.counted.id, audit.delayed.id, audit.waiting.id]
    checks = {item["job"]: item["checks"][0] for item in whole["jobs"]}
    assert checks[audit.waiting.id].startswith("not proven")
    assert "receipt that holds" in checks[audit.counted.id]
    assert "no column" in audit.person("audit", "column", "trips.nothing", code=1).err


def test_reconciling_judges_up_to_each_export(audit: Audit) -> None:
    """What a node sent after its export is no contradiction: it is counted, and judged with the next one."""
    records = []
    for owner in toy.OWNERS:
        records.append(audit.folder / f"sent-{owner}.json")
        answer = audit.ground.federation.ask_node(owner, {"do": "export"})
        records[-1].write_text(json.dumps(answer["record"]))
    job = audit.ground.run(DELAYS)
    assert audit.ground.ended(job.id).state == "released"
    said = audit.person("log", "reconcile", *records).out
    assert said.count("agrees") == len(toy.OWNERS)
    assert "export again" in said


def test_an_owner_may_read_what_it_took_part_in_and_no_more_is_claimed(audit: Audit) -> None:
    """A denial is an answer too."""
    with audit.ground.federation.owner("A") as owner:
        review = next(item for item in owner.reviews() if item.job == audit.waiting.id)
        now = datetime.now(UTC).replace(microsecond=0)
        owner.deny(build_denial(review, "A", audit.ground.federation.keys("A"), now, ["not this year"]))
    found = audit.person.json("audit", "job", audit.waiting.id)
    assert [item["event"] for item in found["ended"]] == ["denial.accepted", "job.denied"]
    assert found["left"] == []
