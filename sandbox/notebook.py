"""How objects of the SDK show themselves in a notebook. All text may come from anybody: it is escaped, and legible."""

from __future__ import annotations

import html
from collections.abc import Iterable

from jobs.legible import shown

_AT_MOST = 400_000


def inline(text: object) -> str:
    """Text on one line, as HTML that shows it literally."""
    return html.escape(shown(str(text), 2_000))


def paragraph(text: object) -> str:
    return f"<p>{inline(text)}</p>"


def bullets(lines: Iterable[object]) -> str:
    """A list; nothing if it is empty."""
    items = "".join(f"<li>{inline(line)}</li>" for line in lines)
    return f"<ul>{items}</ul>" if items else ""


def words(text: str) -> str:
    """Words of several lines, as they are."""
    return "<pre>" + "\n".join(inline(line) for line in text[:_AT_MOST].split("\n")) + "</pre>"


def folded(title: object, body: str) -> str:
    """HTML that opens at a click."""
    return f"<details><summary>{inline(title)}</summary>{body}</details>"
