"""The auditor's commands: read, export and verify the job log; reconcile it with the nodes' own records."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from jobs.documents import Envelope, OutboxRecord, verify_outbox_record
from sandbox.audit import LogEntry
from sandbox.cli.context import (
    DEFAULT_HUB,
    AsJson,
    HubUrl,
    TokenFile,
    TrustFile,
    check_new,
    connect,
    need_trust,
)
from sandbox.cli.log_filter import Wanted, check_kind, fitting, moment_of, write_entries
from sandbox.cli.render import command, moment, show_checks, show_next
from sandbox.cli.terminal import framed, listing, row, say, say_json, show, styled
from sandbox.errors import IntegrityFailure
from sandbox.keys import Trust
from sandbox.verify import compare_transcripts, count_runs, join_pages, read_export, verify_log
from sandbox.verify import reconcile as reconcile_record

app = typer.Typer(help="Read, verify and reconcile the job log (auditor).", no_args_is_help=True)


@app.command("list")
def list_(
    kind: Annotated[str | None, typer.Option(help="Only this kind of event, e.g. job.released.")] = None,
    job: Annotated[str | None, typer.Option(help="Only this job.")] = None,
    actor: Annotated[str | None, typer.Option(help="Only this actor, e.g. owner:EWR.")] = None,
    operator: Annotated[str | None, typer.Option(help="Only jobs of this operator, and what it did itself.")] = None,
    owner: Annotated[str | None, typer.Option(help="Only jobs that ask this owner, and what it did itself.")] = None,
    dataset: Annotated[str | None, typer.Option(help="Only jobs that read it, and its registrations.")] = None,
    column: Annotated[str | None, typer.Option(help="Only jobs that read DATASET.COLUMN.")] = None,
    since: Annotated[str | None, typer.Option(help="From this UTC time on: 2026-12-31 or 2026-12-31T08:00.")] = None,
    until: Annotated[str | None, typer.Option(help="Before this UTC time; a day counts whole.")] = None,
    after: Annotated[int, typer.Option(min=-1, help="Go on behind this entry.")] = -1,
    limit: Annotated[int, typer.Option(min=1, help="At most so many entries.")] = 200,
    to: Annotated[Path | None, typer.Option("--out", help="Write all that fit to a .csv or .json file.")] = None,
    hub: HubUrl = DEFAULT_HUB,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Events in time order. Which jobs read a dataset or column is the hub's word here: 'unseen audit' proves it."""
    check_kind(kind)
    wanted = Wanted(operator, owner, dataset, column, moment_of(since), moment_of(until, whole_day=True))
    if to is not None:
        check_new(to, ".csv", ".json")
    with connect(hub, token_file) as client:
        entries = fitting(client, wanted, after=after, kind=kind, job=job, actor=actor)
        found = list(entries if to is not None else islice(entries, limit + 1))
    shown = found if to is not None else found[:limit]
    if to is not None:
        write_entries(to, shown)
        say("{count:,} entries written to {file}", count=len(shown), file=to)
    elif as_json:
        say_json(shown)
    elif not shown:
        say("no entry fits")
    else:
        show_entries(shown)
        if len(found) > limit:
            show_next(f"the same with --after {shown[-1]['index']}, or all of it with --out log.csv")


def show_entries(entries: Sequence[Mapping[str, Any]]) -> None:
    table = listing("no.", "when (UTC)", "event", "actor", "subject", title="Job log (作业日志)")
    for entry in entries:
        fields = entry["entry"]
        row(table, entry["index"], moment(fields["at"]), fields["event"], fields["actor"], fields["subject"])
    show(table)


@app.command()
def export(
    to: Annotated[Path, typer.Option("--out", help="File for checkpoint, rosters and all entries, a JSON line each.")],
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for cosignatures.")] = 5.0,
    hub: HubUrl = DEFAULT_HUB,
    token_file: TokenFile = None,
    trust: TrustFile = None,
) -> None:
    """Write all that an offline verification needs: signed checkpoint, cosignatures, rosters, and every entry.

    Of entries that you may not read only the hashes: the tree is whole without them.
    """
    check_new(to)
    with connect(hub, token_file, need_trust(trust)) as client, to.open("x") as file:
        count = -1
        for line in client.log_export(wait):
            file.write(json.dumps(line) + "\n")
            count += 1
    say("{count:,} entries written to {file}", count=count, file=to)
    show_next(command("unseen log verify --file", to))


@app.command()
def verify(
    file: Annotated[
        Path | None, typer.Option("--file", exists=True, dir_okay=False, help="An export: no hub is asked.")
    ] = None,
    hub: HubUrl = DEFAULT_HUB,
    token_file: TokenFile = None,
    trust: TrustFile = None,
    as_json: AsJson = False,
) -> None:
    """Rebuild the Merkle tree from all entries, and compare it with the checkpoint that hub and witnesses signed."""
    pinned = need_trust(trust)
    if file is not None:
        found = verify_log(read_export(file.read_text()), Trust.load(pinned))
    else:
        with connect(hub, token_file, pinned) as client:
            found = client.verified_log()
    if as_json:
        say_json({"size": found.checkpoint.size, "cosigned": list(found.cosigned), "checks": found.checks})
        return
    show_checks(found.checks)


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
    show_checks(found.checks)


@app.command()
def reconcile(
    records: Annotated[list[Path], typer.Argument(help="Exports of the nodes: 'unseen node export'.")],
    hub: HubUrl = DEFAULT_HUB,
    token_file: TokenFile = None,
    trust: TrustFile = None,
) -> None:
    """Compare each node's own account with the log, the nodes with each other, and run counts with the hub's.

    Exit code 1 unless all agree: a message that is missing on one side, values that the hub refused after they had left
    their owner, nodes that were told different things, a grant used more or less often than the hub says. Each node is
    judged up to its export; what came after it is counted, and judged with the next one.
    """
    with connect(hub, token_file, need_trust(trust)) as client:
        roster = client.roster()
        grants = client.grants()  # first: a run that begins meanwhile is in the log then
        entries = client.verified_log().entries
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
    if result.since:
        say(
            "  {count} message(s) came after the export of {at:%Y-%m-%d %H:%M:%S}: not judged, export again for them",
            count=len(result.since),
            at=record.issued,
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
