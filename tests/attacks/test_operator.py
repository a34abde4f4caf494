"""What an operator, or somebody with a stolen or foreign token, could try over the public API."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from sandbox.keys import read_private
from tests.support import toy
from tests.support.expected import count_noise, is_noisy
from tests.support.ground import Ground

pytestmark = [pytest.mark.e2e]
BY_LINE = "SELECT zone, COUNT(*) AS trips FROM trips WHERE line = :which AND tour >= 40000 GROUP BY zone"
INJECTIONS = (
    "north' OR '1'='1",
    "north'; DROP TABLE trips; --",
    "' UNION SELECT note, 1 FROM trips --",
    "north\x00",
    "${jndi:ldap://x}",
    "{{7*7}}",
    "../../etc/passwd",
    "north) OR (1=1",
)
SQL = (
    "SELECT * FROM trips",
    "SELECT note FROM trips",
    "SELECT COUNT(*) AS n FROM trips; DROP TABLE trips",
    "SELECT COUNT(*) AS n FROM read_csv('/etc/passwd')",
    "SELECT COUNT(*) AS n FROM 'trips.parquet'",
    "SELECT COUNT(*) AS n FROM trips WHERE line = (SELECT note FROM trips LIMIT 1)",
    "SELECT COUNT(*) AS n FROM trips, trips AS t2",
    "COPY trips TO '/tmp/out.csv'",
    "ATTACH 'x.db'",
    "INSTALL httpfs",
    "PRAGMA database_list",
    "SET memory_limit='100GB'",
    "SELECT getenv('HOME') AS n FROM trips",
    "SELECT COUNT(*) AS n FROM information_schema.tables",
    "WITH RECURSIVE r AS (SELECT 1) SELECT COUNT(*) AS n FROM r",
    "SELECT string_agg(note, ',') AS n FROM trips",
    "SELECT line, FIRST(delay) AS n FROM trips GROUP BY line",
    "SELECT delay, COUNT(*) AS n FROM trips GROUP BY delay",
    "SELECT COUNT(*) AS n FROM trips WHERE random() < 0.5",
    "SELECT SUM(1/(delay-3)) AS n FROM trips",
    "",
    "\x00",
    "SELECT " + "(" * 3000 + "1" + ")" * 3000 + " FROM trips",
)


def token(ground: Ground, who: str) -> str:
    places = ground.places
    file = {
        "operator": places.operator("acme") / "token",
        "rival": places.operator("rival") / "token",
        "owner": places.owner("A") / "token",
        "node": places.node("A") / "node.token",
        "auditor": places.auditor / "token",
        "witness": places.witness / "token",
        "authority": places.root / "authority" / "token",
    }[who]
    return read_private(file).decode().strip()


def call(ground: Ground, who: str | None, method: str, path: str, **options: Any) -> httpx.Response:
    headers = options.pop("headers", {}) | ({"Authorization": f"Bearer {token(ground, who)}"} if who else {})
    return httpx.request(method, f"{ground.places.url}/v1{path}", headers=headers, timeout=60, **options)


def statistic(sql: str, **parameters: Any) -> dict[str, Any]:
    """A request of the kind ``statistics`` as the API takes it."""
    return {"kind": "statistics", "request": {"sql": sql, "parameters": parameters}}


@pytest.mark.parametrize("sql", SQL, ids=lambda sql: repr(sql[:40]))
def test_sql_that_is_no_statistic_is_a_typed_refusal(ground: Ground, sql: str) -> None:
    answer = call(ground, "operator", "POST", "/plans", json=statistic(sql))
    assert answer.status_code in (400, 403, 404, 422), answer.text
    assert answer.json()["code"] != "invalid-request"  # refused for what it asks, not for the form
    assert toy.CANARY_NOTE not in answer.text


def test_positive_control_a_statistic_is_planned(ground: Ground) -> None:
    assert call(ground, "operator", "POST", "/plans", json=statistic(toy.SQL, least=1)).status_code == 200


@pytest.mark.parametrize("value", INJECTIONS)
def test_a_parameter_is_a_value_and_nothing_else(ground: Ground, value: str) -> None:
    """Refused, or an answer over no row at all; never what the unfiltered question would give."""
    answer = call(ground, "operator", "POST", "/plans", json=statistic(BY_LINE, which=value))
    if answer.status_code != 200:
        assert answer.status_code in (400, 403, 422)
        assert answer.json()["code"]
        return
    job = ground.federation.submit({**toy.job(0, BY_LINE), "parameters": {"which": value}})
    ground.federation.approve_all(job.id)
    ended = ground.ended(job.id)
    if ended.state == "released":
        with ground.federation.operator() as client:
            table = client.table(job.id)
        assert all("trips" in hidden for hidden in table.suppressed)
    else:
        assert ended.failure is not None
        assert ended.failure["code"] != "node-fault"


def test_positive_control_an_honest_parameter_selects_its_rows(ground: Ground) -> None:
    job = ground.federation.submit({**toy.job(0, BY_LINE), "parameters": {"which": "north"}})
    ground.federation.approve_all(job.id)
    assert ground.ended(job.id).state == "released"
    table = ground.answer(job.id)
    owners = len(toy.OWNERS)
    exact = {1: 150, 2: 75, 3: 75}  # trips of the line in each zone
    assert {row[0] for row in table.rows} == set(exact)
    for (zone, trips), (_, error) in zip(table.rows, table.errors, strict=True):
        assert error is not None
        assert is_noisy(trips, error, exact[zone], count_noise(owners))


CALLS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("POST", "/plans", ("operator",)),
    ("POST", "/jobs", ("operator",)),
    ("GET", "/requests", ("owner",)),
    ("POST", "/grants", ("owner",)),
    ("POST", "/denials", ("owner",)),
    ("POST", "/revocations", ("owner",)),
    ("POST", "/datasets", ("owner",)),
    ("GET", "/nodes/node-A/inbox", ("node",)),
    ("POST", "/nodes/node-A/messages", ("node",)),
    ("POST", "/log/follow", ("node", "witness")),  # as with a cosignature
    ("POST", "/roster", ("authority",)),
    ("POST", "/status", ("authority",)),
    ("GET", "/usage", ("operator", "owner", "auditor", "authority")),
)
ROLES = ("operator", "owner", "node", "auditor", "witness", "authority")


@pytest.mark.parametrize(("method", "path", "allowed"), CALLS, ids=[f"{m} {p}" for m, p, _ in CALLS])
def test_a_token_opens_the_doors_of_its_role_only(
    ground: Ground, method: str, path: str, allowed: tuple[str, ...]
) -> None:
    """With a body that says nothing: the allowed role gets as far as being told so, the others are turned away."""
    options: dict[str, Any] = (
        {"json": {"payload": "e30=", "payloadType": "x", "signatures": []}} if method == "POST" else {}
    )
    bodies = {"/plans": statistic("x"), "/jobs": {**statistic("x"), "commitment": {}}, "/log/follow": {"size": 0, "cosignature": {"size": 1, "line": "x"}},
              "/datasets": {"dataset": {}, "record": {}}, "/nodes/node-A/messages": {"messages": [{}]}}  # fmt: skip
    if path in bodies:
        options = {"json": bodies[path]}
    for role in ROLES:
        answer = call(ground, role, method, path, **options)
        if role in allowed:
            assert answer.status_code not in (401, 403) or answer.json()["code"] not in ("not-permitted",), role
        else:
            assert (answer.status_code, answer.json()["code"]) == (403, "not-permitted"), role
    assert call(ground, None, method, path, **options).status_code == 401
    for header in ("Bearer", "Bearer x y", "Basic YTpi", "Bearer " + "A" * 5000, "bearer \xff"):
        answer = call(ground, None, method, path, headers={"Authorization": header.encode("latin-1")}, **options)
        assert answer.status_code == 401, header[:20]


def test_a_node_reads_its_own_inbox_only(ground: Ground) -> None:
    assert call(ground, "node", "GET", "/nodes/node-B/inbox").status_code == 403
    assert call(ground, "node", "GET", "/nodes/node-A/inbox").status_code == 200


def test_another_operators_commitment_is_refused(ground: Ground) -> None:
    """rival submits under what acme signed."""
    spec = toy.job(60000)
    signed = ground.federation.commitment(spec)
    body = {**statistic(spec["sql"], **spec["parameters"]), "commitment": signed.to_json()}
    answer = call(ground, "rival", "POST", "/jobs", json=body)
    assert (answer.status_code, answer.json()["code"]) == (403, "not-permitted")
    assert call(ground, "operator", "POST", "/jobs", json=body).status_code == 201


def test_grants_do_not_serve_another_operator(ground: Ground) -> None:
    job = ground.ask()
    ground.federation.approve_all(job.id, runs=5)
    assert ground.ended(job.id).state == "released"
    spec = {**toy.job(0), "parameters": dict(job.raw["parameters"])}
    mine = ground.federation.submit(spec, operator="rival")
    assert mine.state == "needs_approval"


def test_a_jobs_existence_is_not_told_to_strangers(ground: Ground) -> None:
    job = ground.ask()
    for path in ("", "/release", "/receipt", "/files/csv"):
        there = call(ground, "rival", "GET", f"/jobs/{job.id}{path}")
        nowhere = call(ground, "rival", "GET", f"/jobs/job-0000000000000000{path}")
        assert there.status_code == nowhere.status_code == 404
        assert there.json()["code"] == nowhere.json()["code"]
    with ground.federation.operator() as client:
        client.cancel(job.id)
