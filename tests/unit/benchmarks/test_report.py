"""The results page says what the result files say, and only between its own markers."""

import json
from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.mpc import run


def result(folder: Path, name: str, **row: object) -> Path:
    path = folder / f"{name}.json"
    path.write_text(json.dumps({"machine": {"cpu": "X", "cores": 2}, "rows": [row], "notes": ["how it was done"]}))
    return path


def test_files_become_tables_in_order(tmp_path: Path) -> None:
    files = [
        result(
            tmp_path, "b", work="scan | fast", ours=12345.6, unit="GB/s", ratio=0.5, target="at least 0.6", met=False
        ),
        result(tmp_path, "a", work="other", ours=0.00123, unit="s"),
    ]
    text = report.render(files)
    assert text.index("### b") < text.index("### a")
    assert r"| scan \| fast | 12,346 | GB/s |  |  | 0.5 | at least 0.6 | **no** |" in text
    assert "| other | 0.00123 | s |  |  |  |  |  |" in text
    assert "Machine: cpu X, cores 2." in text
    assert "how it was done" in text


def test_a_section_is_replaced_and_others_stay(tmp_path: Path) -> None:
    page = tmp_path / "RESULTS.md"
    first, second = result(tmp_path, "one", work="1"), result(tmp_path, "two", work="2")
    report.update_page("mpc", [first], page)
    report.update_page("statistics", [second], page)
    page.write_text(page.read_text() + "\nBy hand.\n")
    report.update_page("mpc", [second], page)
    text = page.read_text()
    assert "### one" not in text
    assert text.count("### two") == 2
    assert text.endswith("By hand.\n")
    report.update_page("mpc", [second], page)
    assert page.read_text() == text


def test_a_broken_page_is_refused_and_kept(tmp_path: Path) -> None:
    page = tmp_path / "RESULTS.md"
    report.update_page("mpc", [], page)
    broken = page.read_text().replace("<!-- mpc: end -->", "")
    page.write_text(broken)
    with pytest.raises(SystemExit):
        report.update_page("mpc", [], page)
    assert page.read_text() == broken


@pytest.mark.parametrize(("ratio", "met"), [(0.59, False), (0.6, True), (None, None)])
def test_a_target_is_met_by_its_ratio(ratio: float | None, met: bool | None) -> None:
    row = report.row("scan", 1.0, "GB/s", "read", 2.0, ratio, at_least=0.6)
    assert (row["target"], row["met"]) == ("at least 0.6", met)


def test_rounds_alternate_and_drift_cancels() -> None:
    order: list[str] = []
    times = report.alternate({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 3)
    assert order == ["a", "b"] * 4
    assert {name: len(seconds) for name, seconds in times.items()} == {"a": 3, "b": 3}
    assert report.median_ratio([2.0, 20.0, 3.0], [1.0, 10.0, 1.0]) == 2.0


def test_the_runner_knows_its_scripts_and_not_itself() -> None:
    assert "pir" in run.names()
    assert "run" not in run.names()
    assert not any(name.startswith("_") for name in run.names())
