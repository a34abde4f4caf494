"""Text that reads as what it is: what documents, declarations and plans may contain, and how any other text is shown.

Whoever signs sees letters, not code points. So nothing may enter a signed thing that a terminal or page acts on, hides,
reorders or paints over its neighbours. Letters of every script stay usable, joiners where a script needs them.
Fixed lists, not this Python's Unicode tables: every version must read the same documents. Pure.

Source: Unicode Default_Ignorable_Code_Point and General_Category Cc, Zl, Zp, Zs (16.0); RFC 5892 A.1 for joiners.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

MARKS_AT_MOST: Final = 4
"""Combining marks on one letter: Vietnamese needs two, Hebrew with accents three, Thai two."""

_JOINED: Final = "\u0600-\u08ff\u0900-\u0dff\u1000-\u109f\u1780-\u17ff\u1820-\u18aa"
"""Arabic, Indic, Myanmar, Khmer and Mongolian letters: between two of them a joiner changes what is seen."""
_MARK: Final = (
    "\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670"
    "\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc"
    "\u0ec8-\u0ece\u1ab0-\u1aff\u1dc0-\u1dff\ufe20-\ufe2f"
)
_CONTROL: Final = "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufff9-\ufffb\U00013430-\U0001345f"
_INVISIBLE: Final = (
    "\xad\u034f\u115f\u1160\u17b4\u17b5\u200b\u2060-\u2065\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_DIRECTION: Final = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u206f"
_ODD_SPACE: Final = "\xa0\u1680\u2000-\u200a\u205f"
_PAINTS_OVER: Final = "\u0334-\u0338\u20d0-\u20ff"
_NO_CHARACTER: Final = "\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"

_ALWAYS: Final = f"[{_CONTROL}{_INVISIBLE}{_DIRECTION}{_ODD_SPACE}{_PAINTS_OVER}{_NO_CHARACTER}]"
_STRAY: Final = (
    rf"(?<![{_JOINED}])[\u200c\u200d]|[\u200c\u200d](?![{_JOINED}])"  # a joiner that joins nothing
    r"|(?<![\u1820-\u18aa])[\u180b-\u180f\u202f]"  # Mongolian selectors and suffix space elsewhere
    rf"|(?<=[{_MARK}]{{{MARKS_AT_MOST}}})[{_MARK}]"  # a flood of marks
    rf"|\A[{_MARK}]|(?<=\n)[{_MARK}]"  # a mark on whatever stands before the text
)
_FOREIGN: Final = re.compile(f"{_ALWAYS}|{_STRAY}|[\t\r\n]")
_IN_LINES: Final = re.compile(f"{_ALWAYS}|{_STRAY}|[\t\r]")
_IN_SOURCE: Final = re.compile(f"{_ALWAYS}|{_STRAY}")
_RIGHT_TO_LEFT: Final = "\u0590-\u08ff\ufb1d-\ufdcf\ufdf0-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff"
_RUN: Final = re.compile(f"[{_RIGHT_TO_LEFT}](?:[{_RIGHT_TO_LEFT}\u200c\u200d ]*[{_RIGHT_TO_LEFT}])?")


def fault(text: str) -> str | None:
    """Why a text on one line is not legible, without quoting it; ``None`` if it is."""
    return _found(_FOREIGN, text)


def fault_of_lines(text: str) -> str | None:
    """The same where people write paragraphs: a newline (and no other control) is a newline."""
    return _found(_IN_LINES, text)


def place_of_fault(source: str) -> tuple[int, str] | None:
    """Where a program text stops being legible, and why: there, tabs and both kinds of newline are layout."""
    found = _IN_SOURCE.search(source)
    return (found.start(), _why(found)) if found else None


def line(text: str) -> str:
    """For models: the text, or ``ValueError`` unless it is legible on one line."""
    if "\n" in text:
        raise ValueError("this has one line")
    if why := fault(text):
        raise ValueError(why)
    return text


def lines(text: str) -> str:
    """For models: the text, or ``ValueError`` unless it is legible; it may have several lines."""
    if why := fault_of_lines(text):
        raise ValueError(why)
    return text


def shown(text: str, at_most: int = 4000) -> str:
    """Any text on one line as it can be shown: what is not legible as ``<U+202E>``, what is too long cut, and said so.

    Right-to-left words are isolated from what stands around them (UAX 9), so that they reorder nothing but themselves.
    """
    cut = text[:at_most]
    safe = _RUN.sub(lambda run: f"\u2068{run[0]}\u2069", _FOREIGN.sub(lambda found: named(found[0]), cut))
    return safe if len(cut) == len(text) else f"{safe}… ({len(text):,} characters)"


def replaced(text: str, by: Callable[[str], str]) -> str:
    """The text with what is not legible in lines replaced: for forms that have an escape of their own."""
    return _IN_LINES.sub(lambda found: by(found[0]), text)


def named(character: str) -> str:
    return f"<U+{ord(character):04X}>"


def _found(pattern: re.Pattern[str], text: str) -> str | None:
    found = pattern.search(text)
    return _why(found) if found else None


def _why(found: re.Match[str]) -> str:
    where = f"character U+{ord(found[0]):04X} at place {found.start() + 1} is not allowed"
    return f"{where}: control, direction, invisible and overlaid characters show a reader another text"
