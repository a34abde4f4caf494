"""Many callers at once: no job is lost, none is doubled, no grant is used beyond its runs, the log stays one tree."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from jobs.documents.ed25519 import decode_base64
from sandbox.audit import LogEntry

SQL = "SELECT carrier, COUNT(*) AS flights, AVG(delay) AS mean FROM flights GROUP BY carrier"


def test_the_same_key_from_many_threads_makes_one_job(world: Any) -> None:
    world.register_all()
    body = {"request": {"sql": SQL}, "commitment": world.commitment().to_json()}
    headers = {"Authorization": f"Bearer {world.tokens['acme']}", "Idempotency-Key": "one"}

    def submit(_: int) -> tuple[int, str]:
        response = world.client.post("/v1/jobs", json=body, headers=headers)
        return response.status_code, response.json()["id"]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(submit, range(16)))
    assert len({job for _, job in answers}) == 1
    assert sorted({status for status, _ in answers}) == [200, 201]
    assert [status for status, _ in answers].count(201) == 1
    assert len(world.call("GET", "/jobs", "acme")["items"]) == 1


def test_one_run_granted_is_one_permit_whoever_is_first(world: Any) -> None:
    """Three requests for one plan wait; the grants for one run arrive at once from three owners."""
    world.register_all()
    jobs = [world.submit()["id"] for _ in range(3)]
    requests = {owner: world.requests(owner)[0] for owner in ("ewr", "jfk", "lga")}

    def grant(owner: str) -> None:
        world.call("POST", "/grants", owner, json=world.signed_grant(owner, requests[owner]), status=201)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(grant, requests))
    states = sorted(world.state(job) for job in jobs)
    assert states == ["needs_approval", "needs_approval", "running"]
    world.run_nodes()
    assert sorted(world.state(job) for job in jobs) == ["needs_approval", "needs_approval", "released"]
    assert all(grant["used"] == 1 for grant in world.call("GET", "/grants", "auditor")["items"])


def test_all_nodes_posting_at_once_release_once(world: Any) -> None:
    world.register_all()
    job = world.submit()["id"]
    world.grant_all(job)
    with ThreadPoolExecutor(3) as pool:
        while [kind for kinds in pool.map(lambda node: node.work(), world.nodes.values()) for kind in kinds]:
            pass
    assert world.state(job) == "released"
    entries = world.call("GET", "/log/entries?limit=1000", "auditor")["items"]
    assert [item["index"] for item in entries] == list(range(len(entries)))
    assert [item["entry"]["event"] for item in entries].count("job.released") == 1
    assert all(LogEntry.read(decode_base64(item["leaf"])).actor for item in entries)
    world.cosign_all()
    world.call("GET", f"/jobs/{job}/receipt", "acme")
