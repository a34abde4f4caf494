"""Somebody copies the disk of the authority, a node or the hub. With a passphrase the copy signs nothing."""

from __future__ import annotations

from pathlib import Path

from sandbox.keys.passphrase import MAGIC
from tests.support.cli import Person


def secrets_in(folder: Path) -> dict[str, bool]:
    """Every private file below, and whether it is locked."""
    found = {}
    for path in sorted(folder.rglob("*.key")):
        data = path.read_bytes()
        locked = data.startswith(MAGIC)
        assert locked or b"PRIVATE KEY" in data or len(data) == 32
        found[path.name] = locked
    return found


def test_keys_are_locked_when_a_passphrase_is_given_and_a_copy_is_of_no_use(tmp_path: Path) -> None:
    passphrase = tmp_path / "passphrase"
    passphrase.touch(0o600)
    passphrase.write_text("correct horse battery\n")
    careful, thief = Person({"UNSEEN_PASSPHRASE_FILE": str(passphrase)}), Person()

    made = careful("authority", "init", tmp_path / "authority", "--origin", "log.example")
    first = careful("node", "keys", tmp_path / "node").out
    (tmp_path / "hub.yaml").write_text("state: hub\ntrust: authority/trust.json\n")
    careful("hub", "key", "--config", tmp_path / "hub.yaml")
    assert set(secrets_in(tmp_path).values()) == {True}
    assert len(secrets_in(tmp_path)) == 6
    assert "warning" not in made.err

    assert careful("node", "keys", tmp_path / "node").out == first  # the control: who knows it goes on as before
    refused = thief("node", "keys", tmp_path / "node", code=1)
    assert "unsafe-key-file" in refused.err
    assert "UNSEEN_PASSPHRASE_FILE" in refused.err


def test_without_a_passphrase_it_works_and_says_loudly_what_that_means(tmp_path: Path) -> None:
    made = Person()("node", "keys", tmp_path / "node")
    assert set(secrets_in(tmp_path).values()) == {False}
    assert "not encrypted" in made.err
    assert "not encrypted" not in Person()("node", "keys", tmp_path / "node").err  # nothing was made
