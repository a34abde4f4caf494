"""A grant in words: what an owner reads, rendered from the very bytes that it then signs.

``said(payload, review)`` parses the bytes of a grant, holds every field against the verified review, and writes each of
them down. One fact a line; text in somebody's own words stands behind a bar on every line, so that no line of it can
pass for one of ours. A property test changes each signed field and sees the words change, or the grant refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from jobs.disclosure.profile import Privacy, Profile
from jobs.documents import MAX_JOB, DataScope, Grant, OwnerEntry, ParameterRule, Terms, VersionSeries
from jobs.errors import OutOfScope
from jobs.kinds.base import PlanWords
from jobs.kinds.registry import algorithm_of
from jobs.schema import Scalar
from sandbox.client.review import Record, Review

BAR: Final = "| "
_FORMS: Final = {
    "aggregate": "a table of numbers over groups of individuals",
    "verification": "yes or no",
    "lookup": "single records that were looked up",
    "model": "a trained model",
    "scoring": "scores of a model",
}
_TERMS: Final = {
    "mode": "mode of use",
    "volume": "volume",
    "conditions": "conditions",
    "prohibited_uses": "prohibited uses",
    "security_duties": "security duties",
    "confidentiality": "confidentiality",
    "revenue_share": "revenue share",
    "disposal": "disposal (期满处置)",
    "feedback": "feedback",
    "breach_and_exit": "breach and exit",
}


@dataclass(frozen=True)
class GrantWords:
    """``payload`` is what was said, and what is to be signed: nothing else."""

    payload: bytes = field(repr=False)
    grant: Grant
    plan: PlanWords
    lines: tuple[str, ...]

    def text(self) -> str:
        return "\n".join(self.lines)

    def to_json(self) -> dict[str, Any]:
        return {"grant": self.grant.to_json(), "plan": self.plan.model_dump(mode="json"), "text": self.text()}


def said(payload: bytes, review: Review) -> GrantWords:
    """Raises ``BadDocument`` for bytes that are no grant, ``OutOfScope`` for one that is not about this request."""
    grant = Grant.parse(payload)
    check_fits(grant, review)
    plan = review.kind.explain(review.plan, review.datasets)
    return GrantWords(payload, grant, plan, tuple(_lines(grant, plan, review)))


def check_fits(grant: Grant, review: Review) -> None:
    """Every field that follows from the request says what the request says; the rest is the owner's own choice."""
    commitment = review.commitment.document
    same: list[tuple[str, object, object]] = [
        ("operator", grant.operator, review.operator),
        ("commitment", grant.commitment, review.commitment.digest),
        ("scenario", grant.scenario, commitment.scenario),
        ("purpose", grant.purpose, commitment.purpose),
        ("algorithm", grant.algorithm, algorithm_of(review.kind)),
        ("plan_digest", grant.plan_digest, review.plan_digest),
        ("output", grant.output, review.output),
        ("participants", grant.participants, review.bound_participants()),
        ("columns", {scope.dataset: scope.columns for scope in grant.data}, dict(review.touched)),
        ("parameters", {rule.name for rule in grant.parameters}, set(review.parameters)),
    ]
    for name, given, expected in same:
        if given != expected:
            raise OutOfScope(name, f"{name}: the grant says another than the request")
    if unknown := sorted(set(grant.budget) - set(review.kind.metered)):
        raise OutOfScope("budget", f"the grant has a budget of {unknown[0]}, which this kind of job does not meter")
    for rule in grant.parameters:
        _check_rule(rule, review)
    for scope in grant.data:
        _check_version(grant.owner, scope, review)


def _check_version(owner: str, scope: DataScope, review: Review) -> None:
    """Exactly the version asked for, or a series as the owner's own record of it says."""
    if isinstance(scope.version, VersionSeries):
        series = (scope.version.schema_digest, scope.version.frequency)
        own = [record.document for record in _of(review, owner, scope.dataset)]
        if any((record.schema_digest, record.frequency) != series for record in own):
            raise OutOfScope("data", f"the grant's series of {scope.dataset} has another schema or frequency")
    elif scope.version.lineage != review.lineage(owner, scope.dataset):
        raise OutOfScope("data", f"the grant is for another version of {scope.dataset} than the request")


def _check_rule(rule: ParameterRule, review: Review) -> None:
    for value in rule.allowed:
        canonical = review.kind.parameters(review.plan, {**review.parameters, rule.name: value})[rule.name]
        if (type(canonical), canonical) != (type(value), value):
            raise OutOfScope("parameters", f"the grant spells a value of :{rule.name} in another way than runs do")


def _lines(grant: Grant, plan: PlanWords, review: Review) -> Iterator[str]:
    roster = review.roster.document
    operator, own = roster.operator(grant.operator), roster.owner(grant.owner)
    yield f"Grant {grant.id}, issued {_moment(grant.issued)}"
    yield f"  - you sign as owner {_party(own)}"
    yield f"  - operator (授权运营): {grant.operator} {_name(operator.name)}"
    yield f"  - the platform that runs it: hub {roster.hub.id}, log {roster.origin}"
    yield f"  - {grant.runs:,} run(s), from {_moment(grant.period.start)} to {_moment(grant.period.end)} (not included)"
    for unit, most in sorted(grant.budget.items()):
        yield f"  - at most {most:,} {unit} over all runs"
    yield f"  - each run ends within {MAX_JOB // timedelta(hours=1)} hours of its permit, done or not"
    yield f"  - scenario (场景): {_name(grant.scenario)}"
    yield "Purpose, in the operator's words:"
    yield from _quoted(grant.purpose)
    yield ""
    yield from plan.text().split("\n")
    yield ""
    yield from _parameters(grant, review.parameters)
    yield "Your data (数据版本):"
    for scope in grant.data:
        yield f"  - {scope.dataset}, columns {', '.join(scope.columns)}"
        if isinstance(scope.version, VersionSeries):
            series = scope.version
            yield (
                f"      every version, this and later ones, with this schema {series.schema_digest}, updated "
                f"{_name(series.frequency)}, with data until {_moment(series.until)}"
            )
        else:
            yield f"      this version only, also after further individuals are left out: {scope.version.lineage}"
        yield from (f"      now {_version(r)}" for r in _of(review, grant.owner, scope.dataset))
    yield "Participants, in this order:"
    for place, item in enumerate(grant.participants, start=1):
        yield f"  {place}. {item.node} of owner {_party(roster.owner(item.owner))}"
        yield f"      node key {item.key}"
        if item.owner != grant.owner:
            yield from (f"      {r.document.dataset}, {_version(r)}" for r in _of(review, item.owner, None, item.node))
    yield f"Output ({grant.output.form}): {_FORMS[grant.output.form]}"
    yield from _profile(review.profile)
    yield from _conditions(grant)
    yield from _commitment(grant, review)
    yield "Terms of this grant:"
    yield from _terms(grant.terms)
    yield f"Kind of job: {review.kind.title}, {grant.algorithm}"


def _parameters(grant: Grant, asked: Mapping[str, Scalar]) -> Iterator[str]:
    if grant.parameters:
        yield "Parameter values, and what you allow:"
    for rule in grant.parameters:
        allowed = ", ".join(_scalar(value) for value in rule.allowed)
        yield f"  - :{rule.name}: asked for {_scalar(asked[rule.name])}; allowed {allowed}, and nothing else"


def _profile(profile: Profile) -> Iterator[str]:
    largest = "the largest individual holds" if profile.dominance_n == 1 else "the two largest individuals hold"
    yield f"  - disclosure profile {profile.id}, {profile.digest}"
    if profile.privacy is not None:
        yield from _privacy(profile, profile.privacy)
        return
    yield f"  - behind every number at least {profile.min_group} individuals in each owner's part, or none"
    if profile.exact:
        yield "  - numbers leave exactly as they are: this data has nothing to hide"
    else:
        yield (
            f"  - every owner adds noise before anything leaves: its standard deviation is {profile.noise_ratio} times "
            "the most that one record can contribute"
        )
    if profile.leverage_cap_percent:
        yield (
            f"  - all answers together remove at most {profile.leverage_cap_percent} % of a linear attacker's "
            "uncertainty about one individual; what goes beyond is withheld"
        )
    if profile.dominance_k_percent:
        yield f"  - {largest} at most {profile.dominance_k_percent} % of a sum"
    if profile.p_percent:
        yield f"  - the second largest cannot estimate the largest within {profile.p_percent} %"
    if profile.dominance_k_percent or profile.p_percent:
        yield f"  - such rules look at secret values: they may ever close {profile.secret_vetoes} numbers"
    yield f"  - variances and deviations over at least {profile.degrees_of_freedom} degrees of freedom"
    yield f"  - at most {profile.max_rows:,} rows and {profile.max_bytes:,} bytes"


def _privacy(profile: Profile, privacy: Privacy) -> Iterator[str]:
    yield (
        "  - differential privacy: every owner adds noise that suffices alone, and no rule looks at data; every number "
        f"is answered, and withheld only where its noisy count is below {profile.min_group} or four standard errors"
    )
    yield (
        f"  - each run costs rho {privacy.rho_per_question} of {privacy.rho_total}: {privacy.questions} questions "
        f"about one kind of individual, ever, epsilon {privacy.epsilon:.2f} at delta {float(privacy.delta):g} in all"
    )
    yield f"  - at most {profile.max_rows:,} rows and {profile.max_bytes:,} bytes"


def _conditions(grant: Grant) -> Iterator[str]:
    if grant.requires:
        yield "Conditions: no run without a document for each of"
        yield from (f"  - {_name(condition)}" for condition in grant.requires)


def _commitment(grant: Grant, review: Review) -> Iterator[str]:
    commitment = review.commitment.document
    yield f"The operator's commitment (承诺书) {commitment.id}, {grant.commitment}:"
    yield f"  - from {_moment(commitment.period.start)} to {_moment(commitment.period.end)} (not included)"
    yield f"  - for {len(commitment.plans)} plan(s), this among them, over {', '.join(commitment.datasets)}"
    for title, words in (
        ("security measures", commitment.security_measures),
        ("disposal (期满处置)", commitment.disposal),
        ("feedback", commitment.feedback),
    ):
        yield f"  - {title}:"
        yield from _quoted(words)


def _terms(terms: Terms) -> Iterator[str]:
    for name, title in _TERMS.items():
        yield f"  - {title}:"
        yield from _quoted(getattr(terms, name))
    yield f"  - signatories: {', '.join(_name(name) for name in terms.signatories) or 'none named'}"


def _quoted(words: str) -> Iterator[str]:
    """Somebody's own words: a bar before every line."""
    yield from (f"      {BAR}{line}" for line in words.split("\n"))


def _of(review: Review, owner: str, dataset: str | None, node: str | None = None) -> Iterator[Record]:
    for record in review.records:
        document = record.document
        if document.owner == owner and dataset in (None, document.dataset) and node in (None, document.node):
            yield record


def _version(record: Record) -> str:
    document = record.document
    return (
        f"version {_name(document.label)} (no. {document.sequence}) of {document.node}: at most "
        f"{document.rows_at_most:,} rows, data until {_moment(document.data_until)}, registered "
        f"{_moment(document.issued)}"
    )


def _name(text: str) -> str:
    """Words of somebody else in quotes: where they begin and end is ours to say."""
    return "'" + text.replace("'", "''") + "'"


def _party(owner: OwnerEntry) -> str:
    whose = f"organisation {_name(owner.organisation)}, office {_name(owner.office)}"
    return f"{owner.id} {_name(owner.name)} ({whose})"


def _scalar(value: Scalar) -> str:
    return _name(value) if isinstance(value, str) else str(value).lower()


def _moment(value: datetime) -> str:
    return f"{value:%Y-%m-%d %H:%M:%S} UTC"
