"""The one thing a witness remembers: the largest checkpoint it has vouched for, durable before it vouches."""

from __future__ import annotations

import os
from pathlib import Path

from jobs.documents import canonical, parse_json
from sandbox.audit import SeenLog


class SeenFile:
    """A small file, replaced atomically and synced. One witness process per file."""

    def __init__(self, path: Path, origin: str) -> None:
        self._path, self._origin = path, origin

    def load(self) -> SeenLog:
        if not self._path.exists():
            return SeenLog.nothing(self._origin)
        value = parse_json(self._path.read_bytes())
        return SeenLog(value["origin"], value["size"], bytes.fromhex(value["root"]))

    def store(self, seen: SeenLog) -> None:
        """Return only when the bytes and the name are on the disk."""
        fresh = self._path.with_suffix(".new")
        with fresh.open("wb") as file:
            file.write(canonical({"origin": seen.origin, "size": seen.size, "root": seen.root.hex()}))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
