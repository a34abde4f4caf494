"""Every command that the documentation names exists: ``unseen ...`` parses against the CLI, ``make ...`` is a target."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from sandbox.cli.main import app

ROOT = Path(__file__).parents[2]
PAGES = (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")))
CODE = re.compile(r"`([^`\n]+)`")
FENCE = re.compile(r"^```[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
ROOT_COMMAND = typer.main.get_command(app)


def snippets(page: Path) -> Iterator[str]:
    """Lines of fenced blocks, and inline code."""
    text = page.read_text()
    for block in FENCE.findall(text):
        yield from (line.strip() for line in block.replace("\\\n", " ").splitlines())
    yield from CODE.findall(FENCE.sub("", text))


def named(program: str) -> list[tuple[str, str]]:
    """(page, command line) of everything that begins with this program."""
    found = set()
    for page in PAGES:
        for snippet in snippets(page):
            line = re.sub(r"^(\$ )?(\.venv/bin/)?", "", snippet).split("  #")[0].strip()
            if line.split(" ")[0] == program:
                found.add((page.relative_to(ROOT).as_posix(), line))
    return sorted(found)


@pytest.mark.parametrize(("page", "line"), named("unseen"))
def test_unseen_commands_exist(page: str, line: str) -> None:
    """Sub-commands and options are those of the CLI; values are not looked at."""
    words = [word for word in shlex.split(line)[1:] if word not in ("...", "…")]
    command: object = ROOT_COMMAND
    while words and hasattr(command, "commands") and not words[0].startswith("-"):
        assert words[0] in command.commands, f"{page}: no command {words[0]!r} in {line!r}"
        command = command.commands[words.pop(0)]
    params = getattr(command, "params", [])
    options = {name for param in params for name in (*param.opts, *param.secondary_opts)} | {"--help"}
    for word in words:
        if word.startswith("--"):
            assert word.split("=")[0] in options, f"{page}: {line!r} has no option {word}"


@pytest.mark.parametrize(("page", "line"), named("make"))
def test_make_targets_exist(page: str, line: str) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    asked = [word for word in line.split()[1:] if "=" not in word]
    assert set(asked) <= targets, f"{page}: {line!r}"


def test_the_documentation_names_commands_at_all() -> None:
    """Else the two tests above look at nothing."""
    assert len(named("unseen")) >= 10
    assert ("README.md", "make demo") in named("make")


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.relative_to(ROOT)}: {target}"


def test_every_command_says_what_it_does() -> None:
    assert [name for name, command in commands(ROOT_COMMAND) if not command.help] == []


def commands(command: Any, name: str = "unseen") -> Iterator[tuple[str, Any]]:
    yield name, command
    for word, below in getattr(command, "commands", {}).items():
        yield from commands(below, f"{name} {word}")


def test_every_page_is_in_the_index() -> None:
    """Decisions have an index of their own."""
    index = (ROOT / "docs" / "README.md").read_text()
    pages = [page for page in PAGES if page.parent.name != "adr" and page.name != "README.md"]
    assert {page.name for page in pages if f"{page.name})" not in index and f"{page.name}#" not in index} == set()
