"""Columns that look like persons: names, phone numbers, identity numbers, free text. A draft warns of them.

Judged by a few hundred of a column's values; a number with check digits counts if these are right, so that other long
numbers do not. A person decides: what looks like nothing here may still be personal.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

_ENOUGH: Final = 0.8
_LEAST: Final = 5
"""Of fewer different values no kind is told."""
_RESIDENT_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_RESIDENT_CHECK: Final = "10X98765432"
_CREDIT_LETTERS: Final = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_PHONE: Final = re.compile(
    r"(\+?86[- ]?)?1[3-9]\d[- ]?\d{4}[- ]?\d{4}|0\d{2,3}-?\d{7,8}|\+\d{1,3}[- ]?\d[\d -]{6,13}\d"
)
_MAIL: Final = re.compile(r"[^@\s]+@[^@\s]+\.[a-zA-Z]{2,}")
_SURNAMES: Final = frozenset(
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖贾夏"
    "韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤"
)
_NAMED: Final = re.compile(
    r"姓名|名字|^(full|first|last|middle|given|family|patient|person|customer|user)?_?(name|surname|forename)s?$"
)
_SENTENCE: Final = 5
_LONG: Final = 24


@dataclass(frozen=True)
class Likeness:
    """``says`` follows the column's name in a warning and quotes nothing."""

    says: str
    kind: Literal["person_id", "social_credit_code"] | None = None


def likeness(header: str, values: Collection[str]) -> Likeness | None:
    """What the values of a column look like, by its header and up to a few hundred different values of it."""
    if len(values) < _LEAST:
        return None
    if _mostly(values, is_resident_id):
        return Likeness("looks like identity numbers (居民身份证)", "person_id")
    if _mostly(values, is_credit_code):
        return Likeness(
            "looks like unified social credit codes (统一社会信用代码)",
            "social_credit_code",
        )
    if _mostly(values, lambda text: _PHONE.fullmatch(text) is not None):
        return Likeness("looks like phone numbers")
    if _mostly(values, lambda text: _MAIL.fullmatch(text) is not None):
        return Likeness("looks like mail addresses")
    if _mostly(values, _chinese_name) or (_NAMED.search(header.strip().lower()) and _mostly(values, _words)):
        return Likeness("looks like names of persons")
    if _mostly(values, _is_sentence, share=0.3):
        return Likeness("looks like free text")
    return None


def is_resident_id(text: str) -> bool:
    """18 characters of a citizen identification number: GB 11643, check character by ISO 7064 MOD 11-2."""
    if not re.fullmatch(r"[1-9]\d{16}[\dXx]", text):
        return False
    try:
        date(int(text[6:10]), int(text[10:12]), int(text[12:14]))
    except ValueError:
        return False
    total = sum(int(digit) * weight for digit, weight in zip(text[:17], _RESIDENT_WEIGHTS, strict=True))
    return _RESIDENT_CHECK[total % 11] == text[17].upper()


def is_credit_code(text: str) -> bool:
    """18 characters of a unified social credit code: GB 32100, check character modulo 31 with weights 3^i."""
    places = [_CREDIT_LETTERS.find(letter) for letter in text.upper()]
    if len(places) != 18 or min(places) < 0:
        return False
    total = sum(place * pow(3, at, 31) for at, place in enumerate(places[:17]))
    return (31 - total % 31) % 31 == places[17]


def _mostly(values: Collection[str], test: Callable[[str], bool], share: float = _ENOUGH) -> bool:
    return sum(test(value.strip()) for value in values) >= share * len(values)


def _chinese_name(text: str) -> bool:
    return re.fullmatch(r"[\u4e00-\u9fff]{2,3}", text) is not None and text[0] in _SURNAMES


def _words(text: str) -> bool:
    """Letters and what stands in names: no code."""
    return len(text) > 1 and all(letter.isalpha() or letter in " .'-·" for letter in text)


def _is_sentence(text: str) -> bool:
    chinese = sum("\u4e00" <= letter <= "\u9fff" for letter in text)
    return len(text.split()) >= _SENTENCE or chinese >= _LONG or (len(text) >= 3 * _LONG and " " in text)
