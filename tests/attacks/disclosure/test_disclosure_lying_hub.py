"""A hub that releases other numbers than it opened: no participant signs them, so nothing is released."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.attacks.disclosure.bench import Refused
from tests.attacks.disclosure.live import Live, open_live
from tests.attacks.disclosure.people import crowds

pytestmark = [pytest.mark.e2e]
SQL = "SELECT COUNT(*) AS n FROM people"


@pytest.fixture
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A federation of its own: its owners are alarmed afterwards."""
    with open_live(tmp_path_factory.mktemp("lying")) as made:
        yield made


def test_the_mean_plus_1000_is_not_released(own: Live) -> None:
    people, _ = crowds(81)
    data = own.open(people, owners=3)
    (row,) = data.ask(SQL).rows  # the positive control: the honest hub releases it
    assert abs(int(str(row["n"])) - len(people)) < 60
    own.processes.stop("hub")
    arguments = ["hub", "serve", "--config", str(own.federation.places.hub / "hub.yaml")]
    own.processes._start("hub", arguments, "tests.attacks.disclosure.lying_hub")
    own.processes._wait("hub", lambda: own.processes._hub_answers(own.federation.places.port))
    with pytest.raises(Refused):
        data.ask(SQL + " WHERE age >= 20")
