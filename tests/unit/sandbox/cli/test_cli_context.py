"""Grant words of the command line (budgets, parameters, days), new files, and errors that name what is missing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import typer

from sandbox.cli.context import budgets_of, check_new, day, explain_and_exit, now, parameters_of
from sandbox.errors import InvalidSpec
from sandbox.hub_http import CA_FILE, HubHttp


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ([], {}),
        (["cells=1000"], {"cells": 1000}),
        (["cells=1000", "runs=2"], {"cells": 1000, "runs": 2}),
        (["cells=1", "cells=2"], {"cells": 2}),
        (["cells=0"], {"cells": 0}),
        (["cells=999999999999999"], {"cells": 999_999_999_999_999}),
    ],
)
def test_a_budget_is_a_unit_and_a_whole_number(given: list[str], found: dict[str, int]) -> None:
    assert budgets_of(given) == found


@pytest.mark.parametrize(
    "given",
    ["cells", "cells=", "=5", "cells=-1", "cells=1.5", "cells=1e3", "cells= 1", "cells=1000000000000000", "cells=１"],
)
def test_any_other_budget_is_a_usage_error_that_shows_how(given: str) -> None:
    with pytest.raises(typer.BadParameter, match="unit=1000"):
        budgets_of([given])


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("n=7", 7),
        ("n=-7", -7),
        ("n=true", True),
        ("n=false", False),
        ("n=True", "True"),
        ("n=7.5", "7.5"),
        ("n=", ""),
        ("n=a=b", "a=b"),
        ("n=1234567890123456", "1234567890123456"),
    ],
)
def test_a_parameter_becomes_a_number_or_a_truth_where_it_is_one(given: str, found: object) -> None:
    (value,) = parameters_of([given]).values()
    assert (type(value), value) == (type(found), found)


def test_a_parameter_without_a_value_is_a_usage_error() -> None:
    with pytest.raises(typer.BadParameter, match="name=value"):
        parameters_of(["n"])


def test_a_day_counts_whole_and_a_span_from_now() -> None:
    assert day("2026-12-31") == datetime(2027, 1, 1, tzinfo=UTC)
    assert timedelta(0) <= day("30d") - now() - timedelta(days=30) <= timedelta(seconds=2)
    for text in ("soon", "30", "31.12.2026", "-1d"):
        with pytest.raises(typer.BadParameter, match="2026-12-31"):
            day(text)


def test_a_new_file_is_of_a_form_that_is_written_where_nothing_is_yet(tmp_path: Path) -> None:
    check_new(tmp_path / "new.csv", ".csv", ".json")
    with pytest.raises(typer.BadParameter, match=r"\.csv or \.json"):
        check_new(tmp_path / "new.txt", ".csv", ".json")
    (tmp_path / "there").touch()
    with pytest.raises(InvalidSpec, match="already"):
        check_new(tmp_path / "there")
    with pytest.raises(InvalidSpec, match="no folder"):
        check_new(tmp_path / "nowhere" / "new")


@pytest.mark.parametrize(
    ("command", "missing", "extra"),
    [
        (["unseen", "hub", "serve"], "fastapi", "hub"),
        (["unseen", "hub", "serve"], "sqlalchemy.orm", "hub"),
        (["unseen", "node", "serve"], "sqlalchemy", "node"),
        (["unseen", "data", "describe"], "duckdb", "node"),
        (["unseen", "job", "explain"], "phe", "mpc"),
    ],
)
def test_a_missing_extra_is_named(
    command: list[str], missing: str, extra: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        explain_and_exit(ModuleNotFoundError(f"No module named {missing!r}", name=missing), [*command, "--json"])
    said = capsys.readouterr().out
    assert "not-installed" in said
    assert f"pip install '.[{extra}]'" in said


def test_a_module_that_no_extra_brings_is_a_bug_and_shown_whole() -> None:
    with pytest.raises(ModuleNotFoundError):
        explain_and_exit(ModuleNotFoundError("No module named 'sandbox.nothing'", name="sandbox.nothing"), ["unseen"])


def test_a_private_authority_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for file in (tmp_path / "gone.pem", tmp_path / "empty.pem"):
        monkeypatch.setenv(CA_FILE, str(file))
        with pytest.raises(InvalidSpec, match=rf"{CA_FILE} names .*{file.name}"):
            HubHttp("https://hub.example")
        (tmp_path / "empty.pem").write_text("no certificate")
