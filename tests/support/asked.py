"""A request as an honest hub relays it to an owner: real keys and documents, two datasets, three owners; no processes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from jobs.disclosure.profile import load_profile
from jobs.documents import (
    Envelope,
    StatusList,
    Verified,
    digest,
    json_digest,
    verify_status,
)
from jobs.kinds.statistics.plan.compile import compile_sql
from jobs.kinds.statistics.plan.types import Plan
from jobs.schema import CatalogueView, Dataset, Holding, OwnerId
from sandbox.client.review import Review
from tests.support.signed import OWNERS, Parties, key

NOW: Final = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
"""Commands read the clock, so these documents are of today."""
SQL: Final = (
    "SELECT carrier, engines, AVG(delay) AS mean, COUNT(*) AS n FROM flights JOIN planes USING (tail) "
    "WHERE cause IN ('crew', 'O''Hare') AND delay >= :least AND day < '2013-07-01' AND note IS NOT NULL "
    "GROUP BY carrier, engines HAVING n > :few ORDER BY mean DESC LIMIT 50"
)
PARAMETERS: Final[Mapping[str, Any]] = {"least": 5, "few": 10}


def flights() -> dict[str, Any]:
    number = {"type": "int", "role": "measure"}
    columns = [
        {"name": "tail", "type": "string", "role": "unit", "unit_domain": "aircraft", "nullable": False},
        {"name": "carrier", "type": "string", "role": "known", "domain": ["AA", "DL", "国航"], "title": "承运人"},
        {
            "name": "cause",
            "type": "string",
            "role": "sensitive",
            "domain": ["crew", "O'Hare", "none"],
            "grade": "important",
        },
        {"name": "note", "type": "string", "role": "known"},
        {"name": "day", "type": "date", "role": "known", "bounds": {"low": "2013-01-01", "high": "2013-12-31"}},
        {
            "name": "delay",
            **number,
            "bounds": {"low": "-100", "high": "2000"},
            "cut_points": ["5", "6", "7", "15", "60"],
        },
    ]
    return {"name": "flights", "columns": columns, "unit": "tail", "legal_basis": "open data", "title": "航班"}


def planes() -> dict[str, Any]:
    columns = [
        {"name": "tail", "type": "string", "role": "unit", "unit_domain": "aircraft", "nullable": False},
        {"name": "engines", "type": "int", "role": "known", "domain": [1, 2, 4], "nullable": False},
    ]
    return {"name": "planes", "columns": columns, "unit": "tail", "legal_basis": "law", "unique_keys": [["tail"]]}


DATASETS: Final = {"flights": Dataset.model_validate(flights()), "planes": Dataset.model_validate(planes())}


def declared(name: str) -> dict[str, Any]:
    """What an honest hub shows of a dataset."""
    return DATASETS[name].model_dump(mode="json")


PARTIES: Final = Parties(NOW)
ROSTER: Final = PARTIES.trusted


def status(**changed: Any) -> Envelope:
    """The authority's status list as an honest hub shows it."""
    return PARTIES.status(**changed).sign(key("status"))


STATUS: Final = verify_status(status(), ROSTER, NOW)


def record(owner: str, name: str, signer: str | None = None, **changed: Any) -> Envelope:
    dataset = changed.pop("declarations", DATASETS[name])
    plain = {"dataset": name, "version": digest(f"{owner}/{name}".encode()), "rows_at_most": 200_000}
    return PARTIES.record(owner, dataset, **(plain | changed)).sign(key(signer or owner))


def plan_of(sql: str = SQL, owners: tuple[str, ...] = OWNERS) -> Plan:
    held = [
        Holding(
            dataset=name, owner=OwnerId(owner), node=f"node-{owner}", provider=owner, version_commitment="", max_rows=200_000
        )
        for owner in owners
        for name in DATASETS
    ]  # fmt: skip
    return compile_sql(sql, CatalogueView(datasets=tuple(DATASETS.values()), holdings=tuple(held)))


def commitment(plan: Any, **changed: Any) -> Envelope:
    """The operator's; ``plan`` as JSON, whatever it is: an operator may be in league with the hub."""
    plain = {"scenario": "delays", "purpose": "publish delays\nby carrier"}
    return PARTIES.commitment(json_digest(plan), DATASETS, **(plain | changed)).sign(key("acme"))


def item(plan: Any = None, owners: tuple[str, ...] = OWNERS, sql: str = SQL, **changed: Any) -> dict[str, Any]:
    """One item of ``GET /requests``."""
    planned = plan if plan is not None else plan_of(sql, owners).model_dump(mode="json")
    profile = load_profile("standard@2")
    output = {"form": "aggregate", "profile": profile.name, "version": profile.version, "digest": profile.digest}
    read = sorted(planned["schema_digests"])
    value = {
        "id": "job-1",
        "operator": "acme",
        "kind": "statistics",
        "plan": planned,
        "parameters": {name: value for name, value in PARAMETERS.items() if f":{name}" in sql},
        "commitment": commitment(planned).to_json(),
        "participants": [f"node-{owner}" for owner in owners],
        "records": [record(owner, name).to_json() for owner in owners for name in read],
        "output": output,
    }
    return value | changed


def review(
    value: Mapping[str, Any] | None = None, show: Any = declared, listed: Verified[StatusList] | None = None
) -> Review:
    return Review.read(value if value is not None else item(), ROSTER, listed or STATUS, NOW, show)
