"""What an owner signs: drafted from a verified review, said in words, and signed as the very bytes that were said."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime

from jobs.documents import (
    DataScope,
    Denial,
    Envelope,
    ExactVersion,
    Grant,
    ParameterRule,
    Period,
    Revocation,
    Terms,
    VersionSeries,
)
from jobs.documents.ed25519 import SigningKey
from jobs.errors import BadDocument, InvalidRequest, UnknownSigner
from jobs.kinds.registry import algorithm_of
from jobs.schema import Digest, Scalar
from sandbox.client.grant_words import GrantWords, said
from sandbox.client.review import Review

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


def draft_grant(
    review: Review,
    owner: str,
    now: datetime,
    end: datetime,
    runs: int,
    *,
    allowed: Mapping[str, Sequence[Scalar]] | None = None,
    series: Mapping[str, VersionSeries] | None = None,
    budget: Mapping[str, int] | None = None,
    terms: Terms = STANDARD_TERMS,
) -> Grant:
    """The owner's grant for exactly this request, to be said in words (``grant_words``) and then signed.

    ``allowed`` widens parameters beyond the values asked for; ``series`` grants, by dataset, every version of a
    schema and frequency up to a date, instead of the present version alone (a choice to make knowingly). ``budget``
    bounds metered units of the kind over all runs.
    """
    commitment = review.commitment.document
    return Grant(
        id=f"grant-{secrets.token_hex(6)}",
        owner=owner,
        issued=now,
        operator=review.operator,
        commitment=review.commitment.digest,
        scenario=commitment.scenario,
        purpose=commitment.purpose,
        algorithm=algorithm_of(review.kind),
        plan_digest=review.plan_digest,
        parameters=_rules(review, allowed or {}),
        data=tuple(
            DataScope(dataset=name, columns=columns, version=_version(review, owner, name, series or {}))
            for name, columns in review.touched.items()
        ),
        period=Period(start=now, end=end),
        runs=runs,
        budget=dict(budget or {}),
        output=review.output,
        participants=review.bound_participants(),
        terms=terms,
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
    budget: Mapping[str, int] | None = None,
    terms: Terms = STANDARD_TERMS,
) -> Envelope:
    """Draft and sign in one step, for programs that show nobody anything; see ``draft_grant``."""
    grant = draft_grant(review, owner, now, end, runs, allowed=allowed, series=series, budget=budget, terms=terms)
    return sign_said(said(grant.payload(), review), review, keys)


def sign_said(words: GrantWords, review: Review, keys: Sequence[SigningKey], onto: Envelope | None = None) -> Envelope:
    """Sign exactly the bytes that were said, ``onto`` an envelope of the same bytes if others signed before.

    Raises ``UnknownSigner`` for a key that is not the owner's in the roster, ``BadDocument`` for other bytes.
    """
    envelope = onto or Envelope(Grant.payload_type(), words.payload, ())
    if (envelope.payload_type, envelope.payload) != (Grant.payload_type(), words.payload):
        raise BadDocument("the envelope holds another grant than the one that was shown")
    owner = words.grant.owner
    known = set(review.roster.document.owner(owner).keys)
    if any(key.public.text not in known for key in keys):
        raise UnknownSigner(f"this key is none of {owner}'s keys in the roster: name the owner's own with --key")
    return envelope.signed_by(*keys)


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
        plan=review.plan_digest,
        reasons=tuple(reasons),
    ).sign(*keys)


def build_revocation(owner: str, grant: Digest, keys: Sequence[SigningKey], now: datetime, reason: str) -> Envelope:
    """Return the signed revocation: give it to the owner's node first, then to the hub."""
    return Revocation(
        id=f"revocation-{secrets.token_hex(6)}", owner=owner, issued=now, grant=grant, reason=reason
    ).sign(*keys)


def _rules(review: Review, allowed: Mapping[str, Sequence[Scalar]]) -> tuple[ParameterRule, ...]:
    """One rule for each parameter; raises ``InvalidRequest`` for a value that no run could have."""
    if unknown := sorted(set(allowed) - set(review.parameters)):
        raise InvalidRequest(f"the plan has no parameter :{unknown[0][:64]}")
    rules = []
    for name, asked in sorted(review.parameters.items()):
        values = allowed.get(name, (asked,))
        canonical = [review.kind.parameters(review.plan, {**review.parameters, name: value})[name] for value in values]
        rules.append(ParameterRule(name=name, allowed=tuple(canonical)))
    return tuple(rules)


def _version(
    review: Review, owner: str, name: str, series: Mapping[str, VersionSeries]
) -> ExactVersion | VersionSeries:
    if name in series:
        return series[name]
    return ExactVersion(lineage=review.lineage(owner, name))
