"""Three nodes that tests of a node drive by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.joint_nodes import Federation


@pytest.fixture
def federation(tmp_path: Path) -> Iterator[Federation]:
    """Three nodes, a hub that adds vectors, no order yet."""
    made = Federation(tmp_path)
    yield made
    made.close()
