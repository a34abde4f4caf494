"""The demo replaces its folder, but never under a federation that runs there."""

from __future__ import annotations

from pathlib import Path

import pytest

from examples.stage import StageTaken, replaced


def test_a_running_federation_keeps_its_folder(tmp_path: Path) -> None:
    root = tmp_path / ".demo"
    first = replaced(root)
    (root / "key").write_text("of the one that runs")
    with pytest.raises(StageTaken, match="end it first"):
        replaced(root)
    assert (root / "key").read_text() == "of the one that runs"
    first.close()
    replaced(root).close()
    assert not (root / "key").exists()
