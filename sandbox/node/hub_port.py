"""What a node needs of the hub, and nothing more. The node opens no port: every call goes out from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from jobs.documents import Envelope
from sandbox.hub_http import HubAway, HubRefused
from sandbox.log_link import LogPort

__all__ = ["HubAway", "HubPort", "HubRefused", "Item"]


@dataclass(frozen=True)
class Item:
    """One entry of the node's inbox. ``sequence`` grows; nothing in ``body`` is believed before it is verified."""

    sequence: int
    kind: str
    job: str
    body: dict[str, Any]


class HubPort(LogPort, Protocol):
    """All methods raise ``HubAway`` or ``HubRefused``."""

    def inbox(self, after: int, read: int, wait: float) -> list[Item]:
        """Items behind ``after``; the node will not need those up to ``read`` again."""
        ...

    def post(self, messages: Sequence[tuple[Envelope, bytes | None]]) -> None:
        """One post of one job: all are taken or none. A body that is None was uploaded before."""
        ...

    def scan(self, job: str, percent: int, seconds_left: int) -> None:
        """Tell how far this node's scan is; decides nothing."""
        ...

    def upload(self, body: str, offset: int, piece: bytes) -> None: ...

    def piece(self, job: str, key: tuple[str, int, str, str], number: int) -> bytes: ...
