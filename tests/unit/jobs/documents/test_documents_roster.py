"""The trusted roster: pinned root, no way back, rotation by old and new keys, certified nodes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from jobs.documents import NodeEntry, OwnerEntry, RootKeys, SigningKey, TrustedRoster, WitnessEntry
from jobs.errors import BadDocument, BadSignature, Expired, RosterRollback, UnknownSigner
from sandbox.keys import certify_node
from tests.support import orders
from tests.support.orders import NOW, ROOT
from tests.support.signed import key, seal


@pytest.fixture
def roots() -> tuple[SigningKey, SigningKey]:
    return key("root-1"), key("root-2")


def test_accepted_and_current_in_its_period_only(roots: tuple[SigningKey, SigningKey]) -> None:
    trusted = TrustedRoster(ROOT)
    with pytest.raises(BadDocument, match="no roster"):
        trusted.current(NOW)
    accepted = trusted.update(orders.roster().sign(*roots).encode())
    assert trusted.current(NOW) == accepted
    with pytest.raises(Expired, match="has expired"):
        trusted.current(accepted.document.expires)
    with pytest.raises(Expired, match="clock"):
        trusted.current(accepted.document.issued - timedelta(minutes=6))
    assert trusted.current(accepted.document.issued - timedelta(minutes=4)) == accepted


def test_the_root_threshold_counts(roots: tuple[SigningKey, SigningKey]) -> None:
    trusted = TrustedRoster(ROOT)
    for keys in (roots[:1], (), (key("hub"), roots[0]), (key("stranger"), key("stranger-2"))):
        with pytest.raises(BadSignature):
            trusted.update(orders.roster().sign(*keys))
    with pytest.raises(BadDocument):
        assert trusted.last


def test_never_back_and_never_two_of_one_version(roots: tuple[SigningKey, SigningKey]) -> None:
    trusted = TrustedRoster(ROOT)
    trusted.update(orders.roster(version=3).sign(*roots))
    trusted.update(orders.roster(version=3).sign(*roots))  # the same again is no change
    with pytest.raises(RosterRollback, match="older"):
        trusted.update(orders.roster(version=2).sign(*roots))
    other = orders.roster(version=3, witnesses=(WitnessEntry(name="w-9", key=key("w-9").public.text),))
    with pytest.raises(RosterRollback, match="two different"):
        trusted.update(other.sign(*roots))
    assert trusted.last.document.version == 3
    assert trusted.update(orders.roster(version=7).sign(*roots)).document.version == 7


def test_rotation_needs_the_old_and_the_new_root(roots: tuple[SigningKey, SigningKey]) -> None:
    new = key("root-new")
    root = RootKeys(keys=(new.public.text,), threshold=1)
    rotated = orders.roster(version=2, root=root)
    for keys in (roots, (new,), (roots[0], new)):
        trusted = TrustedRoster.of(ROOT, [orders.roster().sign(*roots).encode()])
        with pytest.raises(BadSignature):
            trusted.update(rotated.sign(*keys))
    trusted = TrustedRoster.of(ROOT, [orders.roster().sign(*roots), rotated.sign(*roots, new)])
    with pytest.raises(BadSignature):  # the old root alone has no say any more
        trusted.update(orders.roster(version=3).sign(*roots))
    assert trusted.update(orders.roster(version=3, root=root).sign(new)).document.version == 3


def test_who_pinned_the_old_root_follows_the_chain_and_nobody_else_can_join_it(
    roots: tuple[SigningKey, SigningKey],
) -> None:
    new = key("root-new")
    root = RootKeys(keys=(new.public.text,), threshold=1)
    latest = orders.roster(version=3, root=root).sign(new)
    with pytest.raises(BadSignature):
        TrustedRoster.of(ROOT, [latest])
    middle = orders.roster(version=2, root=root).sign(*roots, new)
    assert TrustedRoster.of(ROOT, [middle, latest]).last.document.version == 3


def owner_with(entry: NodeEntry) -> tuple[OwnerEntry, OwnerEntry, OwnerEntry]:
    owner = orders.roster().owners[1]
    changed = owner.model_copy(update={"nodes": (entry,)})
    return (orders.roster().owners[0], changed, orders.roster().owners[2])


@pytest.mark.parametrize(
    ("bend", "error"),
    [
        ({"signers": "hub"}, BadSignature),
        ({"signers": "ewr-1"}, BadSignature),
        ({"owner": "ewr"}, BadDocument),
        ({"node": "node-ewr"}, BadDocument),
        ({"key": "stranger"}, BadDocument),
        ({"sealing": "stranger"}, BadDocument),
        ({"days": 1}, BadDocument),
    ],
)
def test_a_node_key_is_certified_by_its_own_owner(
    roots: tuple[SigningKey, SigningKey], bend: dict[str, Any], error: type[Exception]
) -> None:
    end = orders.roster().issued + timedelta(days=bend["days"]) if "days" in bend else orders.roster().expires
    made = certify_node(
        bend.get("owner", "jfk"), bend.get("node", "node-jfk"), key(bend.get("key", "node-jfk")).public,
        seal(bend.get("sealing", "node-jfk")).public, orders.roster().issued, end, [key(bend.get("signers", "jfk"))],
    )  # fmt: skip
    sealing = seal("node-jfk").public.text
    entry = NodeEntry(id="node-jfk", key=key("node-jfk").public.text, sealing=sealing, certificate=made.certificate)
    with pytest.raises(error, match="node-jfk"):
        TrustedRoster(ROOT).update(orders.roster(owners=owner_with(entry)).sign(*roots))


def test_an_owner_threshold_holds_for_certificates(roots: tuple[SigningKey, SigningKey]) -> None:
    single = certify_node(
        "ewr", "node-ewr", key("node-ewr").public, seal("node-ewr").public, orders.roster().issued,
        orders.roster().expires, [key("ewr-1")],
    )  # fmt: skip
    first, second, third = orders.roster().owners
    owners = (first.model_copy(update={"nodes": (single,)}), second, third)
    with pytest.raises(BadSignature, match="1 valid"):
        TrustedRoster(ROOT).update(orders.roster(owners=owners).sign(*roots))


@pytest.mark.parametrize("twice", ["hub", "node-ewr", "jfk", "root-1", "acme"])
def test_no_key_has_two_roles(twice: str) -> None:
    with pytest.raises(ValueError, match="distinct"):
        orders.roster(witnesses=(WitnessEntry(name="witness-1", key=key(twice).public.text),))


@pytest.mark.parametrize("name", ["hub", "node-ewr", orders.ORIGIN])
def test_no_cosigner_name_has_two_roles(name: str) -> None:
    with pytest.raises(ValueError, match="distinct"):
        orders.roster(witnesses=(WitnessEntry(name=name, key=key("fresh").public.text),))


def test_thresholds_are_reachable() -> None:
    with pytest.raises(ValueError, match="threshold"):
        RootKeys(keys=(key("a").public.text,), threshold=2)
    with pytest.raises(ValueError, match="distinct"):
        RootKeys(keys=(key("a").public.text,) * 2, threshold=2)
    with pytest.raises(ValueError, match="threshold"):
        OwnerEntry(id="o", name="O", keys=(key("a").public.text,), threshold=2, nodes=())


def test_look_ups_name_who_is_unknown() -> None:
    roster = orders.roster()
    assert roster.owner_of("node-lga").id == "lga"
    for look_up in (roster.owner, roster.operator, roster.node, roster.owner_of, roster.node_key):
        with pytest.raises(UnknownSigner, match="nobody"):
            look_up("nobody")
