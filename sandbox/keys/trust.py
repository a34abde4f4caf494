"""What a node, client or verifier believes before it has heard anything: ``trust.json``, handed over out of band."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from jobs.documents.base import Id, Part, Version, faults
from jobs.documents.canonical import canonical, parse_json
from jobs.documents.roster import RootKeys
from jobs.documents.trusted import TrustedRoster
from jobs.errors import BadDocument
from sandbox.errors import UnsafeKeyFile

_MAX_BYTES = 64 * 1024


class Trust(Part):
    """Pinned root keys, the log's origin, and how many independent witnesses a checkpoint needs."""

    type: Literal["application/vnd.unseen.trust+json;v=1"] = "application/vnd.unseen.trust+json;v=1"
    root: RootKeys
    origin: Id
    witnesses_needed: Annotated[int, Field(ge=1, le=64)] = 1
    oldest_roster: Version = 1
    """Rosters below this version are refused: raise it after a root or owner key was compromised."""

    @classmethod
    def parse(cls, data: bytes) -> Trust:
        """Read trust.json in any JSON spelling (people edit it); raises ``BadDocument``."""
        if len(data) > _MAX_BYTES:
            raise BadDocument("a trust file is smaller than 64 KiB")
        value = parse_json(data)
        try:
            return cls.model_validate_json(canonical(value))
        except ValidationError as error:
            raise BadDocument(f"not a valid trust file: {faults(error)}") from None

    @classmethod
    def load(cls, path: Path) -> Trust:
        """Read the file; raises ``UnsafeKeyFile`` if others may write it: who writes it decides what is believed."""
        try:
            with path.open("rb") as file:
                status = os.fstat(file.fileno())
                data = file.read(_MAX_BYTES + 1)
        except OSError as error:
            raise UnsafeKeyFile(f"cannot read {path.name}: {error.strerror}") from None
        # A group of one's own (umask 002) is nobody else; any other group, or the world, is.
        if status.st_mode & 0o002 or (status.st_mode & 0o020 and status.st_gid != os.getegid()):
            raise UnsafeKeyFile(f"{path.name} can be written by others: run chmod go-w on it")
        if status.st_uid not in (0, os.geteuid()):
            raise UnsafeKeyFile(f"{path.name} belongs to another user, who could change it")
        return cls.parse(data)

    def encode(self) -> bytes:
        return canonical(self.model_dump(mode="json")) + b"\n"

    def rosters(self) -> TrustedRoster:
        """An empty chain of rosters that starts from the pinned root."""
        return TrustedRoster(self.root)
