"""One federation of real processes for all attacks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.ground import Ground, open_ground


@pytest.fixture(scope="package")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with open_ground(tmp_path_factory.mktemp("attacks")) as made:
        yield made
