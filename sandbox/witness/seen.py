"""What a witness remembers, durable before it vouches: the largest checkpoint, the rosters it accepted, evidence.

Three small files side by side, each replaced atomically and synced. One witness process per folder. A file that is
there and does not hold what it should stops the witness: a forgotten checkpoint is how a second history begins.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from jobs.documents import Envelope, TrustedRoster, canonical, parse_json
from jobs.errors import JobError
from sandbox.audit import SeenLog
from sandbox.errors import IntegrityFailure, LogFailure
from sandbox.keys import Trust


class SeenFile:
    """``path`` names the checkpoint's file; ``rosters.json`` and ``evidence.json`` lie beside it."""

    def __init__(self, path: Path, origin: str) -> None:
        self._path, self._origin = path, origin
        self._rosters, self._evidence = path.with_name("rosters.json"), path.with_name("evidence.json")

    def load(self) -> SeenLog:
        """The largest checkpoint vouched for; raises ``IntegrityFailure`` if the file does not say."""
        value = _read(self._path)
        if value is None:
            return SeenLog.nothing(self._origin)
        try:
            origin, size, root = value["origin"], value["size"], bytes.fromhex(value["root"])
        except (KeyError, TypeError, ValueError):
            raise _broken(self._path) from None
        if origin != self._origin or type(size) is not int or size < 0 or len(root) != 32:
            raise _broken(self._path)
        return SeenLog(origin, size, root)

    def store(self, seen: SeenLog) -> None:
        """Return only when the bytes and the name are on the disk."""
        _replace(self._path, {"origin": seen.origin, "size": seen.size, "root": seen.root.hex()})

    def rosters(self, trust: Trust) -> TrustedRoster:
        """The accepted rosters, verified again from the pinned root on; raises ``IntegrityFailure``."""
        trusted, chain = trust.rosters(), _read(self._rosters)
        if chain is None:
            return trusted
        try:
            for value in chain:
                trusted.update(Envelope.from_json(value))
        except (JobError, TypeError):
            raise _broken(self._rosters) from None
        return trusted

    def add_roster(self, envelope: Envelope) -> None:
        """Keep an accepted roster behind the others: none older is believed from now on."""
        chain = _read(self._rosters) or []
        if not chain or Envelope.from_json(chain[-1]).digest != envelope.digest:
            _replace(self._rosters, [*chain, envelope.to_json()])

    def check_no_evidence(self) -> None:
        """Raise the ``LogFailure`` that stopped this witness once."""
        value = _read(self._evidence)
        if value is None:
            return
        try:
            raise LogFailure(str(value["text"]), tuple(map(str, value["evidence"])))
        except (KeyError, TypeError):
            raise _broken(self._evidence) from None

    def keep_evidence(self, failure: LogFailure) -> None:
        """Store the first evidence against the log; later evidence does not replace it."""
        if not self._evidence.exists():
            _replace(self._evidence, {"text": str(failure), "evidence": list(failure.evidence)})


def _read(path: Path) -> Any:
    try:
        value = parse_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (JobError, OSError):
        raise _broken(path) from None
    if value is None:
        raise _broken(path)
    return value


def _broken(path: Path) -> IntegrityFailure:
    return IntegrityFailure(
        f"{path.name} does not hold what this witness stored: it vouches for nothing until a person has looked"
    )


def _replace(path: Path, value: Any) -> None:
    fresh = path.with_suffix(".new")
    with fresh.open("wb") as file:
        file.write(canonical(value))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
