"""One column of texts as the values that it is declared to hold. What does not fit is marked and can be named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

import pyarrow as pa
import pyarrow.compute as pc

from adapters.text.dates import ISO_DATE, cast_where, in_formats, iso_moments
from adapters.text.fold import without_blanks

TextType = Literal["int", "decimal", "string", "bool", "date", "timestamp"]
TYPES: Final[dict[str, pa.DataType]] = {
    "int": pa.int64(),
    "decimal": pa.decimal128(38, 18),
    "string": pa.string(),
    "bool": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
}
MISSING: Final = ("", "NA", "N/A", "n/a", "#N/A", "NULL", "null", "NaN", "nan", "None")
"""Of numbers, dates and truth values; of a text only the blank is: ``NA`` may be a code."""
INTEGER: Final = r"^[+-]?[0-9]+(\.0*)?$"
NUMBER: Final = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?$"
_UNUSUAL: Final = r"[eE]|\.[0-9]{19,}"
_PLACES: Final = 18
_TRUE: Final = ("true", "True", "TRUE", "1")
_FALSE: Final = ("false", "False", "FALSE", "0")
WORDS: Final[dict[str, str]] = {
    "int": "is no whole number (of at most 18 digits)",
    "decimal": "is no number (of at most 20 digits before the point)",
    "bool": "is neither true nor false",
    "date": "is no date in a declared format",
    "timestamp": "is no time in a declared format",
}


@dataclass(frozen=True)
class Parsed:
    """``bad``: where there was a text that is no such value; the value is null there. ``zoned``: times with a zone."""

    values: pa.Array
    bad: pa.Array
    zoned: pa.Array | None = None


def parse(texts: pa.Array, type_: TextType, formats: Sequence[str] = ()) -> Parsed:
    """Texts of one column. Raises nothing for any text."""
    texts = plain_texts(texts)
    if type_ == "string":
        texts = without_blanks(texts)
        return Parsed(texts, pa.repeat(False, len(texts)))
    texts = present(texts)
    zoned = None
    match type_:
        case "int":
            values = integers(texts)
        case "decimal":
            values = decimals(texts)
        case "bool":
            true, false = (pc.is_in(texts, pa.array(words)) for words in (_TRUE, _FALSE))
            values = pc.if_else(pc.or_(true, false), true, pa.scalar(None, pa.bool_()))
        case "date":
            values = in_formats(texts, formats or (ISO_DATE,), pa.date32())
        case "timestamp":
            if formats:
                values = in_formats(texts, formats, pa.timestamp("us"))
            else:
                values, zoned = iso_moments(texts)
    return Parsed(values, pc.and_(pc.is_null(values), pc.is_valid(texts)), zoned)


def plain_texts(texts: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(texts.type):
        texts = texts.dictionary_decode()
    return texts.cast(pa.string())


def present(texts: pa.Array) -> pa.Array:
    """Without white space around, and missing where it stands for a missing value."""
    texts = pc.utf8_trim_whitespace(texts)
    return pc.if_else(pc.is_in(texts, pa.array(MISSING)), pa.scalar(None, pa.string()), texts)


def integers(texts: pa.Array) -> pa.Array:
    """Null where a text is no integer of 64 bits. ``3.0`` is one: so programs write integers that may be missing."""
    whole = pc.replace_substring_regex(texts, r"^\+|\.0*$", "")
    return cast_where(whole, pc.match_substring_regex(texts, INTEGER), pa.int64())


def decimals(texts: pa.Array) -> pa.Array:
    """Exact, to 18 places; what is finer keeps a last digit that says so, so that it never passes for less fine."""
    fits = pc.match_substring_regex(texts, NUMBER)
    unusual = pc.and_(fits, pc.match_substring_regex(texts, _UNUSUAL))
    if pc.any(unusual).as_py():
        coded = texts.dictionary_encode()
        rewritten = pa.array([_spelled(text) for text in coded.dictionary.to_pylist()], pa.string())
        texts = pc.if_else(unusual, rewritten.take(coded.indices), texts)
    return cast_where(texts, fits, TYPES["decimal"])


def _spelled(text: str) -> str | None:
    try:
        value = Decimal(text)
    except ArithmeticError:
        return text
    if value.adjusted() > 2 * _PLACES + 2:
        return None
    digits = format(value, "f")
    whole, _, fraction = digits.partition(".")
    fraction = fraction.rstrip("0")
    if len(fraction) > _PLACES:
        fraction = fraction[: _PLACES - 1] + "1"
    return f"{whole}.{fraction}" if fraction else whole
