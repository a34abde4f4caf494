"""The auditor's commands: read, export and verify the job log; reconcile it with the nodes' own records."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from jobs.documents import Envelope, OutboxRecord, verify_outbox_record
from sandbox.audit import LogEntry, verify_checkpoint
from sandbox.cli.context import (
    DEFAULT_HUB,
    AsJson,
    HubUrl,
    TokenFile,
    TrustFile,
    connect,
    need_trust,
)
from sandbox.cli.render import command, moment, show_next
from sandbox.cli.terminal import framed, listing, row, say, say_json, show, styled
from sandbox.errors import IntegrityFailure
from sandbox.verify import compare_transcripts, count_runs, join_pages, read_item, verify_entries
from sandbox.verify import reconcile as reconcile_record

app = typer.Typer(help="Read, verify and reconcile the job log (auditor).", no_args_is_help=True)


@app.command("list")
def list_(
    kind: Annotated[str | None, typer.Option(help="Only this kind of event, e.g. job.released.")] = None,
    job: Annotated[str | None, typer.Option(help="Only this job.")] = None,
    actor: Annotated[str | None, typer.Option(help="Only this actor, e.g. owner:EWR.")] = None,
    hub: HubUrl = DEFAULT_HUB,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Events in time order."""
    with connect(hub, token_file) as client:
        entries = [item for item in client.log_entries(kind=kind, job=job, actor=actor) if as_json or "entry" in item]
    if as_json:
        say_json(entries)
        return
    if not entries:
        say("no entry fits")
        return
    table = listing("no.", "when (UTC)", "event", "actor", "subject", title="Job log (作业日志)")
    for entry in entries:
        fields = entry["entry"]
        row(table, entry["index"], moment(fields["at"]), fields["event"], fields["actor"], fields["subject"])
    show(table)


@app.command()
def export(
    to: Annotated[Path, typer.Option("--out", help="File for all entries, one JSON line each.")],
    hub: HubUrl = DEFAULT_HUB,
    token_file: TokenFile = None,
) -> None:
    """Write every entry: exact leaf bytes of those you may read, the hashes of all others."""
    with connect(hub, token_file) as client, to.open("w") as file:
        count = 0
        for entry in client.log_entries():
            file.write(json.dumps(entry) + "\n")
            count += 1
    say("{count:,} entries written to {file}", count=count, file=to)
    show_next(command("unseen log verify --file", to))


@app.command()
def verify(
    file: Annotated[Path | None, typer.Option("--file", help="An export to verify instead of the live log.")] = None,
    hub: HubUrl = DEFAULT_HUB,
    token_file: TokenFile = None,
    trust: TrustFile = None,
) -> None:
    """Rebuild the Merkle tree from all entries and compare it with the signed checkpoint."""
    with connect(hub, token_file, need_trust(trust)) as client:
        roster = client.roster()
        note = client.log_get("checkpoint")["note"].encode()
        checkpoint, _ = verify_checkpoint(note, roster.document.origin, roster.document.hub_key())
        lines = file.read_text().splitlines() if file else None
        entries = [json.loads(line) for line in lines] if lines is not None else list(client.log_entries())
    verified = verify_entries(map(read_item, entries[: checkpoint.size]), checkpoint)
    say(
        "[green]ok[/]  {count:,} entries hash to the root of checkpoint {size}, signed by the hub",
        count=checkpoint.size,
        size=checkpoint.size,
    )
    if hidden := checkpoint.size - len(verified):
        say("    {hidden:,} of them are for others to read: only their hashes were compared", hidden=hidden)


@app.command()
def recompute(
    job: Annotated[str, typer.Argument(help="The job, from 'unseen log list'.")],
    hub: HubUrl = DEFAULT_HUB,
    token_file: TokenFile = None,
    trust: TrustFile = None,
    as_json: AsJson = False,
) -> None:
    """Compute a released output again from what the nodes signed, and compare (重算). Exit code 1 unless it agrees.

    Works until the job's contents are destroyed, also for an output that not all participants confirmed.
    """
    with connect(hub, token_file, need_trust(trust)) as client:
        found = client.recompute(job)
    if as_json:
        say_json({"agrees": True, "checks": found.checks, "release": found.release.document.id})
        return
    for check in found.checks:
        mark = styled("--", "yellow") if check.startswith("not ") else styled("ok", "green")
        say("{mark}  {check}", mark=mark, check=check)


@app.command()
def reconcile(
    records: Annotated[list[Path], typer.Argument(help="Exports of the nodes: 'unseen node export'.")],
    hub: HubUrl = DEFAULT_HUB,
    token_file: TokenFile = None,
    trust: TrustFile = None,
) -> None:
    """Compare each node's own account with the log, the nodes with each other, and run counts with the hub's.

    Exit code 1 unless all agree: a message that is missing on one side, values that the hub refused after they had left
    their owner, nodes that were told different things, a grant used more or less often than the hub says.
    """
    with connect(hub, token_file, need_trust(trust)) as client:
        roster = client.roster()
        grants = client.grants()  # first: a run that begins meanwhile is in the log then
        note = client.log_get("checkpoint")["note"].encode()
        checkpoint, _ = verify_checkpoint(note, roster.document.origin, roster.document.hub_key())
        leaves = [read_item(entry) for entry in client.log_entries()]
    entries = verify_entries(leaves[: checkpoint.size], checkpoint)
    envelopes = [Envelope.from_json(json.loads(path.read_text())) for path in records]
    joined = join_pages(verify_outbox_record(envelope, roster).document for envelope in envelopes)
    agreed = [show_reconciled(record, entries, grants) for record in joined]
    told = compare_transcripts(joined)
    for item in told:
        say(
            "[bold red]told differently[/]: {nodes} signed {round} no. {number} of {permit} after different relays",
            nodes=", ".join(sorted(item.transcripts)),
            round=item.round,
            number=item.sequence,
            permit=item.permit,
        )
    if told or not all(agreed):
        raise IntegrityFailure("the nodes' own records and what the hub says do not agree")


def show_reconciled(record: OutboxRecord, entries: Sequence[LogEntry], grants: Sequence[Mapping[str, Any]]) -> bool:
    """One node's lines; returns whether nothing needs an explanation."""
    result = reconcile_record(record, entries)
    runs = [count for count in count_runs(record, entries, grants) if not count.agrees]
    agrees = result.agrees and not runs
    mark = styled("agrees", "green") if agrees else styled("differs", "bold red")
    say("{node}: {count} messages, {mark}", node=record.node, count=len(record.entries), mark=mark)
    for item in result.not_logged:
        say("  - sent as no. {number} ({round}) but not in the log", number=item.number, round=item.message.round)
    for item in result.refused:
        say(
            "  - [bold red]values left[/] as no. {number} ({round}) and the hub refused them",
            number=item.number,
            round=item.message.round,
        )
    for entry in result.not_sent:
        say(
            "  - in the log as {subject} at {at:%H:%M:%S} but not in the node's record",
            subject=entry.subject,
            at=entry.at,
        )
    for count in runs:
        say(
            "  - grant {grant}: the hub counts {hub} run(s), the node sent values in {bound} of {permits}",
            grant=count.grant,
            hub=count.hub,
            bound=count.bound,
            permits=count.permits,
        )
    if result.late:
        say("  {count} message(s) came after their job had ended, as the log says too", count=len(result.late))
    return agrees


def usage(hub: HubUrl = DEFAULT_HUB, token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """Runs and metered units per operator, owner and dataset (用量)."""
    with connect(hub, token_file) as client:
        rows = client.usage()
    if as_json:
        say_json(rows)
        return
    if not rows:
        say("nothing has been released yet")
        return
    table = framed("operator", "owner", "dataset", "unit", "used", "releases", title="Usage (用量)")
    for item in rows:
        counts = [f"{item.get(name, 0):,}" for name in ("amount", "releases")]
        row(table, *[item.get(name, "") for name in ("operator", "owner", "dataset", "unit")], *counts)
    show(table)
