"""The roster that an authority makes of cards: who comes in, who stays, who goes, and what no roster can hold."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from jobs.documents import HubEntry, OperatorEntry, OwnerEntry, RootKeys, Roster, TrustedRoster, WitnessEntry
from sandbox.client.authority import build_roster
from sandbox.errors import InvalidSpec
from sandbox.keys import Trust, certify_node
from sandbox.keys.card import Card
from tests.support.orders import NOW
from tests.support.signed import key, seal

LIFE = timedelta(days=365)
TRUST = Trust(root=RootKeys(keys=(key("root").public.text,), threshold=1), origin="hub.example/log")
HUB = Card(hub=HubEntry(id="hub", key=key("hub").public.text))
WITNESS = Card(witness=WitnessEntry(name="witness", key=key("witness").public.text))


def owner(name: str, signer: str = "") -> Card:
    own = key(signer or name)
    node = key(f"node-{name}").public, seal(f"node-{name}").public
    entry = certify_node(name, f"node-{name}", *node, NOW - timedelta(hours=1), NOW + 2 * LIFE, [own])
    return Card(owner=OwnerEntry(id=name, name=name, keys=(own.public.text,), threshold=1, nodes=(entry,)))


def operator(signer: str = "acme") -> Card:
    return Card(operator=OperatorEntry(id="acme", name="Acme", keys=(key(signer).public.text,)))


def made(*cards: Card, previous: Roster | None = None, left_out: tuple[str, ...] = ()) -> Roster:
    return build_roster(cards, TRUST, key("status").public.text, NOW, LIFE, previous, left_out)


def first() -> Roster:
    return made(HUB, WITNESS, owner("north"), operator())


def test_cards_of_all_parties_make_a_roster_that_the_pinned_root_can_sign() -> None:
    roster = first()
    trusted = TrustedRoster(TRUST.root).update(roster.sign(key("root")))
    assert trusted.document == roster
    assert (roster.version, roster.origin, roster.issued) == (1, TRUST.origin, NOW - timedelta(minutes=1))


def test_the_next_one_keeps_who_was_there_and_replaces_who_shows_a_new_card() -> None:
    roster = made(owner("south"), operator("acme-2"), previous=first())
    assert roster.version == 2
    assert [entry.id for entry in roster.owners] == ["north", "south"]
    assert [entry.keys for entry in roster.operators] == [(key("acme-2").public.text,)]
    assert (roster.hub, roster.witnesses) == (first().hub, first().witnesses)


def test_who_is_left_out_goes_and_nobody_else_of_that_name() -> None:
    before = made(owner("south"), previous=first())
    assert [entry.id for entry in made(previous=before, left_out=("owner:south",)).owners] == ["north"]
    assert made(previous=before, left_out=("operator:south",)).owners == before.owners


@pytest.mark.parametrize(
    ("cards", "why"),
    [
        ((WITNESS, owner("north")), "the card of one hub; given are 0"),
        ((HUB, HUB, WITNESS, owner("north")), "given are 2"),
        ((HUB, owner("north")), "witnesses"),
        ((HUB, WITNESS), "owners"),
        ((HUB, WITNESS, owner("north"), owner("south", signer="north")), "keys of"),
    ],
)
def test_what_no_roster_can_hold_is_refused_by_name(cards: tuple[Card, ...], why: str) -> None:
    with pytest.raises(InvalidSpec, match=why):
        made(*cards)


def test_a_certificate_of_another_owner_s_key_is_refused_when_it_is_signed() -> None:
    forged = owner("north", signer="mallory")
    assert forged.owner is not None
    card = Card(owner=forged.owner.model_copy(update={"keys": (key("north").public.text,)}))
    with pytest.raises(Exception, match="certificate of node node-north"):
        TrustedRoster(TRUST.root).update(made(HUB, WITNESS, card).sign(key("root")))


@pytest.mark.parametrize("text", ["", "[]", '{"hub": 1}', "{}", '{"type": "application/vnd.unseen.trust+json;v=1"}'])
def test_a_file_that_is_no_card_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "north.json"
    file.write_text(text)
    with pytest.raises(InvalidSpec, match=r"north\.json is no card"):
        Card.load(file)
    file.write_bytes(WITNESS.encode())
    assert Card.load(file) == WITNESS
