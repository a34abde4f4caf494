"""The operator's commands: explain, submit, watch, fetch (授权运营)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from pydantic import ValidationError

from jobs.documents import Envelope
from sandbox.cli.context import (
    DEFAULT_HUB,
    AsJson,
    HubUrl,
    KeyFile,
    TokenFile,
    TrustFile,
    check_new,
    connect,
    day,
    now,
    parameters_of,
)
from sandbox.cli.render import (
    command,
    json_schema,
    progress_text,
    show_cost,
    show_job,
    show_next,
    show_reasons,
    show_table,
    show_words,
)
from sandbox.cli.terminal import progress, say, say_json
from sandbox.client import Job, build_commitment, request_of
from sandbox.errors import InvalidSpec
from sandbox.keys import load_key

app = typer.Typer(help="Submit joint statistics and fetch their releases (operator).", no_args_is_help=True)
JobId = Annotated[str, typer.Argument(help="Job id.")]
JobFile = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Job file (YAML): sql, scenario, purpose.")]
Param = Annotated[list[str] | None, typer.Option("--param", "-p", help="Parameter as name=value; repeat for more.")]


@app.command()
def explain(
    file: JobFile,
    param: Param = None,
    hub: HubUrl = DEFAULT_HUB,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Say what a job would read, reveal and cost, and what it still needs. Nothing is stored or spent."""
    spec = read_job(file)
    with connect(hub, token_file) as client:
        preview = client.preview_request(*asked_of(spec, param))
    if as_json:
        say_json(preview.raw)
        return
    show_words(str(preview.words.get("text", "")))
    say("decision now: [bold]{decision}[/]", decision=preview.decision.replace("_", " "))
    show_reasons(preview.reasons)
    if preview.decision != "denied":
        show_next(command("unseen job submit", file))


@app.command()
def dry_run(
    file: JobFile,
    param: Param = None,
    hub: HubUrl = DEFAULT_HUB,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Say how wrong each number would be, from which count on it is shown, and why it may be withheld (试算).

    From plan and declarations alone: which numbers a run withholds depends on data, and nobody's data is looked at.
    """
    spec = read_job(file)
    with connect(hub, token_file) as client:
        found = client.dry_run_request(*asked_of(spec, param))
    if as_json:
        say_json(found.to_json())
        return
    show_words(found.text(), "What a run would give (试算)")
    show_cost(found.preview.words)
    say("decision now: [bold]{decision}[/]", decision=found.preview.decision.replace("_", " "))
    show_reasons(found.preview.reasons)
    if found.preview.decision != "denied":
        show_next(command("unseen job submit", file))


@app.command()
def submit(
    file: JobFile,
    key: KeyFile,
    operator: Annotated[str, typer.Option(envvar="UNSEEN_OPERATOR", help="Your operator id in the roster.")],
    param: Param = None,
    until: Annotated[str, typer.Option(help="Your commitment ends: 2026-12-31 or 30d.")] = "30d",
    commitment_file: Annotated[
        Path | None,
        typer.Option(
            "--commitment",
            help="Use the commitment in this file again, under grants with runs left; "
            "if there is no such file, the new one is kept there.",
        ),
    ] = None,
    idempotency_key: Annotated[str | None, typer.Option(help="The same key never makes a second job.")] = None,
    hub: HubUrl = DEFAULT_HUB,
    token_file: TokenFile = None,
    trust: TrustFile = None,
    as_json: AsJson = False,
) -> None:
    """Check that the hub's plan is your request's, sign the use commitment (承诺书) with your own key, submit the job.

    Exit code 1 if a rule denies it.
    With --trust the check rests on what the owners signed of their data; without it on what the hub shows.
    """
    spec = read_job(file)
    start = now()
    with connect(hub, token_file, trust) as client:
        kind, request = asked_of(spec, param)
        plan = client.preview_request(kind, request).plan_digest
        if commitment_file is not None and commitment_file.exists():
            commitment = Envelope.parse(commitment_file.read_bytes())
        else:
            commitment = build_commitment(
                operator, spec["datasets"], [plan], spec["scenario"], spec["purpose"], start, day(until), load_key(key)
            )
        job = client.submit_request(kind, request, commitment=commitment, idempotency_key=idempotency_key)
        if commitment_file is not None and not commitment_file.exists():  # it names a job that is there now
            commitment_file.write_bytes(commitment.encode())
    if as_json:
        say_json(job.raw)
    else:
        show_cost(job.words)
        show_job(job)
    if job.state == "denied":
        raise typer.Exit(1)


@app.command("list")
def list_(
    state: Annotated[str | None, typer.Option(help="Only jobs in this state.")] = None,
    hub: HubUrl = DEFAULT_HUB,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Your jobs, newest first."""
    with connect(hub, token_file) as client:
        jobs = sorted(client.jobs(state=state), key=lambda job: str(job.raw.get("created", "")), reverse=True)
    if as_json:
        say_json([job.raw for job in jobs])
        return
    if not jobs:
        say("no job{which}", which=f" is {state}" if state else " yet")
        show_next("unseen job list" if state else "unseen job explain FILE")
        return
    for job in jobs:
        since = str(job.raw.get("created", ""))[:16].replace("T", " ")
        name = job.state.replace("_", " ")
        say("{id}  {since}  {state:<14}  {progress}", id=job.id, since=since, state=name, progress=job.progress)
    show_next(command("unseen job show", jobs[0].id))


@app.command()
def show(job_id: JobId, hub: HubUrl = DEFAULT_HUB, token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """One job: state, reasons, plan in words, the next call."""
    with connect(hub, token_file) as client:
        job = client.job(job_id)
    if as_json:
        say_json(job.raw)
        return
    show_words(str(job.words.get("text", "")))
    show_job(job)


@app.command()
def watch(
    job_id: JobId,
    timeout: Annotated[float, typer.Option(help="Seconds to wait.")] = 600.0,
    hub: HubUrl = DEFAULT_HUB,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Follow a job to its end, with a live timer. Exit code 1 unless it is released."""
    with connect(hub, token_file) as client:
        job = follow(client, job_id, timeout, quiet=as_json)
    if as_json:
        say_json(job.raw)
    else:
        show_job(job)
    if job.state != "released":
        raise typer.Exit(1)


@app.command()
def cancel(job_id: JobId, hub: HubUrl = DEFAULT_HUB, token_file: TokenFile = None) -> None:
    """Give a job up. What already left cannot be taken back."""
    with connect(hub, token_file) as client:
        show_job(client.cancel(job_id))


@app.command()
def release(
    job_id: JobId,
    to: Annotated[Path | None, typer.Option("--out", help="Write .csv or .arrow instead of showing it.")] = None,
    salt_to: Annotated[Path | None, typer.Option("--salt-out", help="Also write the salt, to verify the file.")] = None,
    hub: HubUrl = DEFAULT_HUB,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Show the released table, or download exactly the committed bytes. A file that is there is not written over."""
    if to is not None:
        check_new(to, ".csv", ".arrow")
    if salt_to is not None:
        check_new(salt_to)
    with connect(hub, token_file) as client:
        if salt_to is not None:
            salt_to.write_text(str(client.release(job_id)["salt"]))
        if to is not None:
            to.write_bytes(client.download(job_id, to.suffix.removeprefix(".")))
            say("written to {file}", file=to)
            show_next(command("unseen job receipt", job_id) + " --out receipt.json")
        elif as_json:
            say_json(client.release(job_id))
        else:
            show_table(client.table(job_id))
            show_next(
                command("unseen job release", job_id) + " --out release.csv --salt-out salt",
                command("unseen job receipt", job_id) + " --out receipt.json",
            )


@app.command()
def receipt(
    job_id: JobId,
    to: Annotated[Path, typer.Option("--out", help="Where the receipt goes.")] = Path("receipt.json"),
    hub: HubUrl = DEFAULT_HUB,
    token_file: TokenFile = None,
) -> None:
    """Fetch the receipt (存证): anybody can verify it offline with 'unseen verify'."""
    check_new(to)
    with connect(hub, token_file) as client:
        found = client.receipt(job_id)
    to.write_bytes(found)
    say("written to {file} ({size:,} bytes)", file=to, size=len(found))
    show_next(command("unseen verify", to) + "  (--trust trust.json, unless UNSEEN_TRUST names it)")


@app.command()
def schema() -> None:
    """Print the JSON Schema of a job file, for editors (docs/job-file.md says how)."""
    from sandbox.client.job_file import JobFile

    say_json(json_schema(JobFile))


def follow(client: Any, job_id: str, timeout: float, quiet: bool = False) -> Job:
    """Wait with a progress line; returns the final job."""
    with progress("submitted", quiet) as line:
        done = client.wait(job_id, timeout, on_change=lambda job: line.say(progress_text(job)))
    found: Job = done.job
    return found


def read_job(file: Path) -> dict[str, Any]:
    """Read a job file; raises ``InvalidSpec`` naming each fault."""
    from jobs.documents.base import faults
    from sandbox.client.job_file import JobFile

    try:
        return JobFile.model_validate(yaml.safe_load(file.read_text())).model_dump(mode="json", exclude_none=True)
    except (yaml.YAMLError, UnicodeDecodeError):
        raise InvalidSpec(f"{file.name} is not YAML") from None
    except ValidationError as error:
        raise InvalidSpec(f"{file.name}: {faults(error, JobFile.model_fields)}") from None


def asked_of(spec: dict[str, Any], param: list[str] | None) -> tuple[str, dict[str, Any]]:
    """Kind and request of the file, with the parameters of the command line in it."""
    kind, request = request_of(spec)
    given = parameters_of(param or [])
    return kind, {**request, "parameters": {**request.get("parameters", {}), **given}} if given else request
