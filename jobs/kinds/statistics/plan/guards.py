"""What stands between an answer and the people behind it, in words: noise, base, verdicts and audit of one plan."""

from __future__ import annotations

from math import sqrt

from jobs.disclosure.noise import BOUND
from jobs.disclosure.profile import Privacy, Profile, load_profile
from jobs.disclosure.zcdp import epsilon
from jobs.kinds.statistics.plan.bases import conjuncts, sharing
from jobs.kinds.statistics.plan.channels import MOMENTS, Moment
from jobs.kinds.statistics.plan.phrases import phrase, statistic
from jobs.kinds.statistics.plan.private import spends
from jobs.kinds.statistics.plan.types import Aggregate, Plan


def guard_words(plan: Plan) -> tuple[str, ...]:
    """One fact a line. Raises ``InvalidRequest`` for a profile that is not shipped here."""
    profile = load_profile(plan.profile)
    if profile.exact:
        return (
            f"profile {profile.id}: the owners declare this data open, so exact numbers leave, without noise or audit",
            f"a number with 1 to {profile.min_group - 1} individuals behind it in some part is withheld",
        )
    if profile.privacy is not None:
        return _private(plan, profile, profile.privacy)
    return (_base(plan), *_verdicts(profile, plan.joint_minimum), _audit(plan, profile), *_errors(plan))


def _private(plan: Plan, profile: Profile, privacy: Privacy) -> tuple[str, ...]:
    """What is promised, what it costs, and what the noise is."""
    (spend,) = spends(plan)
    rows = min(channel.sensitivity for channel in plan.channels if channel.kind in ("rows", "distinct"))
    delta = float(privacy.delta)
    alone, whole = epsilon(spend.rho, privacy.delta, spend.truncation), privacy.epsilon
    held = "" if spend.parts == 1 else f", of which each of {spend.parts} owners that may hold them answers its share"
    parts = "its own" if plan.holders == 1 else f"each of {plan.holders} parts its own"
    few, several = profile.min_group, "one row" if rows == 1 else f"up to {rows:,} rows at one owner"
    return (
        f"profile {profile.id}: differential privacy (差分隐私). Whoever sees all answers, whatever he knows already, "
        f"hardly tells whether one individual, with {several}, is in the data",
        f"price: rho {privacy.rho_per_question} of {privacy.rho_total} per kind of individual{held}: epsilon "
        f"{alone:.2f} at delta {delta:g}. {privacy.questions} such questions, epsilon {whole:.2f}, are all that is "
        "ever answered about them, over all datasets, owners' versions and operators; each node keeps count and says "
        "what is left",
        "asked again it is another question, with fresh noise, and costs its price again; the stored answer is free",
        "every declared group is answered and no rule looks at data: a number is withheld only where its noisy count "
        f"is below {few}, or below four of its standard errors",
        *_noise_words(plan, f"discrete Gaussian, {parts}, which suffices alone, put on at the node before masking"),
    )


def _noise_words(plan: Plan, how: str) -> tuple[str, ...]:
    return (
        f"noise: {how}. Standard errors of the released numbers:",
        *dict.fromkeys(f"{statistic(a, plan)}: {error_words(a, plan)}" for a in plan.aggregates),
    )


def _base(plan: Plan) -> str:
    """Which conditions anyone may know to hold, and which he may not."""
    known = [phrase(c, plan) for c in plan.where.known]
    secret = [phrase(c, plan) for c in plan.where.sensitive]
    for d in plan.dimensions:
        (secret if plan.secrets_of(d.expr) else known).append(f"group {d.name}")
    for part in dict.fromkeys(part for a in plan.aggregates for part in conjuncts(a.filter)):
        (secret if plan.secrets_of(part) else known).append(f"{phrase(part, plan)} (of one statistic)")
    chosen = f"the rows chosen by {'; '.join(known)}" if known else "all rows"
    rest = f". Secret columns select within it: {'; '.join(secret)}" if secret else ""
    return f"the base of an answer is what known columns choose: {chosen}{rest}"


def _verdicts(profile: Profile, joint: bool) -> tuple[str, ...]:
    few = profile.min_group
    rules = (
        f"all owners together: a number with fewer than {few} rows behind it, by their noisy total, is withheld; a "
        "part may be smaller, its noise protects it"
        if joint
        else f"at each owner a base has no individual or at least {few}, and so has what remains, by a noisy count",
        "which numbers are withheld depends on known columns and noisy counts, on no secret value",
    )
    if not (profile.dominance_k_percent or profile.p_percent):
        return rules
    return (
        rules[0],
        "which numbers are withheld depends on known columns and noisy counts, and on secret values where one or two "
        f"individuals dominate a number: after {profile.secret_vetoes} such cells nothing more is answered",
    )


def _audit(plan: Plan, profile: Profile) -> str:
    cap = profile.leverage_cap_percent
    among = ""
    if (owners := sharing(plan)) > 1:
        among = f", divided by the {owners} owners where what is asked of one individual may be held by several"
    elif not all(unit.disjoint for unit in plan.unit_columns) and plan.holders > 1:
        among = " at one owner: the owners declare that they hold no record in common"
    return (
        f"audit: all answers ever given remove at most {cap}% of what a linear attacker does not know about any one "
        f"individual{among}; a number beyond that is withheld{_said(plan)}"
    )


def _said(plan: Plan) -> str:
    """Which secrets are one of each individual."""
    named = sorted(f"{plan.dataset_of(p.column.table)}.{p.column.name}" for p in plan.columns if p.said_of)
    return f". One secret of each individual, in however many rows it stands: {', '.join(named)}" if named else ""


def _errors(plan: Plan) -> tuple[str, ...]:
    parts = "its own" if plan.holders == 1 else f"each of {plan.holders} parts its own"
    if shared_noise(plan):
        parts += ", which suffices only together with that of the others, as the owners agree"
    how = (
        f"{parts}, put on at the node before masking, never beyond {BOUND} standard deviations; the same question "
        "about the same rows has the same noise"
    )
    return _noise_words(plan, how)


def shared_noise(plan: Plan) -> bool:
    """Whether a part's noise is less than what suffices alone."""
    ratio = load_profile(plan.profile).noise_ratio
    return any(channel.kind == "rows" and channel.noise < ratio for channel in plan.channels)


def error_words(aggregate: Aggregate, plan: Plan) -> str:
    """The standard error of a released number, from the plan alone: it depends on no data but, in means, on n."""
    channels = [plan.channels[index] for index in aggregate.channels]
    errors = [sqrt(plan.holders) * channel.noise / 10**channel.scale for channel in channels]
    match aggregate.function:
        case "sum":
            return _short(errors[1])
        case "avg":  # delta method; the mean itself is at most the largest value
            return f"at most about {_short(sqrt(2) * errors[1])} / number of rows"
        case "count_rows" | "count" | "count_distinct_unit":
            return _short(errors[0])
        case function if function in MOMENTS:
            totals = zip(MOMENTS[function], errors, strict=True)
            words = (
                f"from noisy totals: {', '.join(f'{_TOTALS[moment]} ({_short(error)})' for moment, error in totals)}"
            )
            if function.startswith("covar"):
                return words
            return f"{words}; withheld where a spread that it is divided by is below four of its own errors"
        case _:
            return (
                f"from a noisy number of rows ({_short(errors[0])}), sum ({_short(errors[1])}) and sum of "
                f"squares ({_short(errors[2])}); withheld where it is within twice its error"
            )


_TOTALS: dict[Moment, str] = {
    "n": "rows", "y": "first column", "x": "second column", "yx": "their product", "xx": "square of the second",
    "yy": "square of the first",
}  # fmt: skip


def _short(value: float) -> str:
    """Three significant digits."""
    return f"{float(f'{value:.3g}'):,.15g}"
