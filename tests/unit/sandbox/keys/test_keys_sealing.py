"""Files of sealing keys: private, never overwritten, and of the right kind. ``prepare`` makes both keys of a node."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from sandbox.errors import UnsafeKeyFile
from sandbox.keys import create_key, create_sealing_key, load_key, load_sealing_key
from sandbox.node.serve import NODE_KEY, SEALING_KEY, prepare


def test_a_key_reads_back_and_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "node-seal.key"
    made = create_sealing_key(path, secrets.token_bytes)
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_sealing_key(path).public == made.public
    with pytest.raises(FileExistsError):
        create_sealing_key(path, secrets.token_bytes)


def test_wide_permissions_and_other_kinds_are_refused(tmp_path: Path) -> None:
    create_key(tmp_path / "signing.key", secrets.token_bytes)
    with pytest.raises(UnsafeKeyFile, match="X25519"):
        load_sealing_key(tmp_path / "signing.key")
    create_sealing_key(tmp_path / "seal.key", secrets.token_bytes)
    with pytest.raises(UnsafeKeyFile, match="Ed25519"):
        load_key(tmp_path / "seal.key")
    (tmp_path / "seal.key").chmod(0o640)
    with pytest.raises(UnsafeKeyFile, match="chmod"):
        load_sealing_key(tmp_path / "seal.key")
    (tmp_path / "junk.key").write_bytes(b"junk")
    (tmp_path / "junk.key").chmod(0o600)
    with pytest.raises(UnsafeKeyFile, match="PEM"):
        load_sealing_key(tmp_path / "junk.key")


def test_prepare_makes_both_keys_once(tmp_path: Path) -> None:
    first = prepare(tmp_path / "state")
    assert prepare(tmp_path / "state") == first
    assert load_key(tmp_path / "state" / NODE_KEY).public == first.signing
    assert load_sealing_key(tmp_path / "state" / SEALING_KEY).public == first.sealing
    assert first.sealing.raw != first.signing.raw
