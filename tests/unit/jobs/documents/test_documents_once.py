"""A document is verified once a process, and judged against the clock every time; a changed byte is another one."""

from __future__ import annotations

from datetime import timedelta

import pytest

from jobs.documents import Envelope, Roster, Verified, VerifiedOnce, verify_dataset_record, verify_grant
from jobs.documents.ed25519 import PublicKey
from jobs.errors import BadSignature, Expired, JobError
from tests.support.orders import NOW
from tests.support.signed import key
from tests.support.world import World


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def roster(world: World) -> Verified[Roster]:
    return world.trust.rosters().update(world.roster)


@pytest.fixture
def verifications(monkeypatch: pytest.MonkeyPatch) -> list[PublicKey]:
    """How many signatures were looked at."""
    seen: list[PublicKey] = []
    real = PublicKey.verifies

    def counted(self: PublicKey, *arguments: bytes) -> bool:
        seen.append(self)
        return real(self, *arguments)

    monkeypatch.setattr(PublicKey, "verifies", counted)
    return seen


def test_the_same_bytes_under_the_same_roster_are_verified_once(
    world: World, roster: Verified[Roster], verifications: list[PublicKey]
) -> None:
    once = VerifiedOnce()
    first = once.grant(world.grants[0], roster, NOW)
    count = len(verifications)
    assert count > 0
    assert once.grant(Envelope.parse(world.grants[0].encode()), roster, NOW) is first
    assert len(verifications) == count
    assert VerifiedOnce().grant(world.grants[0], roster, NOW) == first  # the control: another one looks again
    assert len(verifications) > count


def test_what_is_remembered_still_expires(world: World, roster: Verified[Roster]) -> None:
    once = VerifiedOnce()
    grant = once.grant(world.grants[0], roster, NOW).document
    with pytest.raises(Expired):
        once.grant(world.grants[0], roster, grant.period.end)
    with pytest.raises(Expired):
        once.grant(world.grants[0], roster, grant.period.start - timedelta(seconds=1))
    commitment = once.commitment(world.commitment, roster, NOW).document
    with pytest.raises(Expired):
        once.commitment(world.commitment, roster, commitment.period.end)
    status = once.status(world.status, roster, NOW).document
    with pytest.raises(Expired):
        once.status(world.status, roster, status.expires)


def test_a_signature_that_does_not_verify_never_does(world: World, roster: Verified[Roster]) -> None:
    once = VerifiedOnce()
    once.grant(world.grants[0], roster, NOW)
    forged = Envelope(world.grants[0].payload_type, world.grants[0].payload, world.grants[1].signatures)
    for _ in range(2):
        with pytest.raises(BadSignature):
            once.grant(forged, roster, NOW)


def test_another_roster_is_another_question(world: World, roster: Verified[Roster]) -> None:
    """What an owner's removed key signed is refused under the roster that removed it."""
    once = VerifiedOnce()
    once.grant(world.grants[0], roster, NOW)
    owner = roster.document.owners[0]
    stranger = roster.document.owners[1].keys
    changed = roster.document.model_copy(
        update={"owners": (owner.model_copy(update={"keys": stranger}), *roster.document.owners[1:])}
    )
    newer = type(roster)(changed, changed.sign(key("root-1")), roster.signers)
    assert newer.digest != roster.digest
    with pytest.raises(JobError):
        once.grant(world.grants[0], newer, NOW)


def test_it_holds_so_many_and_no_more(world: World, roster: Verified[Roster]) -> None:
    once = VerifiedOnce(capacity=2)
    for record in world.records[:3]:
        once.verified(verify_dataset_record, record, roster)
    once.verified(verify_grant, world.grants[0], roster)
    assert len(once) == 2
