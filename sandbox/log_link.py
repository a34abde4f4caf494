"""The log's side of the hub's API, as a node or witness calls it."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any

from sandbox.hub_http import HubAway, HubHttp, field


@dataclass(frozen=True)
class Inclusion:
    """A log entry and the proof that it is in the tree of the size asked for."""

    index: int
    entry: bytes
    proof: tuple[bytes, ...]


class LogLink:
    """Thread-safe. All methods raise ``HubAway`` or ``HubRefused``."""

    def __init__(self, url: str, token: str) -> None:
        self.http = HubHttp(url, token)

    def checkpoint(self, newer_than: int, wait: float) -> bytes | None:
        """The latest signed checkpoint note, ``None`` if there is none; the hub waits a while for a larger log.

        A note that is not larger is handed over too: only its signature says whether the log stood still or went back.
        """
        params = {"newer_than": newer_than, "wait": wait}
        answer = self.http.json("GET", "/log/checkpoint", params=params, wait=wait)
        if not isinstance(answer, dict) or not isinstance(answer.get("note"), str):
            return None
        return str(answer["note"]).encode()

    def consistency(self, first: int, second: int) -> tuple[bytes, ...]:
        answer = self.http.json("GET", "/log/consistency", params={"first": first, "second": second})
        return tuple(_bytes(item) for item in field(answer, "proof", list))

    def inclusion(self, digest: str, size: int) -> Inclusion:
        answer = self.http.json("GET", "/log/inclusion", params={"digest": digest, "size": size})
        proof = tuple(_bytes(item) for item in field(answer, "proof", list))
        return Inclusion(field(answer, "index", int), _bytes(field(answer, "entry", str)), proof)

    def cosign(self, size: int, line: str) -> None:
        self.http.json("POST", "/log/cosignatures", body={"size": size, "line": line})

    def rosters(self) -> list[Any]:
        """The chain of signed rosters, oldest first, as JSON."""
        found: list[Any] = field(self.http.json("GET", "/rosters"), "rosters", list)
        return found

    def close(self) -> None:
        self.http.close()


def claimed_size(note: bytes) -> int:
    """The size line of a checkpoint note, only to ask for a proof; the cosigner parses and verifies the note itself."""
    lines = note.split(b"\n", 2)
    return int(lines[1]) if len(lines) > 2 and lines[1].isdigit() and len(lines[1]) < 20 else 0


def _bytes(value: Any) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise HubAway("the hub's answer is not base64 where it should be") from None
