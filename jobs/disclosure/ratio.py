"""An exact fraction as it stands in a document: one text for one number, so that digests of documents agree."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, PlainValidator, StringConstraints, TypeAdapter

_Written = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,63}(/[1-9][0-9]{0,63})?$")]
_WRITTEN: TypeAdapter[str] = TypeAdapter(_Written)


def _read(value: Any) -> Fraction:
    """``"1/60"`` or ``"3"``, positive and in lowest terms; raises ``ValueError`` for any other spelling."""
    if isinstance(value, Fraction):
        if value <= 0:
            raise ValueError("a positive fraction is expected")
        return value
    ratio = Fraction(_WRITTEN.validate_python(value, strict=True))
    if str(ratio) != value:
        raise ValueError(f"write the fraction in lowest terms: {ratio}")
    return ratio


def _read_deviation(value: Any) -> int | Fraction:
    """As ``_read``, or 0; a whole number comes as an ``int``."""
    if value in (0, "0") and not isinstance(value, bool):
        return 0
    found = Fraction(value) if type(value) is int and value > 0 else _read(value)
    return found.numerator if found.denominator == 1 else found


Deviation = Annotated[
    int | Fraction, PlainValidator(_read_deviation), PlainSerializer(str, return_type=str, when_used="json")
]
"""A standard deviation: 0 or positive, as text in documents; a whole number is written as such."""
Ratio = Annotated[Fraction, BeforeValidator(_read), PlainSerializer(str, return_type=str)]
