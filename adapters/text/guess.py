"""What each text column of a table holds, judged by all its rows: type, formats of dates, a name to declare."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from adapters.source import ReadColumn, Source
from adapters.text.dates import ISO_DATE, in_formats, iso_moments
from adapters.text.fold import without_blanks
from adapters.text.parse import INTEGER, TextType, decimals, integers, plain_texts, present

_DATES: Final = (
    ISO_DATE, "%Y/%m/%d", "%Y.%m.%d", "%Y年%m月%d日", "%Y%m%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y",
    "%m-%d-%Y",
)  # fmt: skip
_TIMES: Final = tuple(f"{date} {time}" for date in _DATES for time in ("%H:%M:%S", "%H:%M"))
_SWAPPED: Final = str.maketrans({"d": "m", "m": "d"})
_CENTURIES: Final = r"^(19|20)\d{6}$"
_LIKE_A_DATE: Final = r"^(\d{1,4}[-/.年]\d{1,2}[-/.月]\d{1,4}|\d{8}( |$))"
_CODE: Final = r"^[+-]?0[0-9]"
_WORDS: Final[dict[TextType, str]] = {
    "int": "whole numbers",
    "decimal": "numbers",
    "date": "dates",
    "timestamp": "times",
    "bool": "truth values",
}
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")
_ALMOST: Final = 0.9
"""From this share on, what most texts of a column are is worth telling."""


@dataclass(frozen=True)
class Guess:
    """How a column is read, and what a person should know of it. ``notes`` hold no value of the data."""

    column: ReadColumn
    notes: tuple[str, ...] = ()


@dataclass
class _Seen:
    """Counts over all rows of one text column."""

    filled: int = 0
    texts: int = 0
    first_odd: dict[TextType, int] = field(default_factory=dict)
    fitting: dict[TextType, int] = field(default_factory=dict)
    codes: int = 0
    long: int = 0
    days: int = 0
    zoned: int = 0
    formats: dict[str, int] = field(default_factory=dict)
    unread: dict[str, int] = field(default_factory=dict)


def guess(source: Source, *, keep_names: bool = False) -> tuple[Guess, ...]:
    """One pass over all text columns; others are read as they are. Run by a draft, and for a CSV nobody declared.

    ``keep_names``: headers stay the names, whatever they are.
    """
    schema = source.schema
    seen = {f.name: _Seen() for f in schema if _is_text(f.type)}
    if seen:
        first = 1
        for batch in source.read(list(seen)):
            for name, array in zip(seen, batch.columns, strict=True):
                _take(seen[name], array, first)
            first += batch.num_rows
    names = {name: name for name in schema.names} if keep_names else declarable(schema.names)
    return tuple(_guessed(names[name], name, seen.get(name)) for name in schema.names)


def declarable(headers: Sequence[str]) -> dict[str, str]:
    """A name for each header: its Latin letters and digits in lower case; ``column_3`` where there are none."""
    found: dict[str, str] = {}
    for place, header in enumerate(headers, start=1):
        name = header if _NAME.fullmatch(header) else re.sub(r"[^a-z0-9]+", "_", header.lower()).strip("_")[:50]
        if not name or len(name) * 2 < len(header.strip()) or not _NAME.fullmatch(name):
            name = f"column_{place}"
        while name in found.values() or (name in headers and name != header):
            name = f"{name}_{place}"
        found[header] = name
    return found


def _take(seen: _Seen, array: pa.Array, first: int) -> None:
    texts = plain_texts(array)
    values = present(texts)
    known = pc.is_valid(values)
    filled = int(pc.sum(known).as_py() or 0)
    seen.filled += filled
    seen.texts += len(texts) - without_blanks(texts).null_count
    if not filled:
        return
    digits = pc.fill_null(pc.match_substring_regex(values, INTEGER), False)
    seen.codes += _count(pc.match_substring_regex(values, _CODE))
    whole = integers(values)
    seen.long += _count(pc.and_(digits, pc.is_null(whole)))
    dates = _dates(seen, values)
    moments, zoned = iso_moments(values)
    seen.zoned += _count(zoned)
    found: dict[TextType, pa.Array] = {
        "bool": pc.is_in(values, pa.array(["true", "false", "True", "False", "TRUE", "FALSE"])),
        "int": pc.is_valid(whole),
        "decimal": pc.is_valid(decimals(values)),
        "date": dates,
        "timestamp": pc.or_(pc.is_valid(moments), _times(seen, values)),
    }
    for type_, fits in found.items():
        seen.fitting[type_] = seen.fitting.get(type_, 0) + _count(pc.and_(fits, known))
        odd = pc.index(pc.and_(known, pc.invert(fits)), True).as_py()
        if odd >= 0:
            seen.first_odd.setdefault(type_, first + odd)


def _dates(seen: _Seen, values: pa.Array) -> pa.Array:
    seen.days += _count(pc.and_(pc.match_substring_regex(values, _CENTURIES),
                                pc.is_valid(in_formats(values, ["%Y%m%d"], pa.date32()))))  # fmt: skip
    return _in_any(seen, values, _DATES, pa.date32())


def _times(seen: _Seen, values: pa.Array) -> pa.Array:
    return _in_any(seen, values, _TIMES, pa.timestamp("us"))


def _in_any(seen: _Seen, values: pa.Array, formats: Sequence[str], type_: pa.DataType) -> pa.Array:
    """Where some format fits. ``seen.unread``: where a twin swaps day and month, how many texts it cannot read."""
    fits = {}
    if _count(pc.match_substring_regex(values, _LIKE_A_DATE)):
        fits = {format_: pc.is_valid(in_formats(values, [format_], type_)) for format_ in formats}
    out = pa.repeat(False, len(values))
    for format_, mask in fits.items():
        if count := _count(mask):
            seen.formats[format_] = seen.formats.get(format_, 0) + count
            out = pc.or_(out, mask)
            twin = fits.get(format_.translate(_SWAPPED))
            if twin is not None and not format_.startswith("%Y"):
                seen.unread[format_] = seen.unread.get(format_, 0) + _count(pc.and_not(mask, twin))
    return out


def _guessed(name: str, header: str, seen: _Seen | None) -> Guess:
    if seen is None:
        return Guess(ReadColumn(name=name, column=header))
    type_, formats, notes = _type(seen)
    return Guess(ReadColumn(name=name, column=header, type=type_, formats=formats), notes)


def _type(seen: _Seen) -> tuple[TextType, tuple[str, ...], tuple[str, ...]]:
    fitting, all_of = seen.fitting, seen.filled
    if not all_of:
        return "string", (), ("has no value in any row",) if not seen.texts else ()
    if fitting["bool"] == all_of:
        return "bool", (), ()
    if seen.days == all_of:
        return "date", ("%Y%m%d",), ("has numbers of 8 digits that are all days of a calendar: read as dates",)
    if seen.codes and fitting["decimal"] == all_of:
        return "string", (), ("has numbers with leading zeros: kept as text, as codes are",)
    if fitting["int"] == all_of:
        return "int", (), ()
    if seen.long and fitting["decimal"] + seen.long >= all_of:
        return "string", (), ("has numbers of more than 18 digits: kept as text",)
    if fitting["decimal"] == all_of:
        return "decimal", (), ()
    if fitting["date"] == all_of:
        return _dated("date", seen, _DATES)
    if fitting["timestamp"] == all_of:
        return _timed(seen)
    return "string", (), _almost(seen)


def _dated(type_: TextType, seen: _Seen, among: Sequence[str]) -> tuple[TextType, tuple[str, ...], tuple[str, ...]]:
    used = [format_ for format_ in among if seen.formats.get(format_)]
    kept = [f for f in used if f not in seen.unread or seen.unread[f] or f.translate(_SWAPPED) not in used]
    open_ = {f for f in used if f in seen.unread} - set(kept)
    both = [f for f in kept if f in seen.unread and f.translate(_SWAPPED) in kept]
    if both or any(f.translate(_SWAPPED) not in kept for f in open_):
        return "string", (), (
            "has dates of which day and month cannot be told apart: kept as text; declare type: date here and "
            "formats under source:",
        )  # fmt: skip
    if type_ == "date" and kept == [ISO_DATE]:
        return type_, (), ()
    note = f"is written as {', '.join(kept)}" + ("; make sure that each is meant" if len(kept) > 1 else "")
    return type_, tuple(kept), (note,)


def _timed(seen: _Seen) -> tuple[TextType, tuple[str, ...], tuple[str, ...]]:
    if seen.zoned == seen.filled:
        return "timestamp", (), ("has times with a zone: they are kept in UTC, and so are its days and hours",)
    if seen.zoned:
        return "string", (), ("has times with a zone and times without: kept as text; write all of one kind",)
    if any(seen.formats.get(f) for f in _TIMES[2:]):
        return _dated("timestamp", seen, _TIMES)
    return "timestamp", (), ()


def _almost(seen: _Seen) -> tuple[str, ...]:
    for type_, what in _WORDS.items():
        count = seen.fitting[type_]
        if count >= _ALMOST * seen.filled:
            row = seen.first_odd[type_]
            return (f"has {what} but for {seen.filled - count} row(s), the first of them {row}: kept as text",)
    return ()


def _count(mask: pa.Array) -> int:
    return int(pc.sum(mask).as_py() or 0)


def _is_text(type_: pa.DataType) -> bool:
    return bool(pa.types.is_string(type_))
