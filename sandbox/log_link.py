"""Following the hub's log in one call for each checkpoint, as nodes and witnesses do it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from sandbox.hub_http import HubAway, HubHttp, HubRefused, field

MOST_DIGESTS: Final = 256


@dataclass(frozen=True)
class Inclusion:
    """A log entry and the proof that it is in the tree of the news' checkpoint."""

    index: int
    entry: bytes
    proof: tuple[bytes, ...]


@dataclass(frozen=True)
class News:
    """The hub's newest checkpoint, how it extends the size asked from, and entries about own messages. Unverified."""

    note: bytes
    consistency: tuple[bytes, ...] = ()
    inclusions: tuple[Inclusion, ...] = ()


@dataclass(frozen=True)
class Cosignature:
    """A signature line for the checkpoint of this size."""

    size: int
    line: str


class LogPort(Protocol):
    """The log's side of the hub. All methods raise ``HubAway`` or ``HubRefused``."""

    def follow(
        self, size: int, again: bool, digests: Sequence[str], wait: float, cosignature: Cosignature | None
    ) -> News:
        """News as soon as the log is larger than ``size`` (or as large, with ``again``), or when ``wait`` is over.

        A note that is not larger is handed over too: only its signature says whether the log stood still or went back.
        """
        ...

    def rosters(self) -> list[Any]:
        """The chain of signed rosters, oldest first, as JSON."""
        ...


class Following:
    """One follower's conversation with the hub: a cosignature rides on the next call, and none is lost on the way."""

    def __init__(self) -> None:
        self._waiting: Cosignature | None = None
        self._again = True  # whether the last one reached the hub before this process began is not known

    def news(self, hub: LogPort, size: int, digests: Sequence[str], wait: float) -> News:
        """Deliver what waits and take the news since ``size``."""
        again = self._again and size > 0
        try:
            found = hub.follow(size, again, digests[:MOST_DIGESTS], wait, self._waiting)
        except HubRefused:
            self._waiting, self._again = None, True
            raise
        self._waiting = None
        return found

    def is_due(self, seen: int, now: int) -> bool:
        """Whether the verified checkpoint of size ``now`` is to be cosigned, after one of size ``seen``."""
        return now > seen or (self._again and now > 0)

    def cosign(self, cosignature: Cosignature) -> None:
        """Send it along with the next call. The state it vouches for must be stored by now."""
        self._waiting, self._again = cosignature, False


class LogLink:
    """``LogPort`` over HTTP. Thread-safe."""

    def __init__(self, url: str, token: str) -> None:
        self.http = HubHttp(url, token)

    def follow(
        self, size: int, again: bool, digests: Sequence[str], wait: float, cosignature: Cosignature | None
    ) -> News:
        body: dict[str, Any] = {"size": size, "again": again, "digests": list(digests)}
        if cosignature is not None:
            body["cosignature"] = {"size": cosignature.size, "line": cosignature.line}
        answer = self.http.json("POST", "/log/follow", params={"wait": wait}, body=body, wait=wait)
        return News(
            field(answer, "note", str).encode(),
            tuple(map(_bytes, field(answer, "consistency", list))),
            tuple(map(_inclusion, field(answer, "inclusions", list))),
        )

    def rosters(self) -> list[Any]:
        found: list[Any] = field(self.http.json("GET", "/rosters"), "rosters", list)
        return found

    def close(self) -> None:
        self.http.close()


def _inclusion(value: Any) -> Inclusion:
    proof = tuple(map(_bytes, field(value, "proof", list)))
    return Inclusion(field(value, "index", int), _bytes(field(value, "entry", str)), proof)


def _bytes(value: Any) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise HubAway("the hub's answer is not base64 where it should be") from None
