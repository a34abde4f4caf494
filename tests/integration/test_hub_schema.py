"""Property test over the OpenAPI document: whatever is sent, by whomever, the hub answers without a 5xx.

Uses schemathesis as a library: its generators make the requests, the hub's test client sends them.
"""

from __future__ import annotations

from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

OWNERS_CALLS = ("/grants", "/denials", "/revocations", "/requests", "/datasets")


def test_no_request_makes_the_hub_fail(world: Any) -> None:
    world.register_all()
    job = world.submit()["id"]
    schema = schemathesis.openapi.from_dict(world.client.get("/v1/openapi.json").json())
    read: list[Any] = list(schema.get_all_operations())
    operations = [result.ok() for result in read]
    # A stream of events ends with its job only: waiting for that is no test of bad input.
    tested = [operation for operation in operations if not operation.path.endswith("/events")]
    assert len(tested) > 25
    for operation in tested:
        cases = st.one_of(
            [
                operation.as_strategy(generation_mode=mode)
                for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)
            ]
        )
        attack(world, job, cases)


def attack(world: Any, job: str, cases: Any) -> None:
    @settings(
        max_examples=12, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    @given(case=cases, real=st.booleans())
    def run(case: Any, real: bool) -> None:
        send(world, job if real else None, case)

    run()


def send(world: Any, job: str | None, case: Any) -> None:
    arguments = case.as_transport_kwargs(base_url="http://testserver")
    parameters = {**(arguments.get("params") or {})}
    if "wait" in parameters:
        parameters["wait"] = "0"
    url = str(arguments["url"])
    if job is not None and "{job}" in case.path:
        url = "http://testserver" + case.path.replace("{job}", job)
    headers = {
        name: value for name, value in (arguments.get("headers") or {}).items() if name.lower() != "authorization"
    }
    headers["Authorization"] = f"Bearer {world.tokens[caller_of(case.path)]}"
    body = {name: arguments[name] for name in ("json", "data") if arguments.get(name) is not None}
    if "data" in body:
        body["content"] = body.pop("data")
    response = world.client.request(arguments["method"], url, params=parameters, headers=headers, **body)
    assert response.status_code < 500, (case.method, case.path, parameters, body, response.text)


def caller_of(path: str) -> str:
    """Someone whose call is not refused for the role alone."""
    if path.endswith(OWNERS_CALLS):
        return "ewr"
    if path.startswith("/v1/nodes") or path.endswith("follow"):
        return "node-ewr"
    if path in ("/v1/roster", "/v1/status"):
        return "authority"
    return "auditor" if path.endswith("/messages") else "acme"
