"""Key and trust files: made at 0600, refused if anyone else could read, swap or write them."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from jobs.documents import RootKeys, SigningKey
from jobs.errors import BadDocument
from sandbox.errors import UnsafeKeyFile
from sandbox.keys import Trust, create_key, load_key


def test_created_key_is_private_and_loads_to_the_same(tmp_path: Path) -> None:
    path = tmp_path / "owner.key"
    key = create_key(path, secrets.token_bytes)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_key(path).public == key.public
    assert path.read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----")


def test_randomness_is_the_argument_alone(tmp_path: Path) -> None:
    key = create_key(tmp_path / "a", lambda size: b"\x07" * size)
    assert key.public == SigningKey.from_seed(b"\x07" * 32).public


def test_an_existing_key_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "owner.key"
    key = create_key(path, secrets.token_bytes)
    with pytest.raises(FileExistsError):
        create_key(path, secrets.token_bytes)
    assert load_key(path).public == key.public


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601, 0o777])
def test_wider_permissions_are_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "owner.key"
    create_key(path, secrets.token_bytes)
    path.chmod(mode)
    with pytest.raises(UnsafeKeyFile, match="chmod 600"):
        load_key(path)


def test_links_folders_pipes_and_missing_files_are_refused(tmp_path: Path) -> None:
    real = tmp_path / "real"
    create_key(real, secrets.token_bytes)
    link, pipe = tmp_path / "link", tmp_path / "pipe"
    link.symlink_to(real)
    os.mkfifo(pipe, 0o600)
    for path in (link, pipe, tmp_path, tmp_path / "nothing"):
        with pytest.raises(UnsafeKeyFile):
            load_key(path)


def other_curve(encryption: Any) -> bytes:
    return generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


@pytest.mark.parametrize(
    "content",
    [b"", b"not a key", b"x" * 5000, other_curve(NoEncryption()), other_curve(BestAvailableEncryption(b"pass"))],
    ids=["empty", "text", "large", "another curve", "encrypted"],
)
def test_other_content_is_refused_without_showing_it(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "owner.key"
    path.touch(0o600)
    path.write_bytes(content)
    with pytest.raises(UnsafeKeyFile) as refused:
        load_key(path)
    assert "not a key" not in str(refused.value)
    assert refused.value.__cause__ is None


def trust() -> Trust:
    return Trust(
        root=RootKeys(keys=(SigningKey.from_seed(b"\x01" * 32).public.text,), threshold=1), origin="log.example"
    )


def test_trust_reads_what_it_writes_and_any_spelling(tmp_path: Path) -> None:
    path = tmp_path / "trust.json"
    path.write_bytes(trust().encode().replace(b",", b" ,\n  "))
    path.chmod(0o644)
    assert Trust.load(path) == trust()


def test_a_trust_file_that_others_can_write_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "trust.json"
    path.write_bytes(trust().encode())
    with pytest.raises(UnsafeKeyFile, match="cannot read"):
        Trust.load(tmp_path / "missing.json")
    path.chmod(0o646)
    with pytest.raises(UnsafeKeyFile, match="go-w"):
        Trust.load(path)
    path.chmod(0o664)  # a checkout under umask 002: the group is the user's own
    assert Trust.load(path) == trust()
    if os.geteuid() == 0:
        os.chown(path, 0, 12345)
        path.chmod(0o664)
        with pytest.raises(UnsafeKeyFile, match="go-w"):
            Trust.load(path)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"[]", b"{}", b"x" * 70_000, trust().encode().replace(b'"origin"', b'"Origin"'),
        trust().encode().replace(b"ed25519:", b"rsa:"), trust().encode().replace(b'"threshold":1', b'"threshold":0'),
        trust().encode().replace(b'"witnesses_needed":1', b'"witnesses_needed":0'),
    ],
)  # fmt: skip
def test_malformed_trust_is_refused(data: bytes) -> None:
    with pytest.raises(BadDocument):
        Trust.parse(data)
