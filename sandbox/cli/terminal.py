"""The terminal: the only module of the CLI that prints. Text from outside reaches it through values, never as markup.

``say`` takes a template that stands in this program, with markup, and values that may come from anybody. A value is
shown literally, on one line, with what is not legible by name (``jobs.legible``); a long line goes on behind a mark
that no value can put at the start of one. So nobody outside can hide, colour or forge a line. A test looks at every
command.
"""

from __future__ import annotations

import json
import string
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import typer
from rich.cells import cell_len
from rich.console import Console
from rich.measure import Measurement
from rich.panel import Panel
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table as Grid
from rich.text import Text

from jobs.legible import replaced, shown

out: Final = Console(highlight=False)
err: Final = Console(stderr=True, highlight=False)
GOES_ON: Final = "↳ "
"""Stands before what continues a line that was too long."""
_WIDEST: Final = 100
"""Columns of a page of words, however wide the terminal is."""
_PAGE_AT_MOST: Final = 400_000
_LISTING_AT_MOST: Final = 240
_FIELD: Final = "\ue000"


def say(template: str, /, *, to: Console = out, whole: bool = False, **values: Any) -> None:
    """One line. ``template`` is this program's text: markup is allowed, ``{name:spec}`` stands for a value.

    ``whole``: a line to be copied is not broken, however long it is.
    """
    line = worded(template, **values)
    if to.is_terminal and not whole and cell_len(line.plain) > to.width:
        line = Text("\n").join(_continued(line, to.width))
    to.print(line, soft_wrap=True)


def worded(template: str, /, **values: Any) -> Text:
    """The template with its values, each in the style of its place."""
    fields: list[Text] = []
    marked = ""
    for literal, name, spec, _ in string.Formatter().parse(template):
        marked += literal
        if name is not None:
            fields.append(_value(values[name], spec or ""))
            marked += _FIELD
    base = Text.from_markup(marked)
    found, start = Text(), 0
    for field, place in zip(fields, [n for n, c in enumerate(base.plain) if c == _FIELD], strict=True):
        field.style = field.style or base.get_style_at_offset(out, place)
        found.append_text(base[start:place]).append_text(field)
        start = place + 1
    return found.append_text(base[start:])


def styled(text: str, style: str) -> Text:
    """A value for ``say`` whose style depends on it."""
    return Text(shown(text), style)


def say_exactly(text: str) -> None:
    """A line of this program to be copied, whole: a command, a key, a file's text."""
    for line in text.splitlines():
        out.print(Text(shown(line)), soft_wrap=True)


def say_json(value: Any) -> None:
    """Indented JSON; what a terminal would act on, or hide, is escaped as JSON allows."""
    text = json.dumps(value, indent=2, default=str, ensure_ascii=False)
    out.print(Text(replaced(text, lambda character: json.dumps(character)[1:-1])), soft_wrap=True)


def fail_json(value: Mapping[str, Any]) -> None:
    """A refusal for programs: one line of ASCII."""
    sys.stdout.write(json.dumps(value) + "\n")


def page(text: str, title: str) -> None:
    """Words of several lines in a frame, line by line: the frame stands before each, so none can be forged outside."""
    width = min(out.width, _WIDEST)
    body = Text("\n").join(Text(line) for line in hang(text[:_PAGE_AT_MOST], width - 4))
    out.print(Panel(body, title=Text(shown(title)), title_align="left", width=width))


def hang(text: str, width: int) -> list[str]:
    """Lines in pieces no wider than ``width``: what continues one stands under its first word, behind ``GOES_ON``."""
    return [piece for line in text.split("\n") for piece in _hung(shown(line, _PAGE_AT_MOST), width)]


def listing(*columns: str, title: str) -> Grid:
    """An empty table without frames, whose ids and times are never broken."""
    grid = Grid(title=Text(title), title_justify="left", box=None, padding=(0, 1, 0, 0))
    for name in columns:
        grid.add_column(Text(name), no_wrap=True, overflow="ellipsis", header_style="bold")
    return grid


def framed(*columns: str, title: str = "", numeric: tuple[bool, ...] = ()) -> Grid:
    """An empty table with lines; columns of numbers stand to the right."""
    grid = Grid(title=Text(shown(title)) if title else None)
    for place, name in enumerate(columns):
        grid.add_column(Text(shown(name)), justify="right" if numeric and numeric[place] else "left")
    return grid


def row(grid: Grid, *cells: object, dim: str | None = None) -> None:
    """One row of anybody's values; those equal to ``dim`` are dimmed."""
    grid.add_row(*[Text(shown(str(cell)), style="dim" if cell == dim else "") for cell in cells])


def show(grid: Grid) -> None:
    """A listing is as wide as its ids are, so that each can be copied whole; the terminal wraps what is wider."""
    if grid.box is not None:
        out.print(grid)
        return
    wide = Measurement.get(out, out.options.update(width=_LISTING_AT_MOST), grid).maximum
    out.print(grid, width=max(wide, out.width), crop=False, no_wrap=True, overflow="ignore", soft_wrap=True)


def confirmed(question: str) -> bool:
    """Ask the person at the keyboard; whoever is not there (the end of the input) has not agreed."""
    try:
        return typer.confirm(question, default=False)
    except typer.Abort:
        return False


@contextmanager
def progress(first: str, quiet: bool) -> Iterator[_Line]:
    """A line with a spinner and a clock; what it says is replaced by ``say``."""
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=out, transient=True, disable=quiet) as bar:
        yield _Line(bar, bar.add_task(first))


class _Line:
    def __init__(self, bar: Progress, task: TaskID) -> None:
        self._bar, self._task = bar, task

    def say(self, text: str) -> None:
        self._bar.update(self._task, description=shown(text, 200))


def _value(value: Any, spec: str) -> Text:
    if isinstance(value, Text):  # only ``styled`` makes one: nobody else in the CLI may import rich
        return value
    try:
        return Text(shown(format(value, spec)))
    except ValueError:  # a text where a number was expected
        return Text(shown(str(value)))


def _continued(line: Text, width: int) -> list[Text]:
    """A styled line in pieces of the terminal's width."""
    pieces: list[Text] = []
    rest, room = line, width
    while cell_len(rest.plain) > room:
        cut = _cut(rest.plain, room)
        head, rest = rest[:cut], rest[cut:]
        pieces.append(head if not pieces else Text("  " + GOES_ON).append_text(head))
        room = width - cell_len("  " + GOES_ON)
    return [*pieces, Text("  " + GOES_ON).append_text(rest) if pieces else rest]


def _hung(line: str, width: int) -> list[str]:
    body = line.lstrip(" -|")
    indent = " " * min(len(line) - len(body), width // 2)
    pieces, rest, before = [], line, ""
    while cell_len(before + rest) > width:
        cut = _cut(rest, width - cell_len(before))
        pieces.append(before + rest[:cut])
        before, rest = indent + GOES_ON, rest[cut:]
    return [*pieces, before + rest]


def _cut(text: str, room: int) -> int:
    """After how many characters to break: behind the last space that fits, else wherever it is full. At least one.

    Chinese characters are two columns wide, which ``textwrap`` does not know.
    """
    fits, used = 0, 0
    for character in text:
        used += cell_len(character)
        if used > room:
            break
        fits += 1
    space = text.rfind(" ", 1, fits + 1)
    words = text[:space].strip(" -|") if space > 0 else ""
    return max(1, space + 1 if words else fits)
