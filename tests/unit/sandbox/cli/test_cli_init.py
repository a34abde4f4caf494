"""The ``init`` commands: what they make, what they keep when they are run again, and what they refuse."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from jobs.documents import OwnerEntry
from sandbox.cli.main import app
from sandbox.errors import InvalidSpec
from sandbox.hub.core.config import HubConfig
from sandbox.keys.card import Card

RUNNER = CliRunner()


def unseen(*words: str | Path) -> str:
    done = RUNNER.invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture
def trust(tmp_path: Path) -> Path:
    unseen("authority", "init", tmp_path / "authority", "--origin", "hub.example/log")
    return tmp_path / "authority" / "trust.json"


def node_init(folder: Path, trust: Path) -> str:
    return unseen("node", "init", folder, "--owner", "north", "--hub", "https://hub.example", "--trust", trust)


def owner_of(file: Path) -> OwnerEntry:
    entry = Card.load(file).owner
    assert entry is not None
    return entry


def test_a_hub_without_a_certificate_is_for_this_machine_alone(tmp_path: Path, trust: Path) -> None:
    unseen("hub", "init", tmp_path / "hub", "--trust", trust)
    made = HubConfig.load(tmp_path / "hub" / "hub.yaml")
    assert (made.host, made.tls) == ("127.0.0.1", None)
    with pytest.raises(InvalidSpec, match="without TLS"):
        unseen("hub", "init", tmp_path / "other", "--trust", trust, "--host", "0.0.0.0")  # noqa: S104
    assert not (tmp_path / "other").exists()


def test_again_it_keeps_keys_and_what_a_person_wrote(tmp_path: Path, trust: Path) -> None:
    node_init(tmp_path / "north", trust)
    before, yaml = owner_of(tmp_path / "north" / "card.json"), tmp_path / "north" / "node.yaml"
    yaml.write_text(yaml.read_text() + "threads: 7\n")
    assert "stays as it is" in node_init(tmp_path / "north", trust)
    after = owner_of(tmp_path / "north" / "card.json")
    assert (after.keys, after.nodes[0].key) == (before.keys, before.nodes[0].key)
    assert yaml.read_text().endswith("threads: 7\n")


def test_a_key_that_was_removed_is_made_anew_and_no_other(tmp_path: Path, trust: Path) -> None:
    node_init(tmp_path / "north", trust)
    before = owner_of(tmp_path / "north" / "card.json")
    (tmp_path / "north" / "state" / "node.key").unlink()
    node_init(tmp_path / "north", trust)
    after = owner_of(tmp_path / "north" / "card.json")
    assert after.keys == before.keys
    assert after.nodes[0].key != before.nodes[0].key
    assert after.nodes[0].sealing == before.nodes[0].sealing


def test_secrets_are_private_and_so_is_the_folder(tmp_path: Path, trust: Path) -> None:
    node_init(tmp_path / "north", trust)
    secret = [*(tmp_path / "north").rglob("*.key"), tmp_path / "north", tmp_path / "north" / "state"]
    assert len(secret) == 6
    assert {stat.S_IMODE(file.stat().st_mode) & 0o077 for file in secret} == {0}


def test_a_hub_address_that_would_carry_the_token_in_the_clear_is_refused(tmp_path: Path, trust: Path) -> None:
    with pytest.raises(InvalidSpec, match="in the clear"):
        unseen("operator", "init", tmp_path / "acme", "--id", "acme", "--hub", "http://hub.example", "--trust", trust)


def test_an_owner_of_two_signers_whose_keys_lie_elsewhere(tmp_path: Path) -> None:
    first, second = tmp_path / "owner.key", tmp_path / "owner-2.key"
    for file in (first, second):
        unseen("authority", "key", file)
    signing, sealing = unseen("node", "keys", tmp_path / "state").split()
    names = ("--owner", "north", "--node", "node-north", "--public", signing, "--sealing", sealing)
    keys = ("--key", first, "--cosign-key", second, "--threshold", "2")
    unseen("node", "certify", *names, *keys, "--out", tmp_path / "card.json")
    made = owner_of(tmp_path / "card.json")
    assert (len(made.keys), made.threshold, made.nodes[0].key) == (2, 2, signing)
