"""The X25519 key that a node's messages are sealed to: PKCS#8 PEM, mode 0600, locked like the signing keys."""

from __future__ import annotations

from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from jobs.documents.x25519 import KEY_BYTES, SealingKey
from mpc.party import RandomBytes
from sandbox.errors import UnsafeKeyFile
from sandbox.keys.files import read_secret, write_secret


def create_sealing_key(path: Path, random_bytes: RandomBytes, passphrase: bytes | None = None) -> SealingKey:
    """Make a key and write it; raises ``FileExistsError`` rather than replace one."""
    key = SealingKey.from_seed(random_bytes(KEY_BYTES))
    write_secret(path, key.private().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), passphrase)
    return key


def load_sealing_key(path: Path) -> SealingKey:
    """Read a key file; raises ``UnsafeKeyFile`` for wide permissions, a foreign owner, a link, or no X25519 key."""
    try:
        key = load_pem_private_key(read_secret(path), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise UnsafeKeyFile(f"{path.name} is not a PKCS#8 PEM private key, plain or locked by this program") from None
    if not isinstance(key, X25519PrivateKey):
        raise UnsafeKeyFile(f"{path.name} holds a key that is not X25519")
    return SealingKey(key)
