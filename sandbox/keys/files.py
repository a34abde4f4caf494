"""Ed25519 keys on disk: PKCS#8 PEM, mode 0600, refused if anyone else could read or swap them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from jobs.documents.ed25519 import KEY_BYTES, SigningKey
from mpc.party import RandomBytes
from sandbox.errors import UnsafeKeyFile

_MAX_PEM = 4096


def create_key(path: Path, random_bytes: RandomBytes) -> SigningKey:
    """Make a key, write it at mode 0600 and fsync; raises ``FileExistsError`` rather than replace one."""
    key = SigningKey.from_seed(random_bytes(KEY_BYTES))
    write_new(path, key.private().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return key


def write_new(path: Path, pem: bytes) -> None:
    """Write a secret at mode 0600 and fsync; raises ``FileExistsError`` rather than replace one."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    _sync_folder(path.parent)


def load_key(path: Path) -> SigningKey:
    """Read a key file; raises ``UnsafeKeyFile`` for wide permissions, a foreign owner, a link, or no Ed25519 key."""
    try:
        key = load_pem_private_key(read_private(path), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise UnsafeKeyFile(f"{path.name} is not an unencrypted PKCS#8 PEM private key") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise UnsafeKeyFile(f"{path.name} holds a key that is not Ed25519")
    return SigningKey(key)


def read_private(path: Path) -> bytes:
    """Read a small file that only its owner may read; raises ``UnsafeKeyFile``. Checks the open file, not its name."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise UnsafeKeyFile(f"cannot open {path.name}: {error.strerror}") from None
    try:
        _check_private(os.fstat(descriptor), path.name)
        data = os.read(descriptor, _MAX_PEM + 1)
    finally:
        os.close(descriptor)
    if len(data) > _MAX_PEM:
        raise UnsafeKeyFile(f"{path.name} is larger than any key file")
    return data


def _check_private(status: os.stat_result, name: str) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise UnsafeKeyFile(f"{name} is not a plain file")
    if status.st_uid != os.geteuid():
        raise UnsafeKeyFile(f"{name} belongs to another user")
    if status.st_mode & 0o077:
        raise UnsafeKeyFile(f"{name} has mode {stat.S_IMODE(status.st_mode):04o}: run chmod 600 on it")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
