"""One federation of real processes for all disclosure attacks; each attack registers people of its own on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.attacks.disclosure.live import Live, open_live


@pytest.fixture(scope="package")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with open_live(tmp_path_factory.mktemp("disclosure")) as made:
        yield made
