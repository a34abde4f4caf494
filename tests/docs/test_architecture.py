"""What ``docs/architecture.md`` names is there: files, and every call of the hub's API, no more and no fewer."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path
from typing import Any, Final

from sandbox.hub.api.routes import log, nodes, owners, platform, work
from sandbox.hub.people.tokens import Role

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text()
FOLDERS = "|".join(("sandbox", "jobs", "mpc", "adapters", "federated", "tests", "docs", "examples", "benchmarks"))


WHO: Final[dict[str, frozenset[Role] | None]] = {
    "anyone": None,
    "any": frozenset(Role) - {Role.MONITOR},
    "people": frozenset({Role.OPERATOR, Role.OWNER, Role.AUDITOR, Role.AUTHORITY}),
    "operator": frozenset({Role.OPERATOR}),
    "owner": frozenset({Role.OWNER}),
    "node": frozenset({Role.NODE}),
    "authority": frozenset({Role.AUTHORITY}),
    "auditor, authority": frozenset({Role.AUDITOR, Role.AUTHORITY}),
}


def test_files_that_it_names_exist() -> None:
    named = set(re.findall(rf"`((?:{FOLDERS})/[\w./-]+\.(?:py|md|yaml|json))`", PAGE))
    assert len(named) > 10
    assert {name for name in named if not (ROOT / name).exists()} == set()


def test_short_names_of_files_are_in_the_folder_of_the_one_before() -> None:
    """``sandbox/node/loop.py``, ``run.py``: a row names the folder once."""
    for row in PAGE.splitlines():
        folder = None
        for name in re.findall(r"`([\w/-]+\.py)`", row):
            if "/" in name:
                folder = (ROOT / name).parent
            elif folder is not None:
                assert (folder / name).exists(), f"{name}: {row}"


def test_dotted_names_can_be_imported() -> None:
    for name in set(re.findall(r"`((?:sandbox|jobs|mpc|adapters)\.[a-z][\w.]*)`", PAGE)):
        module, _, attribute = name.rpartition(".")
        assert hasattr(importlib.import_module(module), attribute) or importlib.import_module(name), name


def calls() -> dict[tuple[str, str], frozenset[Role] | None]:
    """Method and path of every route, with nameless parameters, and who may call it."""
    return {
        (method, re.sub(r"\{\w+\}", "{}", route.path)): _roles(route)
        for part in (platform, work, owners, nodes, log)
        for route in part.router.routes
        for method in route.methods
        if method != "HEAD"
    }


def _roles(route: Any) -> frozenset[Role] | None:
    """What the route's dependency on the caller asks for; none if it has no such dependency."""
    for dependency in route.dependant.dependencies:
        asked = inspect.getclosurevars(dependency.call).nonlocals.get("roles")
        if asked is not None:
            return frozenset(asked or Role)
    return None


def documented() -> dict[tuple[str, str], frozenset[Role] | None]:
    """The first two columns of the table of calls; one word for all calls of a row, or one for each."""
    found: dict[tuple[str, str], frozenset[Role] | None] = {}
    for first, second in re.findall(r"^\| (`(?:GET|POST|PUT) .*?) \| (.*?) \|", PAGE, re.MULTILINE):
        named = re.findall(r"`(GET|POST|PUT) ([^`?]+)", first)
        who = second.split(" / ")
        for (method, path), word in zip(named, who * len(named) if len(who) == 1 else who, strict=True):
            found[method, re.sub(r"\{\w+\}", "{}", path)] = WHO[word]
    return found


def test_its_table_of_calls_is_the_hubs() -> None:
    assert documented() == calls()
