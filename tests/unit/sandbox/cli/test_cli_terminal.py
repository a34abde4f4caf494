"""Nobody outside writes on this terminal but through values, and a value stays one legible stretch of its own line."""

from __future__ import annotations

import ast
import json
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from sandbox.cli import terminal
from sandbox.cli.context import explain_and_exit
from sandbox.errors import InvalidSpec

CLI = Path(__file__).parents[4] / "sandbox" / "cli"
COMMANDS = sorted(file for file in CLI.glob("*.py") if file.name != "terminal.py")
HOSTILE = "x\x1b[2K\r\n[bold red]granted[/] \u202egnp.exe\u200b \x9b31m [/]\\"


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> StringIO:
    """A real terminal of 40 columns with colours, as far as rich can tell."""
    page = StringIO()
    console = Console(file=page, width=40, highlight=False, force_terminal=True, color_system="truecolor")
    monkeypatch.setattr(terminal.out, "__dict__", console.__dict__)
    return page


def test_a_value_is_one_legible_stretch_of_its_line(seen: StringIO) -> None:
    terminal.say("[bold]job[/] {id} ends", id=HOSTILE, whole=True)
    written = seen.getvalue()
    assert written.count("\n") == 1
    assert "x<U+001B>[2K<U+000D><U+000A>[bold red]granted[/] <U+202E>gnp.exe<U+200B> <U+009B>31m [/]\\ ends" in written
    assert "\x1b[1mjob\x1b[0m" in written  # the template's own markup works: the control


def test_a_value_takes_the_style_of_its_place(seen: StringIO) -> None:
    terminal.say("[red]{code}[/] {detail}", code="[blue]a", detail="b")
    assert seen.getvalue() == "\x1b[31m[blue]a\x1b[0m b\n"


@pytest.mark.parametrize("padding", [" ", "\u3000", "─", "x"])
def test_no_value_begins_a_line(seen: StringIO, padding: str) -> None:
    """Padded to the width, a forged line would stand where this program's lines begin."""
    terminal.say("refused: {detail}", detail=padding * 31 + "granted 2 runs" + padding * 60 + "granted 2 runs")
    lines = [line for line in seen.getvalue().split("\n") if line]
    assert len(lines) > 2
    assert all(line.startswith("  ↳ ") for line in lines[1:])


def test_the_attack_works_where_a_value_is_printed_as_markup(seen: StringIO) -> None:
    """The positive control: what ``say`` prevents."""
    terminal.out.print(f"refused: {' ' * 31}[bold]granted[/] 2 runs\x1b[2K")
    written = seen.getvalue()
    assert "\n\x1b[1mgranted" in written
    assert "\x1b[2K" in written


def test_words_stay_in_their_frame(seen: StringIO) -> None:
    terminal.page(f"one\n{HOSTILE}\n{' ' * 36}granted", "title [bold]")
    lines = seen.getvalue().rstrip("\n").split("\n")
    assert all(line[0] in "╭│╰" for line in lines)
    assert "\x1b[2K" not in seen.getvalue()


def test_cells_and_titles_are_literal(seen: StringIO) -> None:
    grid = terminal.framed("[red]a", HOSTILE, title=HOSTILE)
    terminal.row(grid, "[bold]b", HOSTILE)
    terminal.show(grid)
    written = seen.getvalue()
    assert "[bold]b" in written
    assert "\x1b[31m" not in written
    assert "\x1b[2K" not in written
    assert "\u202e" not in written


def test_json_says_everything_and_acts_on_nothing(seen: StringIO) -> None:
    value = {"a": HOSTILE, "b": "北京 שלום"}
    terminal.say_json(value)
    assert json.loads(seen.getvalue()) == value
    assert "北京" in seen.getvalue()
    for character in "\x1b\x9b\u202e\u200b\r":
        assert character not in seen.getvalue()


def test_a_refusal_is_literal(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        explain_and_exit(InvalidSpec(HOSTILE), ["unseen"])
    assert "\x1b[2K" not in capsys.readouterr().err


# every command -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", COMMANDS, ids=lambda file: file.name)
def test_no_command_prints_but_through_the_terminal(file: Path) -> None:
    """Templates are constants of this program; rich, print and the standard streams are the terminal's alone."""
    faults = list(prints(ast.parse(file.read_text())))
    assert faults == []


def test_what_the_look_at_the_commands_finds() -> None:
    """Else the test above looks at nothing."""
    bad = (
        "print(1)", "out.print(x)", "typer.echo(x)", "sys.stdout.write(x)", "from rich.text import Text", "import rich",
        "say(f'{x}')", "say(template)", "say('a' + x)", "console.log(x)", "grid.add_row(x)",
    )  # fmt: skip
    for source in bad:
        assert list(prints(ast.parse(source))), source
    assert not list(prints(ast.parse("say('{x}', x=x)\nrow(grid, x)")))


def prints(tree: ast.AST) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            found += [f"line {node.lineno}: imports {name}" for name in names if name.split(".")[0] == "rich"]
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in {
            "print",
            "print_json",
            "echo",
            "secho",
            "write",
            "log",
            "rule",
            "add_row",
            "add_column",
            "from_markup",
        }:
            inner = node.func.value if isinstance(node.func, ast.Attribute) else None
            if name != "write" or not (isinstance(inner, ast.Name) and inner.id == "file"):  # a file the caller named
                found.append(f"line {node.lineno}: {name}")
        if name in {"say", "worded"} and not (node.args and isinstance(node.args[0], ast.Constant)) and inner_say(node):
            found.append(f"line {node.lineno}: a template that is no constant")
    return found


def inner_say(call: ast.Call) -> bool:
    """``say`` itself, not the ``say`` of a progress line, whose text is a value."""
    return isinstance(call.func, ast.Name)
