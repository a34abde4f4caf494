"""Dates and times in declared formats: ``%Y %m %d %H %M %S`` and any other characters, which stand for themselves."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Final

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import AfterValidator, StringConstraints

ISO_DATE: Final = "%Y-%m-%d"
_DIRECTIVE: Final = re.compile("%(.)")
_NEEDED: Final = {"Y", "m", "d"}
_ALLOWED: Final = {*_NEEDED, "H", "M", "S"}
_ISO_TIME: Final = r"^\d{4}-\d{2}-\d{2}([ T]\d{2}(:\d{2}(:\d{2}(\.\d{1,9})?)?)?(Z|[+-]\d{2}(:?\d{2})?)?)?$"
_ZONED: Final = r":\d{2}(\.\d{1,9})?(Z|[+-]\d{2}(:?\d{2})?)$|[ T]\d{2}(Z|[+-]\d{2}(:?\d{2})?)$"


def _checked(format_: str) -> str:
    found = _DIRECTIVE.findall(format_)
    if len(set(found)) != len(found) or not _NEEDED <= set(found) <= _ALLOWED:
        raise ValueError("a format has %Y, %m and %d once each, perhaps %H, %M and %S, and no other %")
    return format_


Format = Annotated[str, StringConstraints(min_length=6, max_length=40), AfterValidator(_checked)]


def check_unambiguous(formats: Sequence[str]) -> None:
    """Raise ``ValueError`` where two formats differ in the order of day and month only: 03/04 would be two dates."""
    shapes = [re.sub("%[md]", "%x", format_) for format_ in formats]
    if len(set(shapes)) < len(shapes):
        raise ValueError("two formats read one text as two dates: keep one of them")


def in_formats(texts: pa.Array, formats: Sequence[str], type_: pa.DataType) -> pa.Array:
    """In the first format that fits the whole text and gives a day of the calendar; null where none does."""
    found = pa.nulls(len(texts), type_)
    for format_ in formats:
        found = pc.coalesce(found, _in_format(texts, format_, type_))
    return found


def iso_moments(texts: pa.Array) -> tuple[pa.Array, pa.Array]:
    """ISO dates and times as wall times, a moment with a zone as its time in UTC (digits beyond microseconds are cut
    off); null where a text is none. And which have a zone.
    """
    texts = pc.replace_substring_regex(texts, r"(\.\d{6})\d+", r"\1")
    fits = pc.match_substring_regex(texts, _ISO_TIME)
    zoned = pc.and_(pc.match_substring_regex(texts, _ZONED), fits)
    plain = cast_where(texts, pc.and_(fits, pc.invert(zoned)), pa.timestamp("us"))
    moments = cast_where(texts, zoned, pa.timestamp("us", "UTC")).cast(pa.timestamp("us"))
    return pc.coalesce(plain, moments), pc.fill_null(zoned, False)


def cast_where(texts: pa.Array, mask: pa.Array, type_: pa.DataType) -> pa.Array:
    """Cast the texts under the mask; null elsewhere, and where Arrow cannot."""
    chosen = pc.if_else(pc.fill_null(mask, False), texts, pa.scalar(None, texts.type))
    try:
        return chosen.cast(type_)
    except pa.ArrowInvalid:
        coded = chosen.dictionary_encode()
        return pa.array([_one(text, type_) for text in coded.dictionary.to_pylist()], type_).take(coded.indices)


def _one(text: str, type_: pa.DataType) -> object:
    try:
        return pa.array([text]).cast(type_)[0].as_py()
    except pa.ArrowInvalid:
        return None


def _in_format(texts: pa.Array, format_: str, type_: pa.DataType) -> pa.Array:
    fields = pc.extract_regex(texts, pattern=_pattern(format_))
    part = {name: pc.utf8_lpad(pc.struct_field(fields, name), 2, "0") for name in _DIRECTIVE.findall(format_)}
    iso = pc.binary_join_element_wise(part["Y"], part["m"], part["d"], "-")
    if "H" in part:
        zero = pa.scalar("00")
        time = pc.binary_join_element_wise(part["H"], part.get("M", zero), part.get("S", zero), ":")
        iso = pc.binary_join_element_wise(iso, time, " ")
    return cast_where(iso, pc.is_valid(iso), pa.timestamp("us") if "H" in part else pa.date32()).cast(type_, safe=False)


def _pattern(format_: str) -> str:
    """Numbers that touch have all their digits; others may lack a leading zero."""
    parts = re.split("(%.)", format_)
    out = ""
    for at, part in enumerate(parts):
        if not at % 2:
            out += re.escape(part)
            continue
        touches = (at > 1 and not parts[at - 1]) or (at + 2 < len(parts) and not parts[at + 1])
        out += rf"(?P<{part[1]}>\d{{{4 if part[1] == 'Y' else 2 if touches else '1,2'}}})"
    return f"^{out}$"
