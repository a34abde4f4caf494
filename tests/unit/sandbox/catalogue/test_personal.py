"""Columns that look like persons, by check digits where there are some. All numbers here are computed, nobody's."""

from __future__ import annotations

import random

import pytest

from sandbox.catalogue.personal import is_credit_code, is_resident_id, likeness

LETTERS = "0123456789ABCDEFGHJKLMNPQRTUWXY"


def resident(number: int) -> str:
    """ISO 7064 MOD 11-2 by its definition: the sum of digit times 2^(17-i), with the check, is 1 modulo 11."""
    body = f"000000{1950 + number % 50}{number % 12 + 1:02}{number % 28 + 1:02}{number % 1000:03}".replace(
        "000000", "110101", 1
    )
    total = sum(int(digit) * pow(2, 17 - at, 11) for at, digit in enumerate(body))
    check = (1 - total) % 11
    return body + ("X" if check == 10 else str(check))


def credit(number: int) -> str:
    body = f"91110000{number:09}"
    total = sum(LETTERS.index(letter) * pow(3, at, 31) for at, letter in enumerate(body))
    return body + LETTERS[(31 - total) % 31]


def test_the_examples_of_the_standards() -> None:
    assert is_resident_id("11010519491231002X")  # GB 11643-1999, appendix
    assert is_resident_id("440524188001010014")
    assert not is_resident_id("110105194912310021")
    assert not is_resident_id("110105194913310020")  # no such month
    assert is_credit_code("91350100M000100Y43")  # GB 32100-2015, appendix
    assert not is_credit_code("91350100M000100Y44")
    assert not is_credit_code("91350100I000100Y43")  # a letter that no code has


WORDS = ["north", "south", "east", "west", "centre", "harbour"]
COLUMNS = {
    "identity numbers": ([resident(n) for n in range(40)], "x", "identity numbers"),
    "numbers alike without check digits": (
        [resident(n)[:-1] + ("1" if resident(n)[-1] != "1" else "2") for n in range(40)], "x", None),
    "credit codes": ([credit(n) for n in range(40)], "x", "unified social credit"),
    "mobile numbers": ([f"139{n:08}" for n in range(40)], "x", "phone"),
    "landlines": ([f"010-{62_000_000 + n}" for n in range(40)], "x", "phone"),
    "mail": ([f"a{n}@example.org" for n in range(40)], "x", "mail"),
    "Chinese names": ([f"王{chr(0x4E00 + n)}" for n in range(40)], "x", "names of persons"),
    "names by their header": (["Ann Lee", "Bo Chi", "Cem Ak", "Dee O'Hara", "Eva Ruiz"], "Full_Name", "names of persons"),
    "free text": ([f"the patient {n} came back with a cough" for n in range(40)], "x", "free text"),
    "words of a domain": (WORDS, "district", None),
    "codes": ([f"AB{n}" for n in range(40)], "full_name_code", None),
    "districts": ([f"{word}区" for word in ("海淀", "朝阳", "东城", "西城", "丰台", "通州")], "区", None),
    "numbers": ([str(random.Random(n).randrange(10**6)) for n in range(40)], "x", None),
    "too few to tell": ([resident(1)], "x", None),
}  # fmt: skip


@pytest.mark.parametrize("name", COLUMNS)
def test_what_a_column_looks_like(name: str) -> None:
    values, header, says = COLUMNS[name]
    found = likeness(header, values)
    assert (found is None) if says is None else (found is not None and says in found.says)
