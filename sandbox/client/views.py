"""What the hub says about a job, typed. Fields that this client does not know are kept in ``raw``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jobs.documents import json_digest
from jobs.kinds.base import Forecast
from jobs.kinds.registry import kind_of
from jobs.schema import Digest
from sandbox.client import answers
from sandbox.errors import IntegrityFailure
from sandbox.notebook import bullets, folded, paragraph, words

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
FINAL = frozenset({"released", "failed", "denied", "cancelled", "expired"})


@dataclass(frozen=True)
class Scan:
    """What one node says of its own scan, as the hub relays it: ``percent`` of the rows that it reads."""

    node: str
    percent: int
    seconds_left: int

    @classmethod
    def read(cls, value: Mapping[str, Any]) -> Scan:
        try:
            return cls(str(value["node"]), int(value["percent"]), int(value["seconds_left"]))
        except (KeyError, TypeError, ValueError):
            raise IntegrityFailure("the hub says how far a scan is in a shape that is none") from None


@dataclass(frozen=True)
class Job:
    id: str
    state: str
    progress: str
    operator: str
    kind: str
    plan: Mapping[str, Any] = field(repr=False)
    plan_digest: str = ""
    words: Mapping[str, Any] = field(default_factory=dict, repr=False)
    reasons: tuple[Mapping[str, Any], ...] = ()
    failure: Mapping[str, Any] | None = None
    scans: tuple[Scan, ...] = ()
    """How far the nodes say they are with long scans; those of short ones say nothing."""
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def read(cls, value: Mapping[str, Any]) -> Job:
        return cls(
            id=job_id(value["id"]),
            state=str(value["state"]),
            progress=str(value.get("progress", "")),
            operator=str(value.get("operator", "")),
            kind=str(value.get("kind", "")),
            plan=value.get("plan") or {},
            plan_digest=str(value.get("plan_digest", "")),
            words=value.get("words") or {},
            reasons=tuple(value.get("reasons") or ()),
            failure=value.get("failure"),
            scans=tuple(Scan.read(item) for item in value.get("scans") or ()),
            raw=value,
        )

    def after(self, event: Mapping[str, Any]) -> Job:
        """This job with what a ``state`` event says has changed."""
        if not isinstance(event, dict):
            raise IntegrityFailure("the hub tells a change of a job in a shape that is none")
        return Job.read({**self.raw, **event})

    @property
    def is_final(self) -> bool:
        return self.state in FINAL

    @property
    def waiting_for(self) -> tuple[str, ...]:
        """The owners whose grant is missing, each once, in the hub's order."""
        return tuple(dict.fromkeys(str(reason["owner"]) for reason in self.reasons if reason.get("owner")))

    def _repr_html_(self) -> str:
        failure = () if self.failure is None else (self.failure.get("detail") or self.failure.get("code"),)
        head = paragraph(f"job {self.id}: {self.state.replace('_', ' ')}")
        plan = words(str(self.words.get("text", "")))
        return head + bullets([*map(reason_text, self.reasons), *failure]) + folded("plan in words", plan)

    @property
    def seconds_left(self) -> int | None:
        """Of the scans, as the slowest node estimates it; ``None`` while none says so."""
        return max((scan.seconds_left for scan in self.scans), default=None)


@dataclass(frozen=True)
class Preview:
    """What would happen if this were submitted now; nothing was stored."""

    kind: str
    plan: Mapping[str, Any] = field(repr=False)
    words: Mapping[str, Any]
    decision: str
    reasons: tuple[Mapping[str, Any], ...]
    replay_of: str | None
    """The job whose release would answer it, at no charge."""
    raw: answers.PlanShown = field(repr=False)

    @property
    def plan_digest(self) -> Digest:
        """Of the plan as this machine parsed it, whatever the hub says its digest is."""
        kind = kind_of(self.kind)
        return json_digest(kind.to_json(kind.read(self.plan)))

    def _repr_html_(self) -> str:
        decision = paragraph(f"decision now: {self.decision.replace('_', ' ')}")
        return words(str(self.words.get("text", ""))) + decision + bullets(map(reason_text, self.reasons))

    @classmethod
    def read(cls, value: answers.PlanShown) -> Preview:
        return cls(
            str(value.get("kind", "")),
            value.get("plan") or {},
            value.get("words") or {},
            str(value.get("decision", "")),
            tuple(value.get("reasons") or ()),
            value.get("replay_of"),
            value,
        )


@dataclass(frozen=True)
class DryRun:
    """What a run would give, from plan and declarations alone; ``preview`` says what it still needs.

    ``forecast`` was made here, from the plan that this machine compiled too.
    """

    preview: Preview
    forecast: Forecast

    def text(self) -> str:
        """Plain text, one fact a line."""
        return self.forecast.text()

    def _repr_html_(self) -> str:
        return words(self.text())

    def to_json(self) -> dict[str, Any]:
        found = self.forecast.model_dump(mode="json")
        return {**found, "decision": self.preview.decision, "decision_reasons": list(self.preview.reasons)}


def reason_text(reason: Mapping[str, Any]) -> str:
    """A reason in words, with the owner who can change it."""
    text = str(reason.get("text") or reason.get("detail") or reason.get("code"))
    owner = reason.get("owner")
    return text if not owner or text.startswith(str(owner)) else f"{owner}: {text}"


def job_id(value: object) -> str:
    """An id from the hub that may stand in a command to be copied; raises ``IntegrityFailure`` for any other text."""
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise IntegrityFailure("the hub names a job by what is no job id: do not copy anything from its answers")
    return value
