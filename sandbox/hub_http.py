"""HTTP from a node, witness or auditor to the hub: bounded answers, two kinds of failure, no belief in content."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any, Final

import httpx

from jobs.documents import parse_json
from jobs.errors import BadDocument

_MAX_BYTES: Final = 64 << 20
_TIMEOUT_S: Final = 10.0


class HubRefused(Exception):
    """The hub answered with a typed refusal; sending the same again is pointless. ``code`` is its error code."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class HubAway(Exception):
    """The hub could not be reached, or asks to try again later."""


@dataclass(frozen=True)
class Inclusion:
    """A log entry and the proof that it is in the tree of the size asked for."""

    index: int
    entry: bytes
    proof: tuple[bytes, ...]


class LogLink:
    """The log's side of the API. Thread-safe. All methods raise ``HubAway`` or ``HubRefused``."""

    def __init__(self, url: str, token: str) -> None:
        self._http = httpx.Client(
            base_url=url.rstrip("/") + "/v1", headers={"Authorization": f"Bearer {token}"}, timeout=_TIMEOUT_S
        )

    def checkpoint(self, newer_than: int, wait: float) -> bytes | None:
        """The latest signed checkpoint note, ``None`` if there is none; the hub waits a while for a larger log.

        A note that is not larger is handed over too: only its signature says whether the log stood still or went back.
        """
        answer = self.get("/log/checkpoint", {"newer_than": newer_than, "wait": wait}, wait)
        if not isinstance(answer, dict) or not isinstance(answer.get("note"), str):
            return None
        return str(answer["note"]).encode()

    def consistency(self, first: int, second: int) -> tuple[bytes, ...]:
        answer = self.get("/log/consistency", {"first": first, "second": second})
        return tuple(_bytes(item) for item in list_of(answer, "proof"))

    def inclusion(self, digest: str, size: int) -> Inclusion:
        answer = self.get("/log/inclusion", {"digest": digest, "size": size})
        proof = tuple(_bytes(item) for item in list_of(answer, "proof"))
        index = answer.get("index")
        if type(index) is not int:
            raise HubAway("the hub's answer has no index")
        return Inclusion(index, _bytes(answer.get("entry")), proof)

    def cosign(self, size: int, line: str) -> None:
        self.call("POST", "/log/cosignatures", json={"size": size, "line": line})

    def rosters(self) -> list[Any]:
        """The chain of signed rosters, oldest first, as JSON."""
        return list_of(self.get("/rosters", {}), "rosters")

    def close(self) -> None:
        self._http.close()

    def get(self, path: str, params: dict[str, Any], wait: float = 0.0) -> Any:
        return self.call("GET", path, params=params, timeout=httpx.Timeout(_TIMEOUT_S, read=wait + _TIMEOUT_S))

    def call(self, method: str, path: str, **options: Any) -> Any:
        try:
            with self._http.stream(method, path, **options) as response:
                content = _bounded(response)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise HubAway(f"the hub did not answer: {type(error).__name__}") from None
        if response.status_code >= 500 or response.status_code in (408, 425, 429):
            raise HubAway(f"the hub asks to try later ({response.status_code})")
        try:
            answer = parse_json(content) if content else None
        except BadDocument:
            raise HubAway("the hub's answer is not JSON") from None
        if response.status_code >= 400:
            problem = answer if isinstance(answer, dict) else {}
            raise HubRefused(str(problem.get("code", response.status_code)), str(problem.get("detail", "refused")))
        return answer


def _bounded(response: httpx.Response) -> bytes:
    """The body, read no further than the limit."""
    parts, size = [], 0
    for part in response.iter_bytes():
        size += len(part)
        if size > _MAX_BYTES:
            raise HubAway("the hub's answer is larger than any that the protocol has")
        parts.append(part)
    return b"".join(parts)


def claimed_size(note: bytes) -> int:
    """The size line of a checkpoint note, only to ask for a proof; the cosigner parses and verifies the note itself."""
    lines = note.split(b"\n", 2)
    return int(lines[1]) if len(lines) > 2 and lines[1].isdigit() and len(lines[1]) < 20 else 0


def list_of(answer: Any, name: str) -> list[Any]:
    if not isinstance(answer, dict) or not isinstance(answer.get(name), list):
        raise HubAway(f"the hub's answer has no list of {name}")
    found: list[Any] = answer[name]
    return found


def _bytes(value: Any) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise HubAway("the hub's answer is not base64 where it should be") from None
