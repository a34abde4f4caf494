"""Secrets at rest under a passphrase: scrypt makes a key of it, ChaCha20-Poly1305 locks the file's content.

A locked file is ``MAGIC``, log2 of scrypt's N (one byte), salt (16), nonce (12), ciphertext with tag; all before the
ciphertext is authenticated with it. Signing keys, sealing keys and record keys are locked alike. A file that was copied
costs who guesses 128 MiB and a third of a second a guess (RFC 7914; N = 2^17, r = 8, p = 1).
"""

from __future__ import annotations

import getpass
import os
import sys
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from mpc.party import RandomBytes
from sandbox.errors import UnsafeKeyFile
from sandbox.keys.private import read_private

PASSPHRASE_FILE: Final = "UNSEEN_PASSPHRASE_FILE"  # noqa: S105 - the name of a variable
"""Environment variable: a file of mode 0600 with the passphrase, for services and scripts."""
MAGIC: Final = b"unseen locked secret v1\n"
LEAST: Final = 12
"""Characters of a passphrase."""
_SALT, _NONCE, _TAG = 16, 12, 16
_COST: Final = 17
_COSTS: Final = range(14, 21)


def lock(content: bytes, passphrase: bytes, random_bytes: RandomBytes = os.urandom, cost: int = _COST) -> bytes:
    """The bytes of a locked file; raises ``UnsafeKeyFile`` for a short passphrase."""
    if len(passphrase.decode(errors="replace")) < LEAST:
        raise UnsafeKeyFile(f"a passphrase has at least {LEAST} characters")
    head = MAGIC + bytes([cost]) + random_bytes(_SALT) + random_bytes(_NONCE)
    return head + _cipher(head, passphrase).encrypt(head[-_NONCE:], content, head)


def unlock(data: bytes, passphrase: bytes, name: str) -> bytes:
    """The content of a locked file; raises ``UnsafeKeyFile`` for another passphrase or a changed file."""
    size = len(MAGIC) + 1 + _SALT + _NONCE
    head, sealed = data[:size], data[size:]
    if not is_locked(data) or len(sealed) < _TAG or head[len(MAGIC)] not in _COSTS:
        raise UnsafeKeyFile(f"{name} is not a locked secret of this version")
    try:
        return _cipher(head, passphrase).decrypt(head[-_NONCE:], sealed, head)
    except InvalidTag:
        raise UnsafeKeyFile(f"this passphrase does not open {name}, or the file was changed") from None


def is_locked(data: bytes) -> bool:
    return data.startswith(MAGIC)


def given_passphrase() -> bytes | None:
    """What ``UNSEEN_PASSPHRASE_FILE`` holds, ``None`` if it is not set; raises ``UnsafeKeyFile`` for an unsafe file."""
    path = os.environ.get(PASSPHRASE_FILE)
    return read_private(Path(path)).rstrip(b"\r\n") if path else None


def passphrase_for(name: str) -> bytes:
    """The passphrase that opens ``name``: from the environment's file, else asked for at the terminal.

    Raises ``UnsafeKeyFile`` where neither is possible.
    """
    found = given_passphrase()
    if found is not None:
        return found
    if not sys.stdin.isatty():
        raise UnsafeKeyFile(f"{name} is locked: name a file with its passphrase in {PASSPHRASE_FILE}")
    return getpass.getpass(f"Passphrase of {name}: ").encode()


def _cipher(head: bytes, passphrase: bytes) -> ChaCha20Poly1305:
    salt, cost = head[len(MAGIC) + 1 : -_NONCE], head[len(MAGIC)]
    return ChaCha20Poly1305(Scrypt(salt=salt, length=32, n=1 << cost, r=8, p=1).derive(passphrase))
