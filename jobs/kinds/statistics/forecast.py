"""What plan and declarations alone say of a run, before anybody is asked: for operators. No data was looked at.

Which numbers a run withholds depends on data, so a forecast cannot say it: it says from which count on a number is
shown, how wrong it is then, why one may be withheld, and how many answers the audit would count. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from jobs.disclosure.profile import Privacy, Profile, load_profile
from jobs.disclosure.rules.degrees_of_freedom import least_units
from jobs.kinds.statistics.estimate import MAY_BE_NOISE
from jobs.kinds.statistics.kind import KIND
from jobs.kinds.statistics.plan.bases import base_count, sharing, subjects
from jobs.kinds.statistics.plan.expr import Col
from jobs.kinds.statistics.plan.guards import error_words, guard_words
from jobs.kinds.statistics.plan.phrases import statistic
from jobs.kinds.statistics.plan.types import Aggregate, Plan
from jobs.kinds.statistics.release import least_count
from jobs.schema import Model

FEW, ASKED, OWNER, NOISE = "too-few", "asked-too-much", "owner-rule", "within-noise"
ONE_RECORD: Final = " for an individual with one record"
_UNCERTAIN: Final = 0.5
"""What is not known of a yes-or-no value: the audit's lambda is (noise ratio / this)^2."""


class StatisticForecast(Model):
    statistic: str
    error: str
    """Standard error of a released number, in words: of a mean it depends on the number of rows."""
    shown_from: int
    """The smallest noisy count, over all owners, at which it is shown."""
    parts: str
    """What each owner's part must hold besides, in words; empty where no part is judged alone."""
    reasons: tuple[str, ...]
    """Codes of ``Forecast.reasons``."""


class Asked(Model):
    """How many answers about one record the audit counts at each node, on one secret column or on presence."""

    about: str
    answers: int
    alone: str
    """Leverage of these answers alone is at most this, for a record of its own individual, whoever knows what; a value
    that is said of an individual with w records in the base counts as w^2 times as many answers."""


class Forecast(Model):
    profile: str
    owners: int
    cells: int
    numbers: int
    charged: Mapping[str, int]
    """At each owner, at most, per metered unit."""
    base: str
    """What known columns choose; under differential privacy, what is promised and the price of one run."""
    statistics: tuple[StatisticForecast, ...]
    reasons: Mapping[str, str]
    asked: tuple[Asked, ...]
    budget: str
    """Under differential privacy, what the question costs of what all may cost; empty under other profiles."""
    cap: str
    """Of all answers ever given about one individual; ``0``: nothing is audited."""

    def text(self) -> str:
        """Plain text, one fact a line."""
        charged = "; ".join(f"{count:,} {unit}" for unit, count in self.charged.items())
        lines = [
            f"profile {self.profile}, {self.owners} owner{'s' * (self.owners > 1)}; {self.cells:,} cells, "
            f"{self.numbers:,} numbers; charged at most {charged} at each owner",
            self.base,
            "Statistics:",
        ]
        for item in self.statistics:
            lines.append(
                f"  - {item.statistic}: standard error {item.error}; shown from a count of {item.shown_from:,} over "
                "all owners"
            )
            lines += [f"      and: {item.parts}"] if item.parts else []
            lines.append(f"      may be withheld: {', '.join(item.reasons)}")
        lines += [f"Privacy budget: {self.budget}"] if self.budget else []
        lines += ["Why a number may be withheld:", *(f"  - {code}: {words}" for code, words in self.reasons.items())]
        if self.asked:
            lines.append(f"What the audit of each owner counts (cap {self.cap} for all answers ever given):")
            lines += [
                f"  - {item.about}: {item.answers:,} answers about one record; alone at most {item.alone}"
                for item in self.asked
            ]
        return "\n".join([*lines, "Made from plan and declarations alone: no owner's data was looked at."])


def forecast(plan: Plan) -> Forecast:
    """Raises ``InvalidRequest`` for a profile that no job runs under."""
    profile = load_profile(plan.profile)
    reasons = _reasons(plan, profile)
    return Forecast(
        profile=profile.id,
        owners=plan.holders,
        cells=plan.cells,
        numbers=plan.cells * len(plan.aggregates),
        charged=KIND.cost(plan),
        base="\n".join(guard_words(plan)[: 1 if profile.privacy is None else 2]),
        statistics=tuple(
            StatisticForecast(
                statistic=statistic(aggregate, plan),
                error="none" if profile.exact else error_words(aggregate, plan),
                shown_from=least_count(plan, profile, aggregate),
                parts=_parts(plan, profile, aggregate),
                reasons=tuple(code for code in reasons if code != NOISE or aggregate.function in MAY_BE_NOISE),
            )
            for aggregate in dict.fromkeys(plan.aggregates)
        ),
        reasons=reasons,
        asked=_asked(plan, profile),
        budget="" if profile.privacy is None else budget_words(profile.privacy),
        cap=_decimal(profile.leverage_cap_percent / 100 / sharing(plan)),
    )


def _parts(plan: Plan, profile: Profile, aggregate: Aggregate) -> str:
    """The condition of ``closed_by`` at each owner: three unequal parts may fail it far above ``shown_from``."""
    if profile.privacy is not None:
        return ""
    if plan.joint_minimum:
        return f"the minimum of {profile.min_group} is judged on all parts together: a part may be smaller"
    few = max(profile.min_group, least_units(aggregate.function, len(aggregate.channels), profile))
    if profile.exact:
        return f"at each owner nobody or at least {few} individuals"
    return (
        f"at least {few} individuals at each owner where anybody satisfies the known conditions (by a noisy count, if "
        "secret conditions choose among them)"
    )


def budget_words(privacy: Privacy) -> str:
    """The price is fixed, whatever is asked; what is left is each node's to say when the job is ordered."""
    return (
        f"rho {privacy.rho_per_question} of {privacy.rho_total} for each kind of individual, at every owner, so "
        f"{privacy.questions} questions in all (epsilon {privacy.epsilon:.2f} at delta {float(privacy.delta):g}); "
        "asked again it is paid again"
    )


def _reasons(plan: Plan, profile: Profile) -> dict[str, str]:
    found = {
        FEW: "the count behind it, noise included and over all owners together, is below the one named; an empty cell "
        "looks the same"
    }
    if profile.leverage_cap_percent:
        found[ASKED] = (
            "with all answers so far, whoever asked, it would tell too much of somebody at some owner; the release "
            f"counts it under {OWNER}, since an owner says no more than that something failed"
        )
    if profile.privacy is None:
        found[OWNER] = (
            "a rule failed on some owner's part, most often too few individuals there; which and where is not told"
        )
    if not profile.exact and any(a.function in MAY_BE_NOISE for a in plan.aggregates):
        found[NOISE] = (
            "a variance, deviation or R2 is not above twice its standard error, or the spread that a slope or a "
            "correlation is divided by is below four of them"
        )
    return found


def _asked(plan: Plan, profile: Profile) -> tuple[Asked, ...]:
    """One record lies in one base of a channel, and every cell that has this base is an answer about it.

    Somebody who knows all other records meets the noise of *m* answers alone: that leverage, m / (m + lambda), no
    attacker exceeds (leverage grows with what is known).
    """
    if not profile.leverage_cap_percent:
        return ()
    counted = {aggregate.channels[0] for aggregate in plan.aggregates}
    answers: dict[str, int] = {}
    said: set[str] = set()
    for number, channel in enumerate(plan.channels):
        columns = subjects(plan, channel)
        # a noisy count of individuals beside a number of rows is another answer
        each = plan.cells // base_count(plan) * (2 if columns and number in counted else 1)
        names = [f"{plan.dataset_of(col.table)}.{col.name}" for col in columns] or ["who is in the data"]
        for name in names:
            answers[name] = answers.get(name, 0) + each
        said |= {name for name, col in zip(names, columns, strict=False) if _said_of_somebody(plan, col)}
    spread = (profile.noise_ratio / _UNCERTAIN) ** 2
    return tuple(
        Asked(about=name, answers=m, alone=_decimal(m / (m + spread)) + (ONE_RECORD if name in said else ""))
        for name, m in sorted(answers.items())
    )


def _said_of_somebody(plan: Plan, column: Col) -> bool:
    return any(plan.said_of(unit, column) for unit in plan.unit_columns)


def _decimal(value: float) -> str:
    return f"{value:.3g}"
