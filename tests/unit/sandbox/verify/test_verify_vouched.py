"""Participants' signatures over the release: without them the verifier says what is not proven."""

from __future__ import annotations

from typing import Any

import pytest

from jobs.documents import Vouch, digest, salted_commitment
from sandbox.errors import ReceiptRefused
from sandbox.verify import verify_receipt
from sandbox.verify.vouched import UNPROVEN
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
def test_who_did_not_is_named(some: tuple[str, ...]) -> None:
    world = vouched(*some)
    (said,) = [c for c in verify_receipt(world.receipt(), world.trust).checks if c.startswith(UNPROVEN)]
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
        world.vouches = [vouch(world, "node-jfk", **changed).sign(key(signer))]
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


def test_a_hub_that_releases_other_numbers_is_not_found_out_and_the_receipt_says_that() -> None:
    """Not protected today (SECURITY.md): nothing ties the content to what the nodes sent, until participants sign it."""
    other = CANONICAL.replace(b"120", b"1120")
    assert other != CANONICAL
    bend = {"release": change(content=salted_commitment(SALT, digest(other)))}
    world = World(bend=bend)
    verified = verify_receipt(world.receipt(), world.trust, None, other, SALT)
    assert verified.output is not None
    assert UNPROVEN in verified.checks
    honest = World()  # what participants signed is this content's release, and holds for no other
    world.vouches = [vouch(honest, node).sign(key(node)) for node in NODES]
    with pytest.raises(ReceiptRefused, match="another release"):
        verify_receipt(world.receipt(), world.trust)
