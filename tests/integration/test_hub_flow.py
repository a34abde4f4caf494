"""One job from registration to a receipt that verifies offline, over the real API with real documents and masks."""

from __future__ import annotations

from typing import Any

from jobs.documents.ed25519 import decode_base64
from sandbox.verify.receipt import verify_receipt
from tests.integration.running_job import noisy_totals


def test_a_job_goes_from_submission_to_a_receipt_that_verifies(world: Any) -> None:
    world.register_all()
    job = world.submit()
    assert job["state"] == "needs_approval"
    assert {reason["owner"] for reason in job["reasons"]} == {"ewr", "jfk", "lga"}
    for owner in ("ewr", "jfk"):
        world.grant(owner, job["id"])
        assert world.state(job["id"]) == "needs_approval"
    world.grant("lga", job["id"])
    assert world.state(job["id"]) == "running"
    world.run_nodes()
    shown = world.call("GET", f"/jobs/{job['id']}", "acme")
    assert shown["state"] == "released", shown

    release = world.call("GET", f"/jobs/{job['id']}/release", "acme")
    assert [column["name"] for column in release["columns"]] == ["carrier", "flights", "mean"]
    by_carrier = {row[0]: row for row in release["rows"]}
    case = world.nodes["ewr"].runs[job["id"]].case
    (count,) = [aggregate for aggregate in case.plan.aggregates if aggregate.function == "count_rows"]
    counts = noisy_totals(case)[count.channels[0]]
    assert counts != [60, 60]
    assert [by_carrier[name][1] for name in ("AA", "DL")] == [5 * round(count / 5) for count in counts]
    errors = {row[0]: error[1] for row, error in zip(release["rows"], release["errors"], strict=True)}
    assert errors == {"AA": "5.2", "DL": "5.2", "B6": None}  # of three parts: 3 times the root of 3
    assert release["suppressed"][[row[0] for row in release["rows"]].index("B6")] == ["flights", "mean"]
    assert by_carrier["B6"] == ["B6", None, None]
    assert "EWR airport" in release["source_line"]

    pending = world.call("GET", f"/jobs/{job['id']}/receipt", "acme", status=409)
    assert pending["code"] == "not-yet"
    assert "node-ewr" in pending["detail"]
    world.cosign_all()
    response = world.client.get(
        f"/v1/jobs/{job['id']}/receipt", headers={"Authorization": f"Bearer {world.tokens['auditor']}"}
    )
    csv = world.call("GET", f"/jobs/{job['id']}/files/csv", "acme")
    salt = decode_base64(release["salt"])
    verified = verify_receipt(response.content, world.trust, world.clock(), csv, salt)
    assert verified.release.document.job == job["id"]
    assert verified.output is not None
    assert verified.cosigned.witnesses == ("witness-1",)


def test_a_job_in_which_no_cell_passes_is_released_with_every_cell_suppressed(world: Any) -> None:
    """Nothing is opened at all: the values round carries no element, and the table shows marks only."""
    world.register_all()
    sql = "SELECT carrier, COUNT(*) AS flights, AVG(delay) AS mean FROM flights WHERE carrier = 'B6' GROUP BY carrier"
    job = world.submit(sql=sql)["id"]
    world.grant_all(job)
    for node in world.nodes.values():
        node.only_carrier = "B6"
    world.run_nodes()
    release = world.call("GET", f"/jobs/{job}/release", "acme")
    assert all(set(names) == {"flights", "mean"} for names in release["suppressed"])
    assert release["release"]["payload"]
    assert release["verdict"]["suppressed"] == release["verdict"]["cells"]
