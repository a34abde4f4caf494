"""What ``docs/architecture.md`` names is there: files, and every call of the hub's API, no more and no fewer."""

from __future__ import annotations

import re
from pathlib import Path

from sandbox.hub.api.routes import log, nodes, owners, platform, work

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text()
FOLDERS = "|".join(("sandbox", "jobs", "mpc", "adapters", "federated", "tests", "docs", "examples", "benchmarks"))


def test_files_that_it_names_exist() -> None:
    named = set(re.findall(rf"`((?:{FOLDERS})/[\w./-]+\.(?:py|md|yaml|json))`", PAGE))
    assert len(named) > 10
    assert {name for name in named if not (ROOT / name).exists()} == set()


def calls() -> set[tuple[str, str]]:
    """Method and path of every route, with nameless parameters."""
    return {
        (method, re.sub(r"\{\w+\}", "{}", route.path))  # type: ignore[attr-defined]
        for part in (platform, work, owners, nodes, log)
        for route in part.router.routes
        for method in route.methods  # type: ignore[attr-defined]
        if method != "HEAD"
    }


def documented() -> set[tuple[str, str]]:
    """The first column of the table of calls."""
    rows = re.findall(r"^\| (`(?:GET|POST|PUT) .*?) \|", PAGE, re.MULTILINE)
    found = re.findall(r"`(GET|POST|PUT) ([^`?]+)", " ".join(rows))
    return {(method, re.sub(r"\{\w+\}", "{}", path)) for method, path in found}


def test_its_table_of_calls_is_the_hubs() -> None:
    assert documented() == calls()
