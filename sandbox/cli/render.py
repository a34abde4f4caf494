"""How plans, tables and verdicts look in a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

from rich.cells import cell_len
from rich.panel import Panel
from rich.table import Table as Grid
from rich.text import Text

from sandbox.cli.context import out
from sandbox.client import Job, Table

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
_WIDEST: Final = 100
"""Columns of a page of words, however wide the terminal is."""


def show_job(job: Job) -> None:
    """State, reasons and the exact next calls."""
    style = STATE_STYLE.get(job.state, "")
    progress = "" if job.progress == job.state else f"  [dim]{job.progress}[/]"
    out.print(f"job [bold]{job.id}[/]  [{style}]{job.state.replace('_', ' ')}[/]{progress}")
    for reason in job.reasons:
        out.print(f"  - {reason_text(reason)}")
    if job.failure:
        out.print(f"  [red]{job.failure.get('code')}[/]: {job.failure.get('detail', '')}", soft_wrap=True)
    show_next(*next_calls(job))


def show_next(*calls: str) -> None:
    """One exact call a line, unwrapped, so that it can be copied; ``who: call`` where it is another person's."""
    for number, call in enumerate(calls):
        out.print(
            Text("next: " if number == 0 else "      ", style="dim").append(call, style="not dim"), soft_wrap=True
        )


def next_calls(job: Job) -> tuple[str, ...]:
    """What can be done with this job now, most likely first; empty when nothing is left to do."""
    match job.state:
        case "needs_approval":
            owners = waiting_for(job.reasons)
            if not owners:
                return (f"unseen job show {job.id}",)
            return (
                f"{', '.join(owners)}, each: unseen review show {job.id}, then unseen review approve {job.id}",
                f"you: unseen job watch {job.id}",
            )
        case "ready" | "running":
            return (f"unseen job watch {job.id}",)
        case "released":
            return f"unseen job release {job.id}", f"unseen job receipt {job.id} --out receipt.json"
        case "denied":
            return ("change what the reasons name in the job file, then unseen job explain FILE",)
        case "failed" | "expired":
            return ("unseen job submit FILE again: a new job needs a new permit, and a grant with a run left",)
        case _:
            return ()


def waiting_for(reasons: Iterable[Mapping[str, Any]]) -> list[str]:
    """The owners whose grant is missing, each once, in the hub's order."""
    return list(dict.fromkeys(str(reason["owner"]) for reason in reasons if reason.get("owner")))


def reason_text(reason: Mapping[str, Any]) -> str:
    text = str(reason.get("text") or reason.get("detail") or reason.get("code"))
    owner = reason.get("owner")
    return text if not owner or text.startswith(str(owner)) else f"{owner}: {text}"


def show_cost(words: Mapping[str, Any]) -> None:
    """What one run takes, in numbers that can be read; nothing if an older hub does not say."""
    cost = words.get("cost") or {}
    if not cost:
        return
    size = amount(cost["flag_bytes_per_node"] + cost["value_bytes_per_node"])
    out.print(f"{words.get('summary', '')}; {words.get('numbers', 0):,} numbers")
    out.print(
        f"cost: about {cost['seconds_about']} s at each node, at most {cost['rows_at_most']:,} rows of "
        f"{cost['columns_read']} columns, {size} sent by each node"
    )


def amount(size: int) -> str:
    """Bytes as people write them."""
    for unit, power in (("GB", 9), ("MB", 6), ("kB", 3)):
        if size >= 10**power:
            return f"{size / 10**power:.1f} {unit}"
    return f"{size} bytes"


def show_words(text: str, title: str = "What this plan does (计划说明)") -> None:
    """A plan in words, as ``jobs.kinds.statistics.plan.words`` wrote it. Printed literally: nothing in it is markup."""
    width = min(out.width, _WIDEST)
    out.print(Panel(Text(hang(text, width - 4)), title=title, title_align="left", width=width))


def hang(text: str, width: int) -> str:
    """Long lines go on under their own first word, so that a list still looks like one."""
    return "\n".join(part for line in text.splitlines() for part in _hung(line, width))


def _hung(line: str, width: int) -> list[str]:
    """One line in pieces. Chinese characters are two columns wide, which ``textwrap`` does not know."""
    body = line.lstrip(" -")
    indent = len(line) - len(body)
    pieces, now = [], line[:indent]
    for word in body.split():
        longer = now + (" " if now.strip(" -") else "") + word
        if cell_len(longer) > width and now.strip(" -"):
            pieces.append(now)
            now = " " * indent + word
        else:
            now = longer
    return [*pieces, now]


def listing(*columns: str, title: str) -> Grid:
    """An empty table without frames, whose ids and times fit into 80 columns unbroken."""
    grid = Grid(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0))
    for name in columns:
        grid.add_column(name, no_wrap=True, overflow="ellipsis", header_style="bold")
    return grid


def moment(text: str) -> str:
    """``2026-11-21T22:05:29Z`` as people read it; all times are UTC."""
    return text[:19].replace("T", " ")


def show_table(table: Table, limit: int = 40) -> None:
    """A released table; suppressed cells are marked, and the source is under it (R14)."""
    grid = Grid(caption=Text(table.source_line), caption_justify="left")
    for place, name in enumerate(table.columns):
        numeric = all(row[place] is None or isinstance(row[place], int | Decimal) for row in table.rows)
        grid.add_column(Text(name), justify="right" if numeric else "left")
    for index in range(min(limit, len(table))):
        cells = [table.cell(index, name) for name in table.columns]
        grid.add_row(*[Text(cell, style="dim" if cell == "·" else "") for cell in cells])
    out.print(grid)
    hidden = sum(len(names) for names in table.suppressed)
    more = f"{len(table):,} rows" + (f", {limit} shown" if len(table) > limit else "")
    out.print(f"[dim]{more}; {hidden:,} cell(s) marked · are withheld by the disclosure rules, or empty[/]")
