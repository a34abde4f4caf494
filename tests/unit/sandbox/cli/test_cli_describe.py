"""What the owner's commands take as data: a file, a folder, or a pattern of files."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from sandbox.cli.data import app


@pytest.mark.parametrize("what", ["2024-a.parquet", "", "2024-*", "2024-[ab].parquet"])
def test_a_draft_of_a_file_a_folder_or_a_pattern(tmp_path: Path, what: str) -> None:
    for name in ("2024-a", "2024-b"):
        pq.write_table(
            pa.table({"who": [f"p{n}" for n in range(30)], "x": list(range(30))}), tmp_path / f"{name}.parquet"
        )
    found = CliRunner().invoke(app, ["describe", str(tmp_path / what), "--name", "sales"])
    assert found.exit_code == 0, found.output
    assert "unit: who" in found.output


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    found = CliRunner().invoke(app, ["describe", str(tmp_path / "missing.parquet"), "--name", "sales"])
    assert found.exit_code == 2
    assert "there is no file or folder" in found.output
