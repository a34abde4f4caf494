"""Secrets under a passphrase: what a copied file gives away, what opens it, what does not."""

from __future__ import annotations

import secrets
import stat
from pathlib import Path

import pytest

from sandbox.errors import UnsafeKeyFile
from sandbox.keys import create_key, create_sealing_key, load_key, load_sealing_key
from sandbox.keys.files import create_secret, load_secret, relock
from sandbox.keys.passphrase import MAGIC, PASSPHRASE_FILE, given_passphrase, lock, unlock

PASSPHRASE = b"correct horse battery"
SEED = bytes(range(32))
CHEAP = 14


@pytest.fixture
def passphrase_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "passphrase"
    path.touch(0o600)
    path.write_bytes(PASSPHRASE + b"\n")
    monkeypatch.setenv(PASSPHRASE_FILE, str(path))
    return path


def test_a_locked_key_file_gives_nothing_away_and_loads_with_its_passphrase(
    tmp_path: Path, passphrase_file: Path
) -> None:
    makers = {"sign": create_key, "seal": create_sealing_key, "record": create_secret}
    for name, create in makers.items():
        create(tmp_path / name, lambda _: SEED, PASSPHRASE)
        create(tmp_path / f"{name}-plain", lambda _: SEED)
    for name in makers:
        data = (tmp_path / name).read_bytes()
        plain = (tmp_path / f"{name}-plain").read_bytes()
        assert data.startswith(MAGIC)
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
        assert SEED not in data
        assert b"PRIVATE" not in data
        assert SEED in plain or b"PRIVATE KEY" in plain  # the control: without a passphrase it is there to be read
    assert load_key(tmp_path / "sign").public == load_key(tmp_path / "sign-plain").public
    assert load_sealing_key(tmp_path / "seal").public == load_sealing_key(tmp_path / "seal-plain").public
    assert load_secret(tmp_path / "record") == load_secret(tmp_path / "record-plain") == SEED


def test_the_wrong_passphrase_no_passphrase_and_an_unsafe_passphrase_file_open_nothing(
    tmp_path: Path, passphrase_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_key(tmp_path / "key", secrets.token_bytes, PASSPHRASE)
    load_key(tmp_path / "key")
    passphrase_file.write_bytes(PASSPHRASE + b"!")
    with pytest.raises(UnsafeKeyFile, match="does not open key"):
        load_key(tmp_path / "key")
    passphrase_file.chmod(0o644)
    with pytest.raises(UnsafeKeyFile, match="chmod 600"):
        load_key(tmp_path / "key")
    monkeypatch.delenv(PASSPHRASE_FILE)
    monkeypatch.setattr("sys.stdin", (tmp_path / "key").open())  # no terminal
    with pytest.raises(UnsafeKeyFile, match=PASSPHRASE_FILE):
        load_key(tmp_path / "key")
    assert given_passphrase() is None


def test_a_changed_byte_anywhere_is_refused() -> None:
    data = lock(SEED, PASSPHRASE, cost=CHEAP)
    assert unlock(data, PASSPHRASE, "key") == SEED
    for place in range(0, len(data), 4):
        changed = bytearray(data)
        changed[place] ^= 1
        with pytest.raises(UnsafeKeyFile) as refused:
            unlock(bytes(changed), PASSPHRASE, "key")
        assert SEED.hex() not in str(refused.value)
    for size in (0, 10, len(MAGIC), len(data) - 1):
        with pytest.raises(UnsafeKeyFile):
            unlock(data[:size], PASSPHRASE, "key")


def test_a_file_cannot_ask_for_absurd_memory() -> None:
    data = bytearray(lock(SEED, PASSPHRASE, cost=CHEAP))
    data[len(MAGIC)] = 40
    with pytest.raises(UnsafeKeyFile, match="of this version"):
        unlock(bytes(data), PASSPHRASE, "key")


def test_the_same_secret_is_never_locked_twice_alike_and_short_passphrases_are_refused() -> None:
    assert lock(SEED, PASSPHRASE, cost=CHEAP) != lock(SEED, PASSPHRASE, cost=CHEAP)
    with pytest.raises(UnsafeKeyFile, match="at least 12"):
        lock(SEED, b"too short", cost=CHEAP)


def test_a_file_is_locked_later_and_relocked(tmp_path: Path, passphrase_file: Path) -> None:
    public = create_key(tmp_path / "key", secrets.token_bytes).public
    relock(tmp_path / "key", PASSPHRASE)
    assert load_key(tmp_path / "key").public == public
    relock(tmp_path / "key", b"another passphrase")
    with pytest.raises(UnsafeKeyFile, match="does not open"):
        load_key(tmp_path / "key")
    passphrase_file.write_bytes(b"another passphrase")
    assert load_key(tmp_path / "key").public == public
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
