"""The trusted roster: pinned root, no way back, rotation by old and new keys, certified nodes."""

from datetime import timedelta

import pytest

from jobs.documents import NodeEntry, OwnerEntry, RootKeys, TrustedRoster, WitnessEntry
from jobs.errors import BadDocument, BadSignature, Expired, RosterRollback, UnknownSigner


@pytest.fixture
def roots(worlds):
    return worlds.key("root-1"), worlds.key("root-2")


def test_accepted_and_current_in_its_period_only(worlds, roots):
    trusted = TrustedRoster(worlds.ROOT)
    with pytest.raises(BadDocument, match="no roster"):
        trusted.current(worlds.NOW)
    accepted = trusted.update(worlds.roster().sign(*roots).encode())
    assert trusted.current(worlds.NOW) == accepted
    with pytest.raises(Expired, match="has expired"):
        trusted.current(accepted.document.expires)
    with pytest.raises(Expired, match="clock"):
        trusted.current(accepted.document.issued - timedelta(minutes=6))
    assert trusted.current(accepted.document.issued - timedelta(minutes=4)) == accepted


def test_the_root_threshold_counts(worlds, roots):
    trusted = TrustedRoster(worlds.ROOT)
    for keys in (roots[:1], (), (worlds.key("hub"), roots[0]), (worlds.key("stranger"), worlds.key("stranger-2"))):
        with pytest.raises(BadSignature):
            trusted.update(worlds.roster().sign(*keys))
    with pytest.raises(BadDocument):
        assert trusted.last


def test_never_back_and_never_two_of_one_version(worlds, roots):
    trusted = TrustedRoster(worlds.ROOT)
    trusted.update(worlds.roster(version=3).sign(*roots))
    trusted.update(worlds.roster(version=3).sign(*roots))  # the same again is no change
    with pytest.raises(RosterRollback, match="older"):
        trusted.update(worlds.roster(version=2).sign(*roots))
    other = worlds.roster(version=3, witnesses=(WitnessEntry(name="w-9", key=worlds.key("w-9").public.text),))
    with pytest.raises(RosterRollback, match="two different"):
        trusted.update(other.sign(*roots))
    assert trusted.last.document.version == 3
    assert trusted.update(worlds.roster(version=7).sign(*roots)).document.version == 7


def test_rotation_needs_the_old_and_the_new_root(worlds, roots):
    new = worlds.key("root-new")
    root = RootKeys(keys=(new.public.text,), threshold=1)
    rotated = worlds.roster(version=2, root=root)
    for keys in (roots, (new,), (roots[0], new)):
        trusted = TrustedRoster.of(worlds.ROOT, [worlds.roster().sign(*roots).encode()])
        with pytest.raises(BadSignature):
            trusted.update(rotated.sign(*keys))
    trusted = TrustedRoster.of(worlds.ROOT, [worlds.roster().sign(*roots), rotated.sign(*roots, new)])
    with pytest.raises(BadSignature):  # the old root alone has no say any more
        trusted.update(worlds.roster(version=3).sign(*roots))
    assert trusted.update(worlds.roster(version=3, root=root).sign(new)).document.version == 3


def test_who_pinned_the_old_root_follows_the_chain_and_nobody_else_can_join_it(worlds, roots):
    new = worlds.key("root-new")
    root = RootKeys(keys=(new.public.text,), threshold=1)
    latest = worlds.roster(version=3, root=root).sign(new)
    with pytest.raises(BadSignature):
        TrustedRoster.of(worlds.ROOT, [latest])
    middle = worlds.roster(version=2, root=root).sign(*roots, new)
    assert TrustedRoster.of(worlds.ROOT, [middle, latest]).last.document.version == 3


def owner_with(worlds, entry):
    owner = worlds.roster().owners[1]
    changed = owner.model_copy(update={"nodes": (entry,)})
    return (worlds.roster().owners[0], changed, worlds.roster().owners[2])


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
def test_a_node_key_is_certified_by_its_own_owner(worlds, roots, bend, error):
    end = worlds.roster().issued + timedelta(days=bend["days"]) if "days" in bend else worlds.roster().expires
    made = worlds.certify_node(
        bend.get("owner", "jfk"), bend.get("node", "node-jfk"), worlds.key(bend.get("key", "node-jfk")).public,
        worlds.seal(bend.get("sealing", "node-jfk")).public, worlds.roster().issued, end, [worlds.key(bend.get("signers", "jfk-1"))],
    )  # fmt: skip
    sealing = worlds.seal("node-jfk").public.text
    entry = NodeEntry(
        id="node-jfk", key=worlds.key("node-jfk").public.text, sealing=sealing, certificate=made.certificate
    )
    with pytest.raises(error, match="node-jfk"):
        TrustedRoster(worlds.ROOT).update(worlds.roster(owners=owner_with(worlds, entry)).sign(*roots))


def test_an_owner_threshold_holds_for_certificates(worlds, roots):
    single = worlds.certify_node(
        "ewr", "node-ewr", worlds.key("node-ewr").public, worlds.seal("node-ewr").public, worlds.roster().issued,
        worlds.roster().expires, [worlds.key("ewr-1")],
    )  # fmt: skip
    first, second, third = worlds.roster().owners
    owners = (first.model_copy(update={"nodes": (single,)}), second, third)
    with pytest.raises(BadSignature, match="1 valid"):
        TrustedRoster(worlds.ROOT).update(worlds.roster(owners=owners).sign(*roots))


@pytest.mark.parametrize("twice", ["hub", "node-ewr", "jfk-1", "root-1", "operator"])
def test_no_key_has_two_roles(worlds, twice):
    with pytest.raises(ValueError, match="distinct"):
        worlds.roster(witnesses=(WitnessEntry(name="witness-1", key=worlds.key(twice).public.text),))


@pytest.mark.parametrize("name", ["hub", "node-ewr", "log.example/joint"])
def test_no_cosigner_name_has_two_roles(worlds, name):
    with pytest.raises(ValueError, match="distinct"):
        worlds.roster(witnesses=(WitnessEntry(name=name, key=worlds.key("fresh").public.text),))


def test_thresholds_are_reachable(worlds):
    with pytest.raises(ValueError, match="threshold"):
        RootKeys(keys=(worlds.key("a").public.text,), threshold=2)
    with pytest.raises(ValueError, match="distinct"):
        RootKeys(keys=(worlds.key("a").public.text,) * 2, threshold=2)
    with pytest.raises(ValueError, match="threshold"):
        OwnerEntry(id="o", name="O", keys=(worlds.key("a").public.text,), threshold=2, nodes=())


def test_look_ups_name_who_is_unknown(worlds):
    roster = worlds.roster()
    assert roster.owner_of("node-lga").id == "lga"
    for look_up in (roster.owner, roster.operator, roster.node, roster.owner_of, roster.node_key):
        with pytest.raises(UnknownSigner, match="nobody"):
            look_up("nobody")
