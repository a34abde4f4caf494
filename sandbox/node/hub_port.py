"""What a node needs of the hub, and nothing more. The node opens no port: every call goes out from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from jobs.documents import Envelope


@dataclass(frozen=True)
class Item:
    """One entry of the node's inbox. ``sequence`` grows; nothing in ``body`` is believed before it is verified."""

    sequence: int
    kind: str
    job: str
    body: dict[str, Any]


@dataclass(frozen=True)
class Inclusion:
    """A log entry and the proof that it is in the tree of the size asked for."""

    index: int
    entry: bytes
    proof: tuple[bytes, ...]


class HubRefused(Exception):
    """The hub answered with a typed refusal; sending the same again is pointless. ``code`` is its error code."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class HubAway(Exception):
    """The hub could not be reached, or asks to try again later."""


class HubPort(Protocol):
    """All methods raise ``HubAway`` or ``HubRefused``."""

    def inbox(self, after: int, wait: float) -> list[Item]: ...

    def post(self, messages: Sequence[Envelope]) -> None: ...

    def roster(self) -> Envelope: ...

    def checkpoint(self, newer_than: int, wait: float) -> bytes | None:
        """The latest signed checkpoint note, or ``None`` if the log has not grown."""
        ...

    def consistency(self, first: int, second: int) -> tuple[bytes, ...]: ...

    def inclusion(self, digest: str, size: int) -> Inclusion: ...

    def cosign(self, size: int, line: str) -> None: ...
