"""Small secret files: written once at mode 0600, refused if anyone else could read or swap them."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from sandbox.errors import UnsafeKeyFile

_MAX_BYTES: Final = 4096


def write_new(path: Path, content: bytes) -> None:
    """Write a secret at mode 0600 and fsync; raises ``FileExistsError`` rather than replace one."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    _sync_folder(path.parent)


def replace_private(path: Path, content: bytes) -> None:
    """Put other content into a secret's place, whole or not at all."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    write_new(fresh, content)
    fresh.replace(path)
    _sync_folder(path.parent)


def read_private(path: Path) -> bytes:
    """Read a small file that only its owner may read; raises ``UnsafeKeyFile``. Checks the open file, not its name."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise UnsafeKeyFile(f"cannot open {path.name}: {error.strerror}") from None
    try:
        _check_private(os.fstat(descriptor), path.name)
        data = os.read(descriptor, _MAX_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(data) > _MAX_BYTES:
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
