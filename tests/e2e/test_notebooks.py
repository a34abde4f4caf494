"""The notebook runs from top to bottom against a real federation, and what is committed was made that way."""

from __future__ import annotations

import re
import threading
import time
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from tests.e2e.conftest import Airports

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
FIRST = NOTEBOOKS / "first-statistic.ipynb"
MACHINE = re.compile(r"(?<![\w.])/(home|root|tmp|work|Users|var|private|opt)/|[A-Za-z]:\\\\|unseen_[A-Za-z0-9]|Bearer ")


def printed(notebook: Any) -> str:
    """All that the cells wrote or showed as plain text."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "".join(output.get("text", "") or output.get("data", {}).get("text/plain", "") for output in outputs)


@pytest.mark.e2e
@pytest.mark.slow
def test_the_first_statistic_runs_in_order(airports: Airports, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in airports.operator.settings.items():
        monkeypatch.setenv(name, value)
    notebook = nbformat.read(FIRST, as_version=4)
    before = {job.id for job in waiting(airports)}
    owners = threading.Thread(target=approve_the_next, args=(airports, before), daemon=True)
    owners.start()
    NotebookClient(notebook, timeout=240, kernel_name="python3", resources={"metadata": {"path": NOTEBOOKS}}).execute()
    owners.join(timeout=30)
    shown = printed(notebook)
    assert "not approved yet by EWR, JFK, LGA" in shown
    assert "\nreleased\n" in shown
    assert "cosigned by participants node-EWR, node-JFK, node-LGA" in shown
    assert "refused: " in shown
    assert MACHINE.search(shown) is None


def waiting(airports: Airports) -> list[Any]:
    with airports.federation.operator() as client:
        return list(client.jobs(state="needs_approval"))


def approve_the_next(airports: Airports, before: set[str]) -> None:
    """The owners, at their own machines: they sign what the notebook has submitted, once it is there."""
    end = time.monotonic() + 200
    while time.monotonic() < end:
        new = [job for job in waiting(airports) if job.id not in before]
        if new:
            time.sleep(1)  # so that the notebook is seen to wait for them
            airports.federation.approve_all(new[0].id)
            return
        time.sleep(0.2)


@pytest.mark.parametrize("file", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda file: file.name)
def test_committed_outputs_are_of_one_run_in_order_and_hold_nothing_of_a_machine(file: Path) -> None:
    notebook = nbformat.read(file, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert not [output for cell in code for output in cell.outputs if output.output_type == "error"]
    assert sum(bool(cell.outputs) for cell in code) >= len(code) // 2
    assert MACHINE.search(nbformat.writes(notebook)) is None
