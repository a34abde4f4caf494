"""Participants' signatures over the release they recomputed: without one of them the receipt does not verify."""

from __future__ import annotations

from typing import Any

import pytest

from jobs.documents import Vouch, digest, salted_commitment
from sandbox.errors import ReceiptRefused
from sandbox.verify import verify_receipt
from sandbox.verify.vouched import UNPROVEN, check_vouches, say_vouched
from tests.support.orders import SALT, change
from tests.support.signed import NODES, key
from tests.support.world import CANONICAL, World


def vouch(world: World, by: str, **changed: Any) -> Vouch:
    plain = {"node": by, "permit": world.permit.digest, "release": world.release.digest}
    return Vouch(**(plain | changed))


def vouched(*nodes: str) -> World:
    world = World()
    world.vouches = [vouch(world, node).sign(key(node)) for node in nodes]
    return world


def test_all_participants_recomputed_it() -> None:
    world = vouched(*NODES)
    checks = verify_receipt(world.receipt(), world.trust).checks
    assert "recomputed and signed by all 3 participant(s)" in checks
    assert not [check for check in checks if check.startswith(UNPROVEN)]


@pytest.mark.parametrize("some", [(), ("node-ewr",), ("node-ewr", "node-lga")])
def test_who_did_not_is_named_and_the_receipt_does_not_verify(some: tuple[str, ...]) -> None:
    world = vouched(*some)
    with pytest.raises(ReceiptRefused, match="did not recompute and sign the release") as refused:
        verify_receipt(world.receipt(), world.trust)
    assert refused.value.step == "vouch"
    assert all((node in str(refused.value)) == (node not in some) for node in NODES)


@pytest.mark.parametrize("some", [(), ("node-ewr",), ("node-ewr", "node-lga")])
def test_of_a_kind_that_nobody_recomputes_the_receipt_says_what_is_not_proven(some: tuple[str, ...]) -> None:
    whole = World()
    receipt = verify_receipt(whole.receipt(), whole.trust)
    verified = [vouch for vouch in receipt.vouches if vouch.document.node in some]
    check_vouches(verified, receipt.permit, receipt.release, recomputed=False)
    said = say_vouched(verified, receipt.permit.document)
    assert said.startswith(UNPROVEN)
    assert all((node in said) == (bool(some) and node not in some) for node in NODES)


def test_a_vouch_is_of_a_participant_for_this_release() -> None:
    for changed, signer, words in (
        ({"release": digest(b"other")}, "node-jfk", "another release"),
        ({"permit": digest(b"other")}, "node-jfk", "another release"),
        ({}, "hub", "signature"),
        ({}, "node-ewr", "signature"),
        ({"node": "node-unknown"}, "node-jfk", "knows no node"),
    ):
        world = World()
        world.vouches[1] = vouch(world, "node-jfk", **changed).sign(key(signer))
        with pytest.raises(ReceiptRefused, match=words) as refused:
            verify_receipt(world.receipt(), world.trust)
        assert refused.value.step == "vouch"


def test_content_in_its_canonical_form_matches_the_release() -> None:
    world = World()
    verified = verify_receipt(world.receipt(), world.trust, None, CANONICAL, SALT)
    assert verified.output is not None
    assert verified.output.media_type == "application/json"
    with pytest.raises(ReceiptRefused, match="not what was released"):
        verify_receipt(world.receipt(), world.trust, None, CANONICAL + b" ", SALT)


def test_a_hub_that_releases_other_numbers_has_no_receipt_for_them() -> None:
    """The nodes sign what they recomputed; it holds for no other content."""
    other = CANONICAL.replace(b"120", b"1120")
    assert other != CANONICAL
    world = World(bend={"release": change(content=salted_commitment(SALT, digest(other)))})
    honest = World()
    for vouches in (honest.vouches, []):
        world.vouches = list(vouches)
        with pytest.raises(ReceiptRefused) as refused:
            verify_receipt(world.receipt(), world.trust, None, other, SALT)
        assert refused.value.step == "vouch"
    verify_receipt(honest.receipt(), honest.trust, None, CANONICAL, SALT)  # the control
