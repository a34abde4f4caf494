"""What a node needs of the hub, and nothing more. The node opens no port: every call goes out from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from jobs.documents import Envelope
from sandbox.hub_http import HubAway, HubRefused
from sandbox.log_link import Inclusion

__all__ = ["HubAway", "HubPort", "HubRefused", "Inclusion", "Item"]


@dataclass(frozen=True)
class Item:
    """One entry of the node's inbox. ``sequence`` grows; nothing in ``body`` is believed before it is verified."""

    sequence: int
    kind: str
    job: str
    body: dict[str, Any]


class HubPort(Protocol):
    """All methods raise ``HubAway`` or ``HubRefused``."""

    def inbox(self, after: int, wait: float) -> list[Item]: ...

    def post(self, messages: Sequence[Envelope]) -> None: ...

    def rosters(self) -> list[Any]: ...

    def checkpoint(self, newer_than: int, wait: float) -> bytes | None: ...

    def consistency(self, first: int, second: int) -> tuple[bytes, ...]: ...

    def inclusion(self, digest: str, size: int) -> Inclusion: ...

    def cosign(self, size: int, line: str) -> None: ...
