"""The operator's side of an approval: the signed use commitment (承诺书)."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from jobs.documents import Commitment, Envelope, Period, SigningKey
from jobs.schema import Digest


def request_of(job: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Kind and request of a job file: ``kind`` and ``request``, or ``sql`` and ``parameters`` for a statistic."""
    if "request" in job:
        return str(job.get("kind", "statistics")), dict(job["request"])
    return "statistics", {"sql": job["sql"], "parameters": dict(job.get("parameters") or {})}


def build_commitment(
    operator: str,
    datasets: Sequence[str],
    plans: Sequence[Digest],
    scenario: str,
    purpose: str,
    start: datetime,
    end: datetime,
    key: SigningKey,
    *,
    security_measures: str = "Results are kept on the operator's own systems, readable by the named project only.",
    disposal: str = "Results are deleted when the period ends.",
    feedback: str = "A usage report is sent to the owners when the period ends.",
) -> Envelope:
    """Return the commitment signed with the operator's own key, which never leaves its machine (R6).

    ``plans`` come from ``Preview.plan_digest``, which is computed here from the plan itself: no hub can have another
    plan run in the operator's name.
    """
    return Commitment(
        id=f"commitment-{secrets.token_hex(6)}",
        operator=operator,
        issued=start,
        datasets=tuple(datasets),
        plans=tuple(plans),
        scenario=scenario,
        purpose=purpose,
        security_measures=security_measures,
        period=Period(start=start, end=end),
        disposal=disposal,
        feedback=feedback,
    ).sign(key)
