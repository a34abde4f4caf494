"""A request as it would run now: who takes part, which data versions, which output rule, hence which permit.

Built anew each time it is decided on, from the catalogue of the moment: a data version that changed since a grant was
signed shows up as a difference, and the grant does not cover it any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Row

from jobs.disclosure.profile import load_profile
from jobs.documents import (
    PROTOCOL_VERSION,
    Commitment,
    DatasetRecord,
    DataUse,
    OutputRule,
    Permit,
    Roster,
    StatusList,
    Verified,
    json_digest,
    parse_json,
    verify_commitment,
)
from jobs.kinds.base import Kind, Reading
from jobs.kinds.registry import algorithm_of, kind_of
from jobs.schema import CatalogueView, Digest, Scalar
from sandbox.errors import InvalidSpec
from sandbox.hub.core.hub import Hub
from sandbox.hub.people.status import current_status
from sandbox.hub.requests.catalogue import Catalogue, catalogue_of
from sandbox.hub.running.running_job import stored_plan, stored_plan_json
from sandbox.policy.decide import Case


@dataclass(frozen=True)
class Request:
    """What an operator asks for: compiled, with its values, and what it committed to (None in a preview)."""

    job: str
    operator: str
    kind: Kind
    asked: dict[str, Any]
    """The request as the operator wrote it; the kind's own shape."""
    plan: Any
    plan_json: dict[str, Any]
    plan_digest: Digest
    parameters: dict[str, Scalar]
    commitment: Verified[Commitment] | None

    @property
    def committed(self) -> Verified[Commitment]:
        """The commitment that every stored job has; raises ``InvalidSpec`` in a preview."""
        if self.commitment is None:
            raise InvalidSpec("a job needs the operator's signed commitment")
        return self.commitment

    @property
    def spec(self) -> Digest:
        """Names the request in release and log."""
        bound = self.commitment.digest if self.commitment else None
        return spec_digest(bound, self.kind.name, self.asked)


@dataclass(frozen=True)
class Setting:
    """The catalogue, roster and status list at the moment of a decision."""

    roster: Verified[Roster]
    status: Verified[StatusList] | None
    catalogue: Catalogue
    now: datetime

    @property
    def view(self) -> CatalogueView:
        return self.catalogue.view

    @property
    def records(self) -> tuple[Verified[DatasetRecord], ...]:
        return self.catalogue.records

    @classmethod
    def at(cls, hub: Hub, connection: Connection, now: datetime) -> Setting:
        roster = hub.roster()
        status = current_status(hub, connection, roster, now)
        return cls(roster, status, catalogue_of(hub, connection, roster), now)


def build_case(hub: Hub, request: Request, setting: Setting) -> Case:
    """The decision's input. Raises ``InvalidSpec`` if a participant lacks a dataset."""
    permit = draft_permit(hub, request, setting)
    envelope = permit.sign(hub.key)
    drafted = Verified(permit, envelope, frozenset((hub.key.public,)))  # only compared with grants, never sent
    return Case(drafted, request.commitment, records_of(permit, setting.records), setting.roster)


def draft_permit(hub: Hub, request: Request, setting: Setting) -> Permit:
    """The order to run this request now, but for its grants: they are chosen by comparing them with it."""
    readings = request.kind.readings(request.plan, setting.view)
    participants = tuple(dict.fromkeys(reading.node for reading in readings))
    commitment = request.commitment
    issued = setting.now.replace(microsecond=0)
    deadline = issued + timedelta(seconds=hub.config.job_seconds)
    if setting.status is not None:
        deadline = min(deadline, setting.status.document.expires)  # no run outlives the list that allows it
    return Permit(
        id=hub.random_id("permit"),
        nonce=hub.rng(32).hex(),
        job=request.job,
        protocol=PROTOCOL_VERSION,
        operator=request.operator,
        scenario=commitment.document.scenario if commitment else "not committed yet",
        commitment=commitment.digest if commitment else request.plan_digest,
        algorithm=algorithm_of(request.kind),
        plan_digest=request.plan_digest,
        plan=request.plan_json,
        parameters=request.parameters,
        data=tuple(_data(readings, setting.records)),
        grants=(request.plan_digest,),
        participants=participants,
        roster=setting.roster.digest,
        status=setting.status.digest if setting.status else request.plan_digest,
        output=output_rule(request.kind.form, request.kind.profile(request.plan)),
        issued_at=issued,
        expires_at=min(issued + timedelta(seconds=hub.config.permit_seconds), deadline),
        deadline=deadline,
    )


def replay_key(permit: Permit) -> Digest:
    """Equal for requests whose answer is the same by definition: plan, values, data, output rule, people, machines."""
    data = sorted([use.node, use.dataset, use.version] for use in permit.data)
    return json_digest(
        {
            "data": data,
            "operator": permit.operator,
            "output": permit.output.model_dump(mode="json"),
            "parameters": permit.parameters,
            "participants": permit.participants,
            "plan": permit.plan_digest,
        }
    )


def records_of(permit: Permit, records: Iterable[Verified[DatasetRecord]]) -> tuple[Verified[DatasetRecord], ...]:
    """The record of each data version that the permit names."""
    used = {(use.node, use.dataset, use.version) for use in permit.data}
    return tuple(r for r in records if (r.document.node, r.document.dataset, r.document.version) in used)


@lru_cache(maxsize=64)
def output_rule(form: str, profile_id: str) -> OutputRule:
    profile = load_profile(profile_id)
    return OutputRule.model_validate(
        {"form": form, "profile": profile.name, "version": profile.version, "digest": profile.digest}
    )


def spec_digest(commitment: Digest | None, kind: str, asked: Mapping[str, Any]) -> Digest:
    """Names a request, in release, log and idempotency."""
    return json_digest({"commitment": commitment, "kind": kind, "request": dict(asked)})


def stored_request(hub: Hub, row: Row[Any], roster: Verified[Roster]) -> Request:
    """Read a job's row back; raises ``BadSignature`` if the operator's keys have changed since."""
    body = parse_json(row.request.encode())
    commitment = hub.verified_once.verified(verify_commitment, bytes(row.commitment_envelope), roster)
    kind, plan = kind_of(row.kind), stored_plan(row.kind, row.plan)
    plan_json, plan_digest = stored_plan_json(row.plan), Digest(row.plan_digest)
    return Request(
        row.id, row.operator, kind, body["request"], plan, plan_json, plan_digest, body["parameters"], commitment
    )


def _data(readings: Iterable[Reading], records: Iterable[Verified[DatasetRecord]]) -> Iterable[DataUse]:
    versions = {(r.document.node, r.document.dataset): r.document.version for r in records}
    for reading in readings:
        if (version := versions.get((reading.node, reading.dataset))) is None:
            raise InvalidSpec(f"{reading.node} takes part but holds no {reading.dataset}: ask its owner")
        yield DataUse(node=reading.node, dataset=reading.dataset, columns=reading.columns, version=version)
