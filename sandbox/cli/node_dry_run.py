"""The owner asks its own node what a request would meet there, before it signs: nothing is stored, nothing leaves."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from sandbox.cli.context import AsJson, HubUrl, NodeConfig, TokenFile, TrustFile, connect, need_trust
from sandbox.cli.job import asked_of, read_job
from sandbox.cli.own_node import ask_node
from sandbox.cli.render import command, show_next
from sandbox.cli.review import find_review
from sandbox.cli.terminal import listing, row, say, say_json, show
from sandbox.errors import InvalidSpec

_PATIENCE_S = 660.0
"""A minute more than the node waits for its scan."""
_SHOWN = 40


def dry_run(
    config: NodeConfig,
    request: Annotated[
        str, typer.Argument(help="Id of a request that waits for you, or a job file (.yaml), or a statement (.sql).")
    ],
    param: Annotated[
        list[str] | None, typer.Option("--param", "-p", help="Parameter of a file, as name=value; repeat for more.")
    ] = None,
    owners: Annotated[int, typer.Option(min=1, max=10_000, help="For a file: how many owners would take part.")] = 1,
    hub: HubUrl = "",
    token_file: TokenFile = None,
    trust: TrustFile = None,
    as_json: AsJson = False,
) -> None:
    """Scan and judge your own data as a job would, then forget it: what is withheld and why, and the audit (试算).

    Nothing leaves the node and nothing is charged. A request is read as 'review show' reads it; a file needs no hub.
    """
    answer = ask_node(config, _command(config, request, param, owners, hub, token_file, trust), _PATIENCE_S)
    if as_json:
        say_json(answer)
        return
    _show(answer)
    if not Path(request).exists():
        show_next(command("unseen review show", request))


def _command(
    config: Path,
    request: str,
    param: list[str] | None,
    owners: int,
    hub: str,
    token_file: Path | None,
    trust: Path | None,
) -> dict[str, Any]:
    if Path(request).exists():
        file = Path(request)
        spec = {"sql": file.read_text()} if file.suffix == ".sql" else read_job(file)
        kind, asked = asked_of(spec, param)
        return {"do": "dry-run", "kind": kind, "request": asked, "owners": owners}
    if param or owners != 1:
        raise InvalidSpec("--param and --owners are for files: a request has its own parameters and participants")
    from sandbox.node.config import load_config

    with connect(hub or load_config(config).hub, token_file, need_trust(trust)) as client:
        review = find_review(client, request)
    return {
        "do": "dry-run",
        "kind": review.kind.name,
        "plan": review.kind.to_json(review.plan),
        "parameters": dict(review.parameters),
        "readings": [asdict(reading) for reading in review.readings],
    }


def _show(answer: dict[str, Any]) -> None:
    closed = {rule: count for rule, count in answer["closed"].items() if count}
    say(
        "profile [bold]{profile}[/] of {datasets} decides; {closed:,} of {numbers:,} numbers would be withheld here, "
        "{empty:,} rest on nobody",
        profile=answer["profile"],
        datasets=", ".join(answer["decided_by"]),
        closed=sum(closed.values()),
        numbers=answer["numbers"],
        empty=answer["empty"],
    )
    for rule, count in closed.items():
        say("  {count:>7,}  {rule}: {words}", count=count, rule=rule, words=answer["rules"][rule])
    _show_withheld(answer)
    for name, least in answer["shown_from"].items():
        say("[dim]{name}: shown from a noisy count of {least:,} over all owners[/]", name=name, least=least)
    _show_audit(answer["audit"])
    for item in answer["vetoes"]:
        say("{unit_domain}: {before:,} cells closed by secret values so far, {after:,} then, {limit:,} at most", **item)
    say("[dim]nothing was stored, charged or sent[/]")


def _show_withheld(answer: dict[str, Any]) -> None:
    withheld = answer["withheld"]
    if not withheld:
        return
    table = listing("statistic", "cell", "rule", "base", "behind it", title="Withheld here (不予发布)")
    for item in withheld[:_SHOWN]:
        cell = ", ".join(f"{name} {'missing' if value is None else value}" for name, value in item["cell"].items())
        counts = f"{item['base']:,}", f"{item['contributors']:,}"
        row(table, item["statistic"], cell or "all rows", item["rule"], *counts)
    show(table)
    left = len(withheld) - _SHOWN + answer["not_listed"]
    if left > 0:
        say("[dim]and {left:,} more; --json lists up to 2,000[/]", left=left)


def _show_audit(systems: list[dict[str, Any]]) -> None:
    if not systems:
        return
    table = listing("individuals", "about", "highest now", "then", "cap", "new answers", title="Audit (累计披露审计)")
    for item in systems:
        about = "presence" if item["subject"] is None else ".".join(item["subject"])
        numbers = (f"{item[name]:.3f}" for name in ("before", "after", "cap"))
        row(table, item["unit_domain"], about, *numbers, f"{item['rows']:,}")
    show(table)
