"""Keys on disk: PKCS#8 PEM or raw bytes at mode 0600, locked with a passphrase if one is given."""

from __future__ import annotations

from pathlib import Path
from typing import Final

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
from sandbox.keys.passphrase import is_locked, lock, passphrase_for, unlock
from sandbox.keys.private import read_private, replace_private, write_new

SECRET_BYTES: Final = 32


def create_key(path: Path, random_bytes: RandomBytes, passphrase: bytes | None = None) -> SigningKey:
    """Make a signing key and write it; raises ``FileExistsError`` rather than replace one."""
    key = SigningKey.from_seed(random_bytes(KEY_BYTES))
    write_secret(path, key.private().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), passphrase)
    return key


def load_key(path: Path) -> SigningKey:
    """Read a key file; raises ``UnsafeKeyFile`` for wide permissions, a foreign owner, a link, a passphrase that does
    not open it, or no Ed25519 key."""
    try:
        key = load_pem_private_key(read_secret(path), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise UnsafeKeyFile(f"{path.name} is not a PKCS#8 PEM private key, plain or locked by this program") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise UnsafeKeyFile(f"{path.name} holds a key that is not Ed25519")
    return SigningKey(key)


def create_secret(path: Path, random_bytes: RandomBytes, passphrase: bytes | None = None) -> bytes:
    """Make a symmetric key of 32 bytes and write it; raises ``FileExistsError`` rather than replace one."""
    secret = random_bytes(SECRET_BYTES)
    write_secret(path, secret, passphrase)
    return secret


def load_secret(path: Path) -> bytes:
    """Read a symmetric key; raises ``UnsafeKeyFile`` as ``load_key`` does."""
    secret = read_secret(path)
    if len(secret) != SECRET_BYTES:
        raise UnsafeKeyFile(f"{path.name} does not hold a key of {SECRET_BYTES} bytes")
    return secret


def write_secret(path: Path, content: bytes, passphrase: bytes | None) -> None:
    """A new private file, locked if there is a passphrase."""
    write_new(path, content if passphrase is None else lock(content, passphrase))


def read_secret(path: Path) -> bytes:
    """A private file's content, unlocked with the passphrase at hand if it is locked; raises ``UnsafeKeyFile``."""
    data = read_private(path)
    return unlock(data, passphrase_for(path.name), path.name) if is_locked(data) else data


def relock(path: Path, passphrase: bytes) -> None:
    """Lock a private file, or lock it anew with another passphrase; raises ``UnsafeKeyFile``."""
    replace_private(path, lock(read_secret(path), passphrase))
