"""For an owner at its own node: which numbers of a request would be withheld there, and by which rule.

It is the judgement of ``party`` over the owner's own part, without a permit: nothing is masked, stored or sent. Bases
and contributors are counts of the owner's own individuals; whoever may open the node's socket may count them anyway.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np

from jobs.disclosure.gate import Gate, Verdict
from jobs.disclosure.part import AUDIT, closed_by
from jobs.disclosure.profile import Profile
from jobs.disclosure.rules import SECRET_RULES, Bits, Evidence
from jobs.disclosure.rules.evidence import Counts
from jobs.errors import ProtocolViolation
from jobs.kinds.base import Ask, DryRun
from jobs.kinds.statistics.asking import bases_of, evidence_of, questions_of, refused_by
from jobs.kinds.statistics.evidence import LocalResult
from jobs.kinds.statistics.noisy import add_noise
from jobs.kinds.statistics.plan.phrases import statistic
from jobs.kinds.statistics.plan.types import Plan
from jobs.kinds.statistics.release import least_count
from jobs.kinds.statistics.step import ScanStep
from jobs.schema import Scalar

LISTED: Final = 2_000
"""Numbers that are listed at most; counts by rule are of all."""


def make_dry_run(plan: Plan, parameters: Mapping[str, Scalar], profile: Profile, gate: Gate) -> DryRun:
    return StatisticsDryRun(plan, parameters, profile, gate)


@dataclass(frozen=True, repr=False)
class _Judged:
    closed: dict[str, Bits]
    evidence: list[list[Evidence]]


class StatisticsDryRun:
    def __init__(self, plan: Plan, parameters: Mapping[str, Scalar], profile: Profile, gate: Gate) -> None:
        self._plan, self._parameters, self._profile, self._gate = plan, dict(parameters), profile, gate
        self._judged: _Judged | None = None

    @property
    def step(self) -> ScanStep:
        return ScanStep(self._plan, self._parameters)

    def asked(self, result: LocalResult) -> Ask:
        plan, profile = self._plan, self._profile
        noisy = add_noise(plan, self._parameters, profile, self._gate, result)
        bases = bases_of(plan, profile, result)
        evidence = evidence_of(plan, result, noisy, bases)
        closed = closed_by(evidence, profile)
        self._judged = _Judged(closed, evidence)
        vetoes = sum(int(np.count_nonzero(closed[name])) for name in SECRET_RULES)
        return Ask(questions_of(plan, profile, result, noisy, bases), vetoes)

    def told(self, verdict: Verdict) -> dict[str, Any]:
        if self._judged is None:
            raise ProtocolViolation("a verdict where nothing was asked")
        plan, judged = self._plan, self._judged
        failed = np.logical_or.reduce(list(judged.closed.values()))
        closed = {**judged.closed, AUDIT: refused_by(plan, verdict) & ~failed}
        pairs = [(a, c, name) for name, failing in closed.items() for a, c in np.argwhere(failing).tolist()]
        return {
            "numbers": plan.cells * len(plan.aggregates),
            "closed": {name: int(np.count_nonzero(failing)) for name, failing in closed.items()},
            "empty": sum(int(np.count_nonzero(_lowest(entries, "base") == 0)) for entries in judged.evidence),
            "rules": {name: words for name, words in _words(self._profile).items() if closed[name].any()},
            "withheld": _listed(plan, judged, sorted(pairs)[:LISTED]),
            "not_listed": max(0, len(pairs) - LISTED),
            "shown_from": {
                statistic(a, plan): least_count(plan, self._profile, a) for a in dict.fromkeys(plan.aggregates)
            },
        }


def _listed(plan: Plan, judged: _Judged, pairs: Sequence[tuple[int, int, str]]) -> list[dict[str, Any]]:
    """Of several kinds of individuals the smallest counts are told."""
    keys, names = plan.cell_keys(), [dimension.name for dimension in plan.dimensions]
    base, contributors = ([_lowest(e, count) for e in judged.evidence] for count in ("base", "contributors"))
    return [
        {
            "statistic": statistic(plan.aggregates[a], plan),
            "cell": dict(zip(names, keys[c], strict=True)),
            "rule": rule,
            "base": int(base[a][c]),
            "contributors": int(contributors[a][c]),
        }
        for a, c, rule in pairs
    ]


def _lowest(entries: Sequence[Evidence], count: Literal["base", "contributors"]) -> Counts:
    return np.asarray(np.min([getattr(entry, count) for entry in entries], axis=0))


def _words(profile: Profile) -> dict[str, str]:
    """Each rule with its numbers."""
    few = profile.min_group
    return {
        "base": f"1 to {few - 1} individuals satisfy the known conditions; none, or at least {few}, may",
        "contributors": f"fewer than {few} individuals are behind the number, by their "
        + ("count" if profile.exact else "noisy count"),
        "full": f"fewer than {few} individuals of the base are not behind the number, by the noisy count",
        "degrees_of_freedom": f"an estimate needs {profile.degrees_of_freedom} individuals more than it has "
        "parameters, and two for each number that is opened for it",
        "weights": f"the squares of a factor of the products add up to fewer than {few} of the largest",
        "dominance": f"the {profile.dominance_n} largest hold more than {profile.dominance_k_percent}%",
        "p_percent": f"the second largest could estimate the largest within {profile.p_percent}%",
        AUDIT: f"with all answers so far it would tell more than {profile.leverage_cap_percent}% of somebody, or more "
        "than its share of that at once",
    }
