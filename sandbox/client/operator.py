"""The operator's side of an approval: the signed use commitment (承诺书)."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from jobs.documents import Commitment, Envelope, Period, SigningKey, canonical
from jobs.errors import BadDocument
from jobs.schema import Digest

_ENDING: Final = timedelta(hours=1)
"""A commitment that ends sooner is not used again."""


@dataclass(frozen=True)
class Signer:
    """An operator's own key, and the folder where its commitments are kept.

    Grants name a commitment: a question that is asked again finds its grants only under the one that they name.
    """

    operator: str
    key: SigningKey = field(repr=False)
    folder: Path

    def commitment(
        self, plan: Digest, datasets: Sequence[str], scenario: str, purpose: str, start: datetime, end: datetime
    ) -> Envelope:
        """The commitment kept for exactly this plan, scenario and purpose while it is good, or a new one, kept."""
        named = canonical({"operator": self.operator, "plan": plan, "scenario": scenario, "purpose": purpose})
        file = self.folder / f"commitment-{hashlib.sha256(named).hexdigest()[:32]}.json"
        if file.exists():
            kept = Envelope.parse(file.read_bytes())
            found = Commitment.open(kept)
            same = (found.operator, found.plans, found.datasets, found.scenario, found.purpose)
            if same != (self.operator, (plan,), tuple(datasets), scenario, purpose):
                raise BadDocument(f"{file.name} is no commitment to this question: move it away")
            if found.period.start <= start and start + _ENDING < found.period.end:
                return kept
        signed = build_commitment(self.operator, datasets, [plan], scenario, purpose, start, end, self.key)
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.write_bytes(signed.encode())
        return signed


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
