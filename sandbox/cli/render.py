"""How plans, tables and verdicts look in a terminal."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from sandbox.cli.terminal import framed, page, row, say, show, styled
from sandbox.client import Job, Table
from sandbox.client.table import SUPPRESSED
from sandbox.client.views import reason_text

STATE_STYLE: Final = {
    "released": "bold green",
    "needs_approval": "yellow",
    "ready": "cyan",
    "running": "cyan",
    "failed": "bold red",
    "denied": "bold red",
    "cancelled": "dim",
    "expired": "dim",
}


def json_schema(model: type[BaseModel]) -> dict[str, Any]:
    """What an editor checks a file of this model by."""
    return {"$schema": GenerateJsonSchema.schema_dialect, **model.model_json_schema()}


def show_job(job: Job) -> None:
    """State, reasons and the exact next calls."""
    state = styled(job.state.replace("_", " "), STATE_STYLE.get(job.state, ""))
    progress = "" if job.progress == job.state else f"  {job.progress}"
    say("job [bold]{id}[/]  {state}[dim]{progress}[/]", id=job.id, state=state, progress=progress)
    show_reasons(job.reasons)
    if job.failure:
        say("  [red]{code}[/]: {detail}", code=job.failure.get("code"), detail=job.failure.get("detail", ""))
    show_next(*next_calls(job))


def progress_text(job: Job) -> str:
    """On one line: state, and what each node with a long scan says of it. A node that reports nothing is not named."""
    text = f"{job.state}: {job.progress}"
    if job.scans:
        rows = (job.words.get("cost") or {}).get("rows_at_most")
        whole = f" of at most {rows:,} rows" if isinstance(rows, int) else ""
        text += f"; scanned{whole}: " + ", ".join(f"{scan.node} {scan.percent}%" for scan in job.scans)
        text += f"; about {job.seconds_left} s left"
    return text


def scan_text(scan: Mapping[str, Any] | None) -> str:
    """How far the owner's own node is with a scan in parts; nothing for a short one."""
    if scan is None:
        return ""
    return (
        f": part {scan['parts_done']} of {scan['parts']}, {scan['rows_done']:,} of {scan['rows']:,} rows, "
        f"about {round(scan['seconds_left'])} s left"
    )


def show_reasons(reasons: Iterable[Mapping[str, Any]]) -> None:
    for reason in reasons:
        say("  - {reason}", reason=reason_text(reason))


def show_next(*calls: str) -> None:
    """One exact call a line, unwrapped, so that it can be copied; ``who: call`` where it is another person's."""
    for number, call in enumerate(calls):
        if number == 0:
            say("[dim]next: [/]{call}", whole=True, call=call)
        else:
            say("      {call}", whole=True, call=call)


def command(call: str, *values: object) -> str:
    """A call with its values as a shell takes them: a file or id from outside is one word, and no second command."""
    return " ".join((call, *(shlex.quote(str(value)) for value in values)))


def next_calls(job: Job) -> tuple[str, ...]:
    """What can be done with this job now, most likely first; empty when nothing is left to do."""
    match job.state:
        case "needs_approval":
            owners = job.waiting_for
            if not owners:
                return (command("unseen job show", job.id),)
            return (
                f"{', '.join(owners)}, each: {command('unseen review show', job.id)}, "
                f"then {command('unseen review approve', job.id)}",
                "you: " + command("unseen job watch", job.id),
            )
        case "ready" | "running":
            return (command("unseen job watch", job.id),)
        case "released":
            return command("unseen job release", job.id), command("unseen job receipt", job.id) + " --out receipt.json"
        case "denied":
            return ("change what the reasons name in the job file, then unseen job explain FILE",)
        case "failed" | "expired":
            return ("unseen job submit FILE again: a new job needs a new permit, and a grant with a run left",)
        case _:
            return ()


def show_cost(words: Mapping[str, Any]) -> None:
    """What one run takes, in numbers that can be read; nothing if an older hub does not say."""
    cost = words.get("cost") or {}
    if not cost:
        return
    size = amount(cost["flag_bytes_per_node"] + cost["value_bytes_per_node"])
    say("{summary}; {numbers:,} numbers", summary=words.get("summary", ""), numbers=words.get("numbers", 0))
    say(
        "cost: about {seconds} s at each node, at most {rows:,} rows of {columns} columns, {size} sent by each node",
        seconds=cost["seconds_about"],
        rows=cost["rows_at_most"],
        columns=cost["columns_read"],
        size=size,
    )


def amount(size: int) -> str:
    """Bytes as people write them."""
    for unit, power in (("GB", 9), ("MB", 6), ("kB", 3)):
        if size >= 10**power:
            return f"{size / 10**power:.1f} {unit}"
    return f"{size} bytes"


def show_checks(checks: Iterable[str]) -> None:
    """What holds, and what is not proven, a line each."""
    for check in checks:
        mark = styled("--", "yellow") if check.startswith("not ") else styled("ok", "green")
        say("{mark}  {check}", mark=mark, check=check)


def show_words(text: str, title: str = "What this plan does (计划说明)") -> None:
    """A plan in words, whoever wrote them. Nothing in them is markup, and no line leaves the frame."""
    page(text, title)


def moment(text: str) -> str:
    """``2026-11-21T22:05:29Z`` as people read it; all times are UTC."""
    return text[:19].replace("T", " ")


def show_table(table: Table, limit: int = 40) -> None:
    """A released table; suppressed cells are marked, errors stand behind numbers, and the source is under it (R14)."""
    numeric = tuple(
        all(row[place] is None or isinstance(row[place], int | Decimal) for row in table.rows)
        for place in range(len(table.columns))
    )
    grid = framed(*table.columns, numeric=numeric)
    for index in range(min(limit, len(table))):
        row(grid, *[table.cell(index, name) for name in table.columns], dim=SUPPRESSED)
    show(grid)
    say("[dim]{source}[/]", source=table.source_line)
    say(
        "[dim]{count:,} rows{part}; {hidden:,} cell(s) marked · are withheld by the disclosure rules, or empty[/]",
        count=len(table),
        part=f", {limit} shown" if len(table) > limit else "",
        hidden=sum(len(names) for names in table.suppressed),
    )
    for count, why in table.reasons():
        say("[dim]  {count:,} withheld: {why}[/]", count=count, why=why)
    if table.has_errors():
        say(
            "[dim]± one standard error of the noise that protects individuals: two of three numbers are "
            "closer than that to the exact one[/]"
        )
