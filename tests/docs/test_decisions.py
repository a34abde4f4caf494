"""Decisions are numbered without a gap, dated, in the index, and a page long."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "docs" / "adr"
PAGES = sorted(page for page in FOLDER.glob("*.md") if page.name != "README.md")
STATUS = re.compile(
    r"^Status: (?:proposed|accepted|replaced by [0-9]{4}), (\d{4}-\d\d-\d\d)(?:; changed (\d{4}-\d\d-\d\d))?\."
)
LONGEST = 85
"""Lines: what somebody reads to the end."""


def test_numbers_have_no_gap() -> None:
    numbers = [re.fullmatch(r"(\d{4})-[a-z-]+\.md", page.name) for page in PAGES]
    assert [int(found[1]) if found else None for found in numbers] == list(range(1, len(PAGES) + 1))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_says_its_number_status_and_date(page: Path) -> None:
    title, status, *rest = page.read_text().splitlines()
    assert title.startswith(f"# {page.name[:4]}. ")
    found = STATUS.match(status)
    assert found, status
    dates = [date.fromisoformat(text) for text in found.groups() if text]
    assert dates == sorted(dates)
    assert len(rest) < LONGEST


def test_the_index_names_each_once() -> None:
    named = re.findall(r"^\| \[([\w-]+)\]\(([\w-]+\.md)\) \|", (FOLDER / "README.md").read_text(), re.MULTILINE)
    assert named == [(page.stem, page.name) for page in PAGES]
