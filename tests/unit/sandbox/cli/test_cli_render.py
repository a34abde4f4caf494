"""What a person reads at an 80-column terminal: exact next calls, unbroken; readable numbers; lists that stay lists."""

from __future__ import annotations

from decimal import Decimal
from io import StringIO
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from sandbox.cli import render
from sandbox.cli import terminal as shell
from sandbox.cli.context import connect, explain_and_exit
from sandbox.cli.terminal import out
from sandbox.client import HubRefused, Job, Table
from sandbox.client.views import reason_text

ID = "job-0123456789abcdef"
OWNERS = ("EWR", "JFK", "LGA")
NO_ERRORS = ((None, None, None),) * 2
MISSING = tuple({"owner": owner, "code": "x", "text": f"{owner} has not granted this plan"} for owner in OWNERS)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> StringIO:
    """The commands' console, 80 columns wide, written to memory."""
    page = StringIO()
    narrow = Console(file=page, width=80, highlight=False)
    monkeypatch.setattr(out, "__dict__", narrow.__dict__)
    return page


def job(state: str, reasons: tuple[dict[str, str], ...] = ()) -> Job:
    return Job(ID, state, "", "acme", "statistics", {}, reasons=reasons)


def test_the_next_call_names_everybody_who_has_not_approved(terminal: StringIO) -> None:
    render.show_job(job("needs_approval", MISSING[1:]))
    lines = terminal.getvalue().splitlines()
    assert f"next: JFK, LGA, each: unseen review show {ID}, then unseen review approve {ID}" in lines
    assert f"      you: unseen job watch {ID}" in lines


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("running", f"unseen job watch {ID}"),
        ("released", f"unseen job receipt {ID} --out receipt.json"),
        ("denied", "unseen job explain FILE"),
        ("failed", "unseen job submit FILE"),
        ("expired", "unseen job submit FILE"),
    ],
)
def test_every_state_that_can_go_on_says_how(terminal: StringIO, state: str, words: str) -> None:
    render.show_job(job(state))
    assert words in terminal.getvalue()


def test_what_is_over_names_no_next_call() -> None:
    assert render.next_calls(job("cancelled")) == ()


def test_a_reason_names_its_owner_once() -> None:
    assert reason_text(MISSING[0]) == "EWR has not granted this plan"
    assert reason_text({"owner": "EWR", "text": "the period is over"}) == "EWR: the period is over"


def test_the_cost_is_readable(terminal: StringIO) -> None:
    cost = {
        "rows_at_most": 1048576,
        "columns_read": 4,
        "seconds_about": "0.4",
        "flag_bytes_per_node": 9216,
        "value_bytes_per_node": 6144,
    }
    render.show_cost({"summary": "3 statistics", "numbers": 1576, "cost": cost})
    shown = " ".join(terminal.getvalue().split())
    for part in ("1,576 numbers", "1,048,576 rows", "15.4 kB", "about 0.4 s"):
        assert part in shown


@pytest.mark.parametrize(("size", "text"), [(999, "999 bytes"), (1000, "1.0 kB"), (2_500_000, "2.5 MB")])
def test_bytes(size: int, text: str) -> None:
    assert render.amount(size) == text


def test_long_lines_go_on_under_their_first_word() -> None:
    text = "Columns:\n  - flights.arr_delay (度量): " + "aggregated, single values are never shown " * 3 + "\n\nend"
    lines = shell.hang(text, 60)
    assert lines[0] == "Columns:"
    assert lines[-2:] == ["", "end"]
    assert all(line.startswith("    ↳ ") and line[6] != " " for line in lines[2:-2])
    assert all(cell_len(line) <= 60 for line in lines)
    assert "".join(line.removeprefix("    ↳ ") for line in lines[1:-2]) == text.split("\n")[1]


def test_words_wider_than_the_page_are_broken_and_marked() -> None:
    assert shell.hang("a " + "x" * 90, 60) == ["a ", "↳ " + "x" * 58, "↳ " + "x" * 32]


def test_nothing_of_a_line_is_lost_or_added_however_it_is_broken() -> None:
    for text in ("  - " + "北京 " * 40, "x" * 200, "   " + " " * 100 + "y", "- a  b   c" * 20, ""):
        for width in (1 if not text else 12, 33, 60):
            pieces = [
                piece.lstrip(" ").removeprefix("↳ ") if number else piece
                for number, piece in enumerate(shell.hang(text, width))
            ]
            assert "".join(pieces) == text


def test_numbers_stand_under_each_other_and_nothing_is_markup(terminal: StringIO) -> None:
    rows = (("[bold]A", 5, Decimal("1.5")), ("B", 1000, None))
    table = Table(("name", "n", "mean"), rows, (frozenset(), frozenset({"mean"})), NO_ERRORS, "Source: [red]x.")
    render.show_table(table)
    shown = terminal.getvalue()
    assert "[bold]A" in shown
    assert "Source: [red]x." in " ".join(shown.split())
    ends = [line.split("│")[2].rstrip().rjust(9) for line in shown.splitlines() if line.startswith("│")]
    assert [cell.strip() for cell in ends] == ["5", "1000"]
    assert len({len(line.split("│")[2].rstrip()) for line in shown.splitlines() if line.startswith("│")}) == 1
    assert "1 cell(s) marked ·" in shown
    assert "±" not in shown


def test_a_standard_error_stands_behind_its_number_and_is_explained(terminal: StringIO) -> None:
    rows = (("A", 124, Decimal("1.50")), ("B", 1000, None))
    errors = ((None, Decimal(3), Decimal("0.62")), (None, Decimal("5.2"), None))
    render.show_table(Table(("name", "n", "mean"), rows, (frozenset(), frozenset({"mean"})), errors, "Source: x."))
    lines = [line for line in terminal.getvalue().splitlines() if line.startswith("│")]
    assert [cell.strip() for cell in lines[0].split("│")[1:-1]] == ["A", "124 ±3", "1.50 ±0.62"]
    assert [cell.strip() for cell in lines[1].split("│")[1:-1]] == ["B", "1000 ±5.2", "·"]
    assert "± one standard error of the noise" in terminal.getvalue()


def test_lines_under_a_narrow_table_are_not_squeezed_into_its_width(terminal: StringIO) -> None:
    source = "Source: visits, provided by the city's first and second hospitals."
    render.show_table(Table(("n",), ((5,),), (frozenset(),), ((None,),), source))
    assert source in terminal.getvalue().splitlines()


def test_a_table_says_how_many_numbers_each_rule_withheld(terminal: StringIO) -> None:
    withheld = {"owner-rule": 60, "too-few": 1180, "within-noise": 0}
    hidden = (frozenset({"n"}),)
    render.show_table(Table(("n",), ((None,),), hidden, ((None,),), "Source: x.", (), withheld))
    shown = " ".join(terminal.getvalue().split())
    assert "60 withheld: an owner's rule" in shown
    assert "1,180 withheld: the noisy count is too small" in shown
    assert "spread" not in shown


def test_a_list_keeps_ids_and_times_whole_in_80_columns(terminal: StringIO) -> None:
    grid = shell.listing("no.", "when (UTC)", "event", "actor", "subject", title="Job log")
    row = ("1024", render.moment("2026-11-21T22:05:29Z"), "dataset.registered", "operator:acme", ID)
    shell.row(grid, *row)
    shell.show(grid)
    last = terminal.getvalue().rstrip().splitlines()[-1]
    assert " 2026-11-21 22:05:29 dataset.registered " in last
    assert last.endswith(ID)


def test_a_refusal_over_a_jobs_state_says_where_to_look(capsys: pytest.CaptureFixture[str]) -> None:
    refused = HubRefused("invalid-transition", f"job {ID} is running", "Look at the current state.", 409)
    with pytest.raises(SystemExit):
        explain_and_exit(refused, ["unseen", "job", "release", ID])
    assert f"next: unseen job show {ID}" in capsys.readouterr().err


def test_a_missing_token_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as missing:
        connect("http://127.0.0.1:9", tmp_path / "token")
    assert missing.value.filename == str(tmp_path / "token")
