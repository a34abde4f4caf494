"""README and SECURITY.md say the same about what the hub still learns, and it is what the code does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from jobs.kinds import registry
from jobs.kinds.base import Receiver
from sandbox.verify.vouched import UNPROVEN

ROOT: Final = Path(__file__).parents[2]
HUB: Final = {
    "README.md": "### What the hub can still do\n",
    "SECURITY.md": "## Not protected today\n",
}


def flat(text: str) -> str:
    return re.sub(r"\s+", " ", text.replace("*", ""))


@pytest.fixture(params=sorted(HUB))
def section(request: pytest.FixtureRequest) -> str:
    """What the page says under its heading."""
    name = str(request.param)
    return flat(re.split(r"^#+ ", (ROOT / name).read_text().split(HUB[name])[1], flags=re.MULTILINE)[0])


def test_it_says_what_the_hub_learns_and_what_is_left(section: str) -> None:
    for words in ("(fail)", "noisy totals", "noisy part", "disclosure.md#what-is-not-promised"):
        assert words in section


def test_it_no_longer_says_what_is_proven_now(section: str) -> None:
    """The receipt's words for an output that nobody recomputed; flags and totals as they were before the gate."""
    for words in (UNPROVEN, "(present)", "exact totals", "judged alone"):
        assert words not in section


def test_it_is_true_of_statistics() -> None:
    """Who makes statistics not recomputed, or lets the hub hear more, changes both pages."""
    kind = registry.kind_of("statistics")
    assert kind.recomputed
    assert {row.name for row in kind.rounds if row.receiver is Receiver.HUB and row.reveals} == {"flags", "values"}


def test_every_row_about_who_lies_names_a_test_or_none() -> None:
    rows = [line for line in (ROOT / "SECURITY.md").read_text().splitlines() if line.startswith("| ")][2:]
    assert len(rows) > 10
    for row in rows:
        assert re.search(r"\]\(tests/[\w/]+\.py\)", row), row
