"""The owner's commands: read a request on your own machine, sign or deny it with your own key.

What is shown is rendered from the bytes of the grant, and exactly these bytes are signed: ``show``, ``approve`` and
``cosign`` go through ``sandbox.client.said``. The hub supplies envelopes and declarations, each checked before it is
shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from jobs.documents import Envelope, Grant, SigningKey, VersionSeries
from jobs.errors import OutOfScope
from sandbox.cli.context import (
    DEFAULT_HUB,
    AsJson,
    HubUrl,
    KeyFile,
    TokenFile,
    TrustFile,
    budgets_of,
    check_new,
    connect,
    day,
    need_trust,
    now,
)
from sandbox.cli.granted import short
from sandbox.cli.render import command, moment, show_next, show_words
from sandbox.cli.terminal import confirmed, listing, row, say, say_json, show
from sandbox.client import Client, GrantWords, Review, Unreadable, build_denial, draft_grant, said, sign_said
from sandbox.errors import InvalidSpec, NotFound
from sandbox.keys import load_key

app = typer.Typer(help="Review requests; sign or deny them (owner).", no_args_is_help=True)
JobId = Annotated[str, typer.Argument(help="Job id.")]
Owner = Annotated[str, typer.Option("--owner", envvar="UNSEEN_OWNER", help="Your owner id in the roster.")]
Runs = Annotated[int, typer.Option(min=1, help="How many runs this grant allows.")]
Until = Annotated[str, typer.Option(help="The grant ends: 2026-12-31 or 30d.")]
SeriesUntil = Annotated[
    str | None, typer.Option(help="Grant later data versions too, up to this day, instead of this version only.")
]
BudgetOption = Annotated[
    list[str] | None,
    typer.Option("--budget", help="At most so much of a metered unit over all runs, as unit=1000; repeat for more."),
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask: for scripts that decided before.")]
_ANSWERS: Final = {"grant.accepted": "granted", "denial.accepted": "denied", "grant.revoked": "revoked"}
_TITLE = "What you sign (授权内容)"


@app.command("list")
def list_(
    hub: HubUrl = DEFAULT_HUB, token_file: TokenFile = None, trust: TrustFile = None, as_json: AsJson = False
) -> None:
    """What waits for you, and what the hub relays that must not be signed."""
    with connect(hub, token_file, need_trust(trust)) as client:
        found = client.examine()
    if as_json:
        say_json([_listed(item) for item in found])
        return
    if not found:
        say("nothing waits for you: a request shows up here when an operator submits a job over your data")
        show_next("unseen node sent  (what has left your node so far)")
    for item in found:
        if isinstance(item, Unreadable):
            say("{job}  [bold red]do not sign[/]  {why}", job=item.job, why=str(item.error))
        else:
            say(
                "{job}  operator {operator}  scenario '{scenario}'  plan {plan}…",
                job=item.job,
                operator=item.operator,
                scenario=item.commitment.document.scenario,
                plan=item.plan_digest[:19],
            )
    show_next(*[command("unseen review show", item.job) for item in found if isinstance(item, Review)])


@app.command("show")
def show_request(
    job_id: JobId,
    owner: Owner,
    runs: Runs = 1,
    until: Until = "30d",
    series_until: SeriesUntil = None,
    budget: BudgetOption = None,
    hub: HubUrl = DEFAULT_HUB,
    token_file: TokenFile = None,
    trust: TrustFile = None,
    as_json: AsJson = False,
) -> None:
    """The grant that 'approve' with the same options would sign, in words, rendered here from its bytes."""
    with connect(hub, token_file, need_trust(trust)) as client:
        _, words = _words(client, job_id, owner, runs, until, series_until, budgets_of(budget or []))
    if as_json:
        say_json(words.to_json())
        return
    show_words(words.text(), _TITLE)
    show_next(command("unseen review approve", job_id), command("unseen review deny", job_id) + ' --reason "..."')


@app.command()
def approve(
    job_id: JobId,
    owner: Owner,
    key: KeyFile,
    runs: Runs = 1,
    until: Until = "30d",
    series_until: SeriesUntil = None,
    budget: BudgetOption = None,
    plan: Annotated[
        str | None, typer.Option(help="Digest of the plan that you have read: any other is refused.")
    ] = None,
    yes: Yes = False,
    to: Annotated[
        Path | None, typer.Option("--out", help="Write the signed grant for co-signers instead of sending it.")
    ] = None,
    hub: HubUrl = DEFAULT_HUB,
    token_file: TokenFile = None,
    trust: TrustFile = None,
) -> None:
    """Show a grant for exactly this request in words, ask, sign the bytes that were shown, and send them."""
    if to is not None:
        check_new(to)
    signing = load_key(key)
    with connect(hub, token_file, need_trust(trust)) as client:
        review, words = _words(client, job_id, owner, runs, until, series_until, budgets_of(budget or []))
        grant = words.grant
        if plan is not None and plan != grant.plan_digest:
            raise OutOfScope("plan_digest", f"request {job_id} is for plan {grant.plan_digest}, not the one you named")
        check_own(review, owner, signing)
        _confirm(words, yes)
        signed = sign_said(words, review, [signing])
        if to is not None:
            to.write_bytes(signed.encode())
            say("signed grant written to {file}", file=to)
            show_next(f"another signer of {owner}: {command('unseen review cosign', to)}")
            return
        client.grant(signed)
        waiting = [item.job for item in client.reviews()]
    say(
        "granted {runs} run(s) to operator [bold]{operator}[/], until {end:%Y-%m-%d %H:%M} UTC",
        runs=grant.runs,
        operator=grant.operator,
        end=grant.period.end,
    )
    say("grant {digest}", digest=signed.digest)
    show_next(*[command("unseen review show", job) for job in waiting])
    say("[dim]to take it back:[/] unseen node revoke {digest}", whole=True, digest=signed.digest)


@app.command()
def cosign(
    file: Annotated[Path, typer.Argument(exists=True, help="A grant that another signer of this owner has signed.")],
    key: KeyFile,
    yes: Yes = False,
    hub: HubUrl = DEFAULT_HUB,
    token_file: TokenFile = None,
    trust: TrustFile = None,
) -> None:
    """Show the grant in the file in words, ask, add your signature (m of n signers) and send it."""
    envelope = Envelope.parse(file.read_bytes())
    grant = Grant.open(envelope)
    signing = load_key(key)
    with connect(hub, token_file, need_trust(trust)) as client:
        bound = (grant.plan_digest, grant.commitment)
        found = (item for item in client.reviews() if (item.plan_digest, item.commitment.digest) == bound)
        review = next(found, None)
        if review is None:
            raise NotFound("no request that waits for you is the one that this grant is for")
        check_own(review, grant.owner, signing)
        words = said(envelope.payload, review)
        _confirm(words, yes)
        envelope = sign_said(words, review, [signing], onto=envelope)
        file.write_bytes(envelope.encode())
        client.grant(envelope)
    say("grant {digest} sent with {count} signatures", digest=envelope.digest, count=len(envelope.signatures))


@app.command()
def deny(
    job_id: JobId,
    owner: Owner,
    key: KeyFile,
    reason: Annotated[list[str], typer.Option(help="Why; repeat for more.")],
    hub: HubUrl = DEFAULT_HUB,
    token_file: TokenFile = None,
    trust: TrustFile = None,
) -> None:
    """Refuse a request with reasons. One that you granted already is taken back with 'unseen node revoke JOB'."""
    signing = load_key(key)
    with connect(hub, token_file, need_trust(trust)) as client:
        review = find_review(client, job_id)
        check_own(review, owner, signing)
        client.deny(build_denial(review, owner, [signing], now(), reason))
        given = [
            line for line in client.grants() if line["owner"] == owner and line["plan_digest"] == review.plan_digest
        ]
    say("denied {job}: nothing of it has left your node", job=review.job)
    for line in (line for line in given if line["used"]):
        say(
            "the same plan has run {used} time(s) under your grant {grant}: what left then stays out",
            used=line["used"],
            grant=short(line["digest"]),
        )


@app.command()
def history(
    owner: Owner,
    hub: HubUrl = DEFAULT_HUB,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """What you granted, denied and revoked, oldest first, with the runs that each grant has left."""
    with connect(hub, token_file) as client:
        grants = {line["digest"]: line for line in client.grants() if line["owner"] == owner}
        items = [item for item in client.log_entries(actor=f"owner:{owner}") if item["entry"]["event"] in _ANSWERS]
    if as_json:
        say_json([{**item["entry"], "grant": grants.get(_grant_of(item["entry"]))} for item in items])
        return
    if not items:
        say("you have answered no request yet")
        show_next("unseen review list")
        return
    table = listing("when (UTC)", "answer", "request or grant", "operator", "runs", title="Your answers (审批记录)")
    for entry in (item["entry"] for item in items):
        line = grants.get(_grant_of(entry))
        about = entry["facts"].get("job") or short(_grant_of(entry))
        runs = "" if line is None else "revoked" if line["revoked"] else f"{line['used']} of {line['runs']}"
        row(table, moment(entry["at"]), _ANSWERS[entry["event"]], about, line["operator"] if line else "", runs)
    show(table)
    show_next("unseen node revoke GRANT  (its first characters, or its job's id)")


def _grant_of(entry: Mapping[str, Any]) -> str:
    """The grant that an answer is about: a revocation names it behind itself."""
    return str(entry["digests"][-1]) if entry["digests"] else ""


def check_own(review: Review, owner: str, key: SigningKey) -> None:
    """Raise ``InvalidSpec`` for a key that is not this owner's, before anything is shown, signed or sent."""
    if key.public not in review.roster.document.owner(owner).public_keys():
        raise InvalidSpec(
            f"the key is none of {owner}'s in the roster: see --key and --owner, UNSEEN_KEY and UNSEEN_OWNER"
        )


def _words(
    client: Client, job_id: str, owner: str, runs: int, until: str, series_until: str | None, budget: dict[str, int]
) -> tuple[Review, GrantWords]:
    """The grant of these options, drafted, written as bytes, and said from them."""
    review = find_review(client, job_id)
    series = _series(review, owner, day(series_until)) if series_until else None
    grant = draft_grant(review, owner, now(), day(until), runs, series=series, budget=budget)
    return review, said(grant.payload(), review)


def _confirm(words: GrantWords, yes: bool) -> None:
    """Show what would be signed; raises ``NotConfirmed`` unless somebody answers yes, or the call says ``--yes``."""
    show_words(words.text(), _TITLE)
    if not yes and not confirmed("Sign exactly this?"):
        raise NotConfirmed("nothing was signed")


class NotConfirmed(InvalidSpec):
    code = "not-confirmed"
    advice = "Answer y to sign, or give --yes in a script that has decided before."


def _series(review: Review, owner: str, until: datetime) -> dict[str, VersionSeries]:
    """Every later version with the schema and frequency of the owner's own records, for each dataset of the plan."""
    return {
        record.document.dataset: VersionSeries(
            schema_digest=record.document.schema_digest, frequency=record.document.frequency, until=until
        )
        for record in review.own_records(owner)
    }


def _listed(item: Review | Unreadable) -> dict[str, Any]:
    if isinstance(item, Unreadable):
        return {"job": item.job, "refused": str(item.error)}
    return {"job": item.job, "operator": item.operator, "plan": item.plan_digest}


def find_review(client: Client, job_id: str) -> Review:
    """The request of this id, or of the one id that begins so; raises ``NotFound``, or why it must not be signed."""
    found = [item for item in client.examine() if item.job.removeprefix("job-").startswith(job_id.removeprefix("job-"))]
    if len(found) > 1:
        raise InvalidSpec(f"several requests begin with {job_id}: " + ", ".join(item.job for item in found))
    for item in found:
        if isinstance(item, Unreadable):
            raise item.error
        return item
    raise NotFound(
        f"no request {job_id} waits for you: it is answered or over, or was never asked of you; "
        "'unseen review history' lists your answers"
    )
