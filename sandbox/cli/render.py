"""How plans, tables and verdicts look in a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

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


def show_job(job: Job) -> None:
    """State, reasons and the exact next call."""
    style = STATE_STYLE.get(job.state, "")
    out.print(f"job [bold]{job.id}[/]  [{style}]{job.state.replace('_', ' ')}[/]  [dim]{job.fine}[/]")
    for reason in job.reasons:
        out.print(f"  - {reason_text(reason)}")
    if job.failure:
        out.print(f"  [red]{job.failure.get('code')}[/]: {job.failure.get('detail', '')}", soft_wrap=True)
    if (call := next_call(job)) is not None:
        out.print(f"  [dim]next:[/] {call}")


def next_call(job: Job) -> str | None:
    match job.state:
        case "needs_approval":
            return "each owner: unseen review list, then unseen review approve"
        case "ready" | "running":
            return f"unseen job watch {job.id}"
        case "released":
            return f"unseen job release {job.id}   |   unseen job receipt {job.id} --out receipt.json"
        case _:
            return None


def reason_text(reason: Mapping[str, Any]) -> str:
    who = f"{reason['owner']}: " if reason.get("owner") else ""
    return f"{who}{reason.get('text') or reason.get('detail') or reason.get('code')}"


def show_words(text: str, title: str = "What this plan does (计划说明)") -> None:
    """A plan in words, as ``jobs.plan.words`` wrote it. Printed literally: nothing in it is markup."""
    out.print(Panel(Text(text), title=title, title_align="left", expand=False))


def show_table(table: Table, limit: int = 40) -> None:
    """A released table; suppressed cells are marked, and the source is under it (R14)."""
    grid = Grid(*table.columns, caption=table.source_line, caption_justify="left")
    for index in range(min(limit, len(table))):
        cells = [table.cell(index, name) for name in table.columns]
        grid.add_row(*[f"[dim]{cell}[/]" if cell == "·" else cell for cell in cells])
    out.print(grid)
    hidden = sum(len(names) for names in table.suppressed)
    more = f"{len(table)} rows" + (f", {limit} shown" if len(table) > limit else "")
    out.print(f"[dim]{more}; {hidden} cell(s) marked · are withheld by the disclosure rules, or empty[/]")
