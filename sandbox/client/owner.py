"""The owner's side of an approval: rendered and signed on the owner's machine, from the bytes that it signs."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jobs.documents import (
    Commitment,
    DataScope,
    DataUse,
    Denial,
    Envelope,
    ExactVersion,
    Grant,
    OutputRule,
    ParameterRule,
    Participant,
    Period,
    Revocation,
    Roster,
    Terms,
    Verified,
    VersionSeries,
    canonical,
    verify_commitment,
)
from jobs.documents.ed25519 import SigningKey
from jobs.errors import OutOfScope
from jobs.kinds.statistics.opening import ALGORITHM
from jobs.kinds.statistics.plan.types import Plan
from jobs.schema import Digest, Scalar
from sandbox.client.views import job_id

STANDARD_TERMS = Terms(
    mode="Statistics over masked parts, or of one part that its owner's node rounds; raw data stays at the node.",
    volume="As many runs as this grant names.",
    conditions="Results are used for the stated scenario only and cite their source.",
    prohibited_uses="Re-identification, linkage to persons, resale of results.",
    security_duties="The operator protects its token and key and reports incidents at once.",
    confidentiality="Results may be published unless the grant says otherwise.",
    revenue_share="None: public-good use.",
    disposal="As the operator's commitment says.",
    feedback="As the operator's commitment says.",
    breach_and_exit="The owner may revoke at any moment; later runs are refused at its node.",
    signatories=("data owner",),
)


@dataclass(frozen=True)
class Review:
    """One request as the owner's own machine understands it: verified commitment, plan, own data, roster."""

    job: str
    operator: str
    plan: Plan
    parameters: Mapping[str, Scalar]
    commitment: Verified[Commitment]
    data: tuple[DataUse, ...]
    """What this owner's nodes would read: dataset, columns, version."""
    participants: tuple[str, ...]
    output: OutputRule
    roster: Verified[Roster]

    @classmethod
    def read(cls, value: Mapping[str, Any], roster: Verified[Roster], now: datetime) -> Review:
        """Check what the hub relays; raises a ``JobError``. The plan is parsed anew, its digest computed here."""
        plan = Plan.model_validate(value["plan"])
        commitment = verify_commitment(Envelope.from_json(value["commitment"]), roster, now)
        data = tuple(DataUse.model_validate_json(canonical(item)) for item in value["data"])
        if plan.holders != len(value["participants"]):
            raise OutOfScope("participants", "the plan adds another number of parts than the request has participants")
        return cls(
            job=job_id(value["id"]),
            operator=commitment.document.operator,
            plan=plan,
            parameters=dict(value.get("parameters") or {}),
            commitment=commitment,
            data=data,
            participants=tuple(value["participants"]),
            output=OutputRule.model_validate(value["output"]),
            roster=roster,
        )

    def bound_participants(self) -> tuple[Participant, ...]:
        """The participants with owner and key as the owner's own roster names them; raises ``UnknownSigner``."""
        roster = self.roster.document
        return tuple(
            Participant(node=node, owner=roster.owner_of(node).id, key=roster.node(node).key)
            for node in self.participants
        )


def build_grant(
    review: Review,
    owner: str,
    keys: Sequence[SigningKey],
    now: datetime,
    end: datetime,
    runs: int,
    *,
    allowed: Mapping[str, Sequence[Scalar]] | None = None,
    series: Mapping[str, VersionSeries] | None = None,
    terms: Terms = STANDARD_TERMS,
) -> Envelope:
    """Return the owner's grant for exactly this request, signed on this machine.

    ``allowed`` widens parameters beyond the values asked for; ``series`` grants, by dataset, every version of a
    schema and frequency up to a date, instead of the present version alone (a choice to make knowingly).
    """
    parameters = {name: tuple((allowed or {}).get(name, (value,))) for name, value in review.parameters.items()}
    grant = Grant(
        id=f"grant-{secrets.token_hex(6)}",
        owner=owner,
        issued=now,
        operator=review.operator,
        commitment=review.commitment.digest,
        scenario=review.commitment.document.scenario,
        purpose=review.commitment.document.purpose,
        algorithm=ALGORITHM,
        plan_digest=review.plan.digest(),
        parameters=tuple(ParameterRule(name=name, allowed=values) for name, values in sorted(parameters.items())),
        data=tuple(
            DataScope(dataset=name, columns=columns, version=_version(review, name, series or {}))
            for name, columns in review.plan.columns_touched().items()
        ),
        period=Period(start=now, end=end),
        runs=runs,
        output=review.output,
        participants=review.bound_participants(),
        terms=terms,
    )
    return grant.sign(*keys)


def build_denial(
    review: Review, owner: str, keys: Sequence[SigningKey], now: datetime, reasons: Sequence[str]
) -> Envelope:
    """Return the owner's reasoned refusal."""
    return Denial(
        id=f"denial-{secrets.token_hex(6)}",
        owner=owner,
        issued=now,
        operator=review.operator,
        request=review.job,
        plan=review.plan.digest(),
        reasons=tuple(reasons),
    ).sign(*keys)


def build_revocation(owner: str, grant: Digest, keys: Sequence[SigningKey], now: datetime, reason: str) -> Envelope:
    """Return the signed revocation: give it to the owner's node first, then to the hub."""
    return Revocation(
        id=f"revocation-{secrets.token_hex(6)}", owner=owner, issued=now, grant=grant, reason=reason
    ).sign(*keys)


def _version(review: Review, name: str, series: Mapping[str, VersionSeries]) -> ExactVersion | VersionSeries:
    if name in series:
        return series[name]
    versions = {use.version for use in review.data if use.dataset == name}
    if len(versions) != 1:
        raise OutOfScope("data", f"the request names no single version of {name} that this owner holds")
    return ExactVersion(commitment=versions.pop())
