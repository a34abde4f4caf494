"""What ``unseen data register`` refuses before anything changes at the node."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from jobs.documents import RootKeys, Roster, SigningKey
from jobs.documents.roster import HubEntry, OwnerEntry, WitnessEntry
from jobs.errors import JobError
from jobs.schema import Dataset
from sandbox.catalogue.describe import UNSTATED
from sandbox.cli.data import WrongKey, check_signers
from sandbox.cli.dataset_file import check_edited
from sandbox.errors import InvalidSpec
from sandbox.keys import create_key

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def repeated(number: int, size: int) -> bytes:
    return bytes([number]) * size


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> list[SigningKey]:
    folder = tmp_path_factory.mktemp("keys")
    return [create_key(folder / f"{n}.key", partial(repeated, n + 1)) for n in range(8)]


@pytest.fixture(scope="module")
def roster(keys: list[SigningKey]) -> Roster:
    """EWR has one key, LGA signs with two of three."""
    root, hub, status, *mine = [key.public.text for key in keys]
    return Roster(
        version=1,
        issued=NOW,
        expires=NOW + timedelta(days=1),
        origin="unseen.test/log",
        root=RootKeys(keys=(root,), threshold=1),
        hub=HubEntry(id="hub", key=hub),
        status_key=status,
        owners=(
            OwnerEntry(id="EWR", name="EWR", keys=(mine[0],), threshold=1, nodes=()),
            OwnerEntry(id="LGA", name="LGA", keys=tuple(mine[1:4]), threshold=2, nodes=()),
        ),
        witnesses=(WitnessEntry(name="witness", key=mine[4]),),
        operators=(),
    )


def test_the_owners_own_keys_pass(roster: Roster, keys: list[SigningKey]) -> None:
    check_signers(roster, "EWR", [keys[3]])
    check_signers(roster, "LGA", [keys[6], keys[4]])


@pytest.mark.parametrize(("owner", "given"), [("EWR", [4]), ("LGA", [4]), ("LGA", [4, 4]), ("LGA", [3, 4])])
def test_too_few_or_foreign_keys_are_refused(
    roster: Roster, keys: list[SigningKey], owner: str, given: list[int]
) -> None:
    with pytest.raises(WrongKey) as refused:
        check_signers(roster, owner, [keys[number] for number in given])
    assert "--cosign-key" in refused.value.advice


def test_an_unknown_owner_is_refused(roster: Roster, keys: list[SigningKey]) -> None:
    with pytest.raises(JobError):
        check_signers(roster, "SFO", [keys[3]])


def test_a_draft_that_nobody_read_is_refused() -> None:
    columns = [{"name": "person", "type": "string", "role": "unit", "unit_domain": "person"}]
    draft = Dataset.model_validate(
        {"name": "visits", "title": "visits", "unit": "person", "columns": columns, "legal_basis": UNSTATED}
    )
    with pytest.raises(InvalidSpec, match="legal_basis"):
        check_edited(draft, Path("visits.yaml"))
    check_edited(draft.model_copy(update={"legal_basis": "the statistics act"}), Path("visits.yaml"))
