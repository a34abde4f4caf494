"""A whole small platform in one process: real keys, documents, hub and joint parties; only the data is toy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from jobs.documents import (
    DatasetRecord,
    DataUse,
    Envelope,
    Grant,
    OutputRule,
    Period,
    Roster,
    SigningKey,
    digest,
    json_digest,
)
from jobs.documents.ed25519 import decode_base64
from jobs.schema import Digest
from sandbox.audit import Cosigner, SeenLog
from sandbox.hub.api.app import create_app
from sandbox.hub.core.config import HubConfig
from sandbox.hub.core.hub import Hub
from sandbox.hub.people.tokens import Role, issue_token
from sandbox.hub.requests.catalogue import read_dataset
from sandbox.store.engine import sqlite_url
from sandbox.store.event import Actor
from sandbox.store.migrate import open_store
from tests.integration.participant import HUB, ORIGIN, Node
from tests.support.signed import DAY, OWNERS, Parties, key, participants, seeded

START = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
CARRIERS = ("AA", "B6", "DL")
SQL = "SELECT carrier, COUNT(*) AS flights, AVG(delay) AS mean FROM flights GROUP BY carrier"
PARTIES = Parties(START, hub=HUB)


def dataset_json() -> dict[str, Any]:
    columns = [
        {"name": "tail", "type": "string", "role": "unit", "unit_domain": "aircraft", "nullable": False},
        {"name": "carrier", "type": "string", "role": "known", "domain": list(CARRIERS), "nullable": False},
        {"name": "delay", "type": "int", "role": "measure", "bounds": {"low": "-100", "high": "2000"}},
    ]
    return {"name": "flights", "columns": columns, "unit": "tail", "legal_basis": "open data"}


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


@dataclass
class World:
    """The platform: ``call`` speaks to the API, the rest signs what people sign."""

    folder: Path
    clock: Clock = field(default_factory=Clock)
    tokens: dict[str, str] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    database: str | None = None

    def start(self) -> World:
        self.config = HubConfig(
            state=self.folder, trust=self.folder / "trust.json", database=self.database, **self.options
        )
        self.trust = PARTIES.trust
        self.store = open_store(self.database or sqlite_url(self.folder / "hub.sqlite"), self.clock)
        self.hub = Hub(self.config, self.store, key("hub"), self.trust)
        self.client = TestClient(create_app(self.config, self.hub), raise_server_exceptions=False)
        self.client.__enter__()
        if not self.tokens:
            self.nodes = {owner: Node(self, owner) for owner in OWNERS}
            self.witness_seen = SeenLog.nothing(ORIGIN)
            self._issue_tokens()
            self.call("POST", "/roster", "authority", json=self.roster_envelope().to_json(), status=201)
            self.publish_status(1)
        return self

    def stop(self) -> None:
        self.client.__exit__(None, None, None)
        self.store.close()

    def restart(self) -> None:
        """Drop the hub as a crash would (the database is all that survives) and open it again."""
        self.stop()
        self.start()

    def _issue_tokens(self) -> None:
        people = [(Role.OPERATOR, "acme"), (Role.OPERATOR, "rival"), (Role.AUDITOR, "auditor")]
        people += [(Role.AUTHORITY, "authority"), (Role.WITNESS, "witness-1")]
        people += [(Role.OWNER, owner) for owner in OWNERS] + [(Role.NODE, f"node-{owner}") for owner in OWNERS]
        for role, subject in people:
            end = START + timedelta(days=3660)
            issued = issue_token(self.store, role, subject, Actor("hub", "cli"), seeded(subject), end)
            self.tokens[subject] = issued.secret

    def roster(self, version: int = 1) -> Roster:
        return PARTIES.roster(version=version)

    def roster_envelope(self, version: int = 1) -> Envelope:
        return self.roster(version).sign(key("root"))

    def publish_status(self, number: int, status: int = 201, **changed: Any) -> Any:
        """The authority's list, good for a week."""
        roster = self.hub.roster()
        now = self.clock()
        made = PARTIES.status(
            number=number,
            issued=now,
            expires=now + 7 * DAY,
            roster=roster.digest,
            roster_version=roster.document.version,
        )
        envelope = made.model_copy(update=changed).sign(key("status"))
        return self.call("POST", "/status", "authority", json=envelope.to_json(), status=status)

    def call(self, method: str, path: str, who: str | None, status: int = 200, **options: Any) -> Any:
        headers = options.pop("headers", {}) | ({"Authorization": f"Bearer {self.tokens[who]}"} if who else {})
        response = self.client.request(method, f"/v1{path}", headers=headers, **options)
        assert response.status_code == status, (response.status_code, response.text)
        is_json = response.content and "json" in response.headers.get("content-type", "")
        return response.json() if is_json else response.content

    # what people sign

    def record(self, owner: str, sequence: int = 1, dataset: dict[str, Any] | None = None) -> DatasetRecord:
        version = digest(f"{owner}/{sequence}".encode())
        changed = {"sequence": sequence, "version": version, "label": f"v{sequence}", "frequency": "yearly"}
        return PARTIES.record(owner, read_dataset(dataset or dataset_json()), **changed)

    def register(self, owner: str, sequence: int = 1, dataset: dict[str, Any] | None = None, status: int = 201) -> Any:
        document = dataset or dataset_json()
        record = self.record(owner, sequence, document).sign(key(owner))
        body = {"dataset": document, "record": record.to_json()}
        return self.call("POST", "/datasets", owner, json=body, status=status)

    def register_all(self) -> None:
        for owner in OWNERS:
            self.register(owner)

    def plan_digest(self, sql: str, operator: str = "acme", parameters: Mapping[str, Any] | None = None) -> Digest:
        """What a preview names; any digest for a statement that is refused."""
        response = self.client.post(
            "/v1/plans",
            headers={"Authorization": f"Bearer {self.tokens[operator]}"},
            json={"request": {"sql": sql, "parameters": dict(parameters or {})}},
        )
        return Digest(response.json()["plan_digest"]) if response.status_code == 200 else digest(b"no plan")

    def commitment(
        self,
        operator: str = "acme",
        datasets: tuple[str, ...] = ("flights",),
        sql: str = SQL,
        parameters: Mapping[str, Any] | None = None,
        **changed: Any,
    ) -> Envelope:
        plan = self.plan_digest(sql, operator, parameters)
        asked = {
            "id": f"commitment-{operator}",
            "operator": operator,
            "scenario": "delays",
            "purpose": "publish delays",
        }
        return PARTIES.commitment(plan, datasets, **asked).model_copy(update=changed).sign(key(operator))

    def submit(self, sql: str = SQL, operator: str = "acme", status: int = 201, **options: Any) -> Any:
        headers = {"Idempotency-Key": options.pop("key")} if "key" in options else {}
        parameters = options.pop("parameters", {})
        commitment = options.pop("commitment", None) or self.commitment(operator, sql=sql, parameters=parameters)
        request = {"sql": sql, "parameters": parameters}
        body = {"request": request, "commitment": commitment.to_json()}
        return self.call("POST", "/jobs", operator, json=body, headers=headers, status=status)

    def requests(self, owner: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.call("GET", "/requests", owner)["items"]
        return found

    def grant_for(self, owner: str, request: Mapping[str, Any], **changed: Any) -> Grant:
        """What the owner's command line would make of a request."""
        grant = PARTIES.grant(
            owner,
            Envelope.from_json(request["commitment"]),
            json_digest(request["plan"]),
            [DataUse.model_validate({**use, "columns": tuple(use["columns"])}) for use in request["data"]],
            OutputRule.model_validate(request["output"]),
            request["parameters"],
            id=f"grant-{owner}-{request['id']}",
            issued=self.clock(),
            scenario=request["scenario"],
            purpose="publish delays",
            algorithm=request["algorithm"],
            period=Period(start=self.clock(), end=self.clock() + 30 * DAY),
            runs=1,
            participants=participants(request["participants"]),
        )
        return grant.model_copy(update=changed)

    def grant(self, owner: str, job: str, status: int = 201, **changed: Any) -> Any:
        request = next(item for item in self.requests(owner) if item["id"] == job)
        envelope = self.grant_for(owner, request, **changed).sign(key(owner))
        return self.call("POST", "/grants", owner, json=envelope.to_json(), status=status)

    def signed_grant(self, owner: str, request: Mapping[str, Any]) -> dict[str, Any]:
        return self.grant_for(owner, request).sign(key(owner)).to_json()

    def grant_all(self, job: str, **changed: Any) -> None:
        for owner in OWNERS:
            self.grant(owner, job, **changed)

    # what machines do

    def run_nodes(self) -> None:
        """Let all nodes answer until nobody has news."""
        while [kind for node in self.nodes.values() for kind in node.work()]:
            pass

    def cosign(self, name: str, signer: SigningKey, seen: SeenLog) -> SeenLog:
        self.call("GET", "/log/checkpoint", name)  # signs the log as it is now
        found = self.call("POST", "/log/follow", name, json={"size": seen.size})
        proof = [decode_base64(item) for item in found["consistency"]]
        cosigner = Cosigner(name, signer, ORIGIN, key("hub").public)
        step = cosigner.advance(seen, found["note"].encode(), proof, self.clock())
        line = {"size": step.seen.size, "line": step.signature.line}
        self.call("POST", "/log/follow", name, json={"size": step.seen.size, "cosignature": line})
        return step.seen

    def cosign_all(self) -> None:
        for node in self.nodes.values():
            node.cosign()
        self.witness_seen = self.cosign("witness-1", key("witness-1"), self.witness_seen)

    def state(self, job: str) -> str:
        return str(self.call("GET", f"/jobs/{job}", "acme")["state"])

    def released_job(self) -> str:
        """Registered, submitted, granted, run: a job that was released."""
        self.register_all()
        job = str(self.submit()["id"])
        self.grant_all(job)
        self.run_nodes()
        assert self.state(job) == "released"
        return job


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path).start()
    yield made
    made.stop()


@pytest.fixture
def make_world(tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Worlds with hub options of the test's own."""
    made: list[World] = []

    def make(**options: Any) -> World:
        folder = tmp_path / f"world-{len(made)}"
        folder.mkdir()
        made.append(World(folder, options=options).start())
        return made[-1]

    yield make
    for one in made:
        one.stop()
