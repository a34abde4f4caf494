"""Withdrawn consent over the public way in: grants survive, the log has a class of numbers, and names nobody."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.documents import DatasetRecord
from sandbox.hub_http import HubRefused
from sandbox.local.federation import parquet
from tests.support import toy
from tests.support.ground import Ground, open_ground

pytestmark = [pytest.mark.e2e]
GONE = f"{toy.CANARY_UNIT}Anorth0"
"""One vehicle of owner A on line north: four of the 300 trips there."""


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with open_ground(tmp_path_factory.mktemp("withdrawn")) as made:
        yield made


def test_a_grant_survives_withdrawn_consent_and_not_new_data(ground: Ground, tmp_path: Path) -> None:
    federation = ground.federation
    asked = toy.job(1)
    commitment = federation.commitment(asked)
    first = federation.submit(asked, commitment)
    federation.approve_all(first.id, runs=3)
    assert ground.ended(first.id).state == "released"
    (held,) = federation.exclude("A", "vehicle", [GONE])
    second = ground.ended(federation.submit(asked, commitment).id)  # nobody approves it: the grants are good
    assert second.state == "released", second.failure
    assert second.raw["replay_of"] is None  # the cached answer still counts who has withdrawn
    ground.check(second)
    ground.check_receipt(second.id)
    logged = [entry for entry in ground.entries() if entry.event == "dataset.excluded"]
    assert [entry.facts["changed_rows_below"] for entry in logged] == [10]
    assert logged[0].facts.keys() == {"node", "dataset", "sequence", "changed_rows_below"}
    assert logged[0].digests == (held.record.digest,)
    assert ground.node_rows("A", "select changed_rows from datasets where active") == [(4,)]
    for file in (ground.places.hub / "state").iterdir():
        if file.is_file():
            assert GONE.encode() not in file.read_bytes(), file.name
    # the control: the same files registered anew are another lineage, and need the owner again
    files = toy.write(tmp_path)
    federation.register("A", toy.dataset(), parquet(files["A"]), rows_at_most=5000)
    third = federation.submit(asked, commitment)
    assert third.state == "needs_approval"


def test_the_hub_takes_no_exclusion_that_it_cannot_place(ground: Ground) -> None:
    """An owner whose hub lacks the version before, or who slips other data under an old lineage."""
    (held,) = ground.federation.exclude("B", "vehicle", [f"{toy.CANARY_UNIT}Bnorth0"])
    record = DatasetRecord.open(held.record)
    bent = record.model_copy(update={"lineage": "sha256:" + "0" * 64, "sequence": record.sequence + 1})
    with ground.federation.owner("B") as client:
        dataset = held.dataset.model_dump(mode="json")
        with pytest.raises(HubRefused, match="newest"):
            client.register(dataset, bent.sign(*ground.federation.keys("B")))
        good = record.model_copy(update={"version": "sha256:" + "1" * 64, "sequence": record.sequence + 1})
        client.register(dataset, good.sign(*ground.federation.keys("B")))  # the control
