"""The owner's commands: read a request on your own machine, sign or deny it with your own key."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from sandbox.cli.context import (
    DEFAULT_HUB,
    AsJson,
    HubUrl,
    KeyFile,
    TokenFile,
    TrustFile,
    connect,
    day,
    need_trust,
    now,
)
from sandbox.cli.render import command, show_next, show_words
from sandbox.cli.terminal import say, say_json
from sandbox.client import Client, Review, build_denial, build_grant
from sandbox.errors import NotFound
from sandbox.keys import load_key

app = typer.Typer(help="Review requests; sign or deny them (owner).", no_args_is_help=True)
JobId = Annotated[str, typer.Argument(help="Job id.")]
Owner = Annotated[str, typer.Option("--owner", envvar="UNSEEN_OWNER", help="Your owner id in the roster.")]


@app.command("list")
def list_(
    hub: HubUrl = DEFAULT_HUB, token_file: TokenFile = None, trust: TrustFile = None, as_json: AsJson = False
) -> None:
    """What waits for you."""
    with connect(hub, token_file, need_trust(trust)) as client:
        reviews = client.reviews()
    if as_json:
        say_json([{"job": review.job, "operator": review.operator, "plan": review.plan.digest()} for review in reviews])
        return
    if not reviews:
        say("nothing waits for you: a request shows up here when an operator submits a job over your data")
        show_next("unseen node sent  (what has left your node so far)")
    for review in reviews:
        say(
            "{job}  operator {operator}  scenario '{scenario}'  plan {plan}…",
            job=review.job,
            operator=review.operator,
            scenario=review.commitment.document.scenario,
            plan=review.plan.digest()[:19],
        )
    show_next(*[command("unseen review show", review.job) for review in reviews])


@app.command()
def show(
    job_id: JobId,
    hub: HubUrl = DEFAULT_HUB,
    token_file: TokenFile = None,
    trust: TrustFile = None,
    as_json: AsJson = False,
) -> None:
    """The plan in words, rendered here from the bytes you would sign; never by the hub."""
    with connect(hub, token_file, need_trust(trust)) as client:
        review = _find(client, job_id)
        words = words_of(client, review)
    if as_json:
        say_json(words.model_dump(mode="json"))
        return
    show_words(words.text(), "What you would sign (计划说明)")
    document = review.commitment.document
    say("operator [bold]{operator}[/] commits to: {purpose}", operator=review.operator, purpose=document.purpose)
    say("disposal (期满处置): {disposal}", disposal=document.disposal)
    show_next(command("unseen review approve", job_id), command("unseen review deny", job_id) + ' --reason "..."')


@app.command()
def approve(
    job_id: JobId,
    owner: Owner,
    key: KeyFile,
    runs: Annotated[int, typer.Option(min=1, help="How many runs this grant allows.")] = 1,
    until: Annotated[str, typer.Option(help="The grant ends: 2026-12-31 or 30d.")] = "30d",
    series_until: Annotated[
        str | None, typer.Option(help="Grant later data versions too, up to this day, instead of this version only.")
    ] = None,
    to: Annotated[
        Path | None, typer.Option("--out", help="Write the signed grant for co-signers instead of sending it.")
    ] = None,
    hub: HubUrl = DEFAULT_HUB,
    token_file: TokenFile = None,
    trust: TrustFile = None,
) -> None:
    """Sign a grant for exactly this request, on this machine, and send it."""
    with connect(hub, token_file, need_trust(trust)) as client:
        review = _find(client, job_id)
        series = _series(client, review, day(series_until)) if series_until else None
        grant = build_grant(review, owner, [load_key(key)], now(), day(until), runs, series=series)
        if to is not None:
            to.write_bytes(grant.encode())
            say("signed grant written to {file}", file=to)
            show_next(f"another signer of {owner}: {command('unseen review cosign', to)}")
            return
        client.grant(grant)
        waiting = [item.job for item in client.reviews()]
    say(
        "granted {runs} run(s) to operator [bold]{operator}[/], until {end:%Y-%m-%d %H:%M} UTC",
        runs=runs,
        operator=review.operator,
        end=day(until),
    )
    say("grant {digest}", digest=grant.digest)
    show_next(*[command("unseen review show", job) for job in waiting])
    say("[dim]to take it back:[/] unseen node revoke {digest}", whole=True, digest=grant.digest)


@app.command()
def cosign(
    file: Annotated[Path, typer.Argument(exists=True, help="A grant that another signer of this owner has signed.")],
    key: KeyFile,
    hub: HubUrl = DEFAULT_HUB,
    token_file: TokenFile = None,
) -> None:
    """Add your signature to a grant (m of n signers) and send it."""
    from jobs.documents import Envelope

    envelope = Envelope.parse(file.read_bytes()).signed_by(load_key(key))
    file.write_bytes(envelope.encode())
    with connect(hub, token_file) as client:
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
    """Refuse a request with reasons."""
    with connect(hub, token_file, need_trust(trust)) as client:
        review = _find(client, job_id)
        client.deny(build_denial(review, owner, [load_key(key)], now(), reason))
    say("denied")


def words_of(client: Client, review: Review) -> Any:
    """The plan in words, from this owner's own reading of plan and datasets."""
    from jobs.kinds.statistics.plan.words import explain

    names = review.plan.columns_touched()
    datasets = tuple(_dataset(client, name) for name in names)
    return explain(review.plan, datasets)


def _dataset(client: Client, name: str) -> Any:
    from jobs.schema import Dataset

    return Dataset.model_validate(client.dataset(name)["dataset"])


def _series(client: Client, review: Review, until: Any) -> dict[str, Any]:
    """Every later version with the same schema and frequency, for each dataset of the plan."""
    from jobs.documents import VersionSeries
    from sandbox.catalogue.register import schema_digest

    datasets = [_dataset(client, name) for name in review.plan.columns_touched()]
    return {
        dataset.name: VersionSeries(
            schema_digest=schema_digest(dataset), frequency=dataset.update_frequency, until=until
        )
        for dataset in datasets
    }


def _find(client: Client, job_id: str) -> Review:
    for review in client.reviews():
        if review.job == job_id:
            return review
    raise NotFound(f"no request {job_id} waits for you: it is answered or over, or was never asked of you")
