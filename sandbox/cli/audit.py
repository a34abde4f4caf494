"""The auditor's questions: who approved, under which data version, what left, when; and what of that is proven.

Rests on the whole verified log, so the lists are complete up to its checkpoint, and on receipts.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sandbox.cli.context import DEFAULT_HUB, AsJson, HubUrl, TokenFile, TrustFile, connect, need_trust
from sandbox.cli.render import amount, command, show_checks, show_next
from sandbox.cli.terminal import say, say_json
from sandbox.client import Client
from sandbox.client.audit import JobAudit, audit_column, audit_job
from sandbox.verify import VerifiedLog, read_export, verify_log

app = typer.Typer(help="Who approved what, and what left, proven (auditor).", no_args_is_help=True)
Export = Annotated[
    Path | None,
    typer.Option("--file", exists=True, dir_okay=False, help="The log from this export, not from the hub."),
]


@app.command("job")
def job_(
    job: Annotated[str, typer.Argument(help="Job id.")],
    file: Export = None,
    hub: HubUrl = DEFAULT_HUB,
    token_file: TokenFile = None,
    trust: TrustFile = None,
    as_json: AsJson = False,
) -> None:
    """One job: who asked and approved, which data versions it read, what left each node, how it ended."""
    with connect(hub, token_file, need_trust(trust)) as client:
        log = whole_log(client, file)
        found = audit_job(client, log, client.trust, job)
    if as_json:
        say_json({**found.to_json(), "log": log.checks})
        return
    show_audit(found)
    show_checks([*log.checks, *found.checks])
    show_next(command("unseen log recompute", job), "unseen log reconcile SENT.json ...  (exports of the nodes)")


@app.command()
def column(
    name: Annotated[str, typer.Argument(help="DATASET.COLUMN, or DATASET for all its columns.")],
    file: Export = None,
    hub: HubUrl = DEFAULT_HUB,
    token_file: TokenFile = None,
    trust: TrustFile = None,
    as_json: AsJson = False,
) -> None:
    """Every job that reads a column, oldest first, from all that were ever submitted."""
    with connect(hub, token_file, need_trust(trust)) as client:
        log = whole_log(client, file)
        found = audit_column(client, log, client.trust, name)
    if as_json:
        say_json({"jobs": [item.to_json() for item in found], "log": log.checks})
        return
    for item in found:
        show_audit(item)
    say("{count} job(s) of all that were submitted read {name}", count=len(found), name=name)
    show_checks([*log.checks, *(check for item in found for check in item.checks)])
    show_next(*[command("unseen audit job", item.job) for item in found[:1]])


def whole_log(client: Client, file: Path | None) -> VerifiedLog:
    """The log of an export or of the hub, verified."""
    return client.verified_log() if file is None else verify_log(read_export(file.read_text()), client.trust)


def show_audit(found: JobAudit) -> None:
    """One job, a fact a line."""
    say(
        "job [bold]{job}[/]  {state}, asked by {operator} on {at:%Y-%m-%d %H:%M} UTC",
        job=found.job,
        state=found.state.replace("_", " "),
        operator=found.operator,
        at=found.asked,
    )
    for item in found.approvals:
        if item.at is None:
            say("  [bold red]approved by a grant that is not in the log[/]: {grant}", grant=item.grant)
        else:
            say("  approved by {owner} on {at:%Y-%m-%d %H:%M}: {grant}", owner=item.owner, at=item.at, grant=item.grant)
    for use in found.reads:
        version = f", version {use.sequence} '{use.label}'" if use.label else ", version not proven"
        say(
            "  {node} read {dataset} ({columns}){version}",
            node=use.node,
            dataset=use.dataset,
            columns=", ".join(use.columns),
            version=version,
        )
    for sent in found.left:
        say(
            "  {at:%Y-%m-%d %H:%M:%S}  {node} sent {round}, {size}{refused}",
            at=sent.at,
            node=sent.node,
            round=sent.round,
            size=amount(sent.size),
            refused=", refused: the job had ended" if sent.refused else "",
        )
    if not found.left:
        say("  nothing left any node")
    for entry in found.ended:
        say("  {at:%Y-%m-%d %H:%M:%S}  {event}", at=entry.at, event=entry.event)
