"""The node's ``HubPort`` over HTTP: long polls and posts, a bearer token, bounded answers."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any, Final

import httpx

from jobs.documents import Envelope, parse_json
from jobs.errors import BadDocument
from sandbox.node.hub_port import HubAway, HubRefused, Inclusion, Item

_MAX_BYTES: Final = 64 << 20
_TIMEOUT: Final = httpx.Timeout(10.0)


class HubLink:
    """One hub, one node. Thread-safe: loop, jobs and follower share it."""

    def __init__(self, url: str, node: str, token: str) -> None:
        self._node = node
        self._http = httpx.Client(
            base_url=url.rstrip("/") + "/v1", headers={"Authorization": f"Bearer {token}"}, timeout=_TIMEOUT
        )

    def inbox(self, after: int, wait: float) -> list[Item]:
        answer = self._get(f"/nodes/{self._node}/inbox", {"after": after, "wait": wait}, wait)
        return [_item(item) for item in _list(answer, "items")]

    def post(self, messages: Sequence[Envelope]) -> None:
        body = {"messages": [message.to_json() for message in messages]}
        self._call("POST", f"/nodes/{self._node}/messages", json=body)

    def roster(self) -> Envelope:
        return Envelope.from_json(self._get("/roster", {}))

    def checkpoint(self, newer_than: int, wait: float) -> bytes | None:
        answer = self._get("/log/checkpoint", {"newer_than": newer_than, "wait": wait}, wait)
        if not isinstance(answer, dict) or not isinstance(answer.get("note"), str):
            return None
        return str(answer["note"]).encode() if int(answer.get("size", 0)) > newer_than else None

    def consistency(self, first: int, second: int) -> tuple[bytes, ...]:
        answer = self._get("/log/consistency", {"first": first, "second": second})
        return tuple(_bytes(item) for item in _list(answer, "proof"))

    def inclusion(self, digest: str, size: int) -> Inclusion:
        answer = self._get("/log/inclusion", {"digest": digest, "size": size})
        proof = tuple(_bytes(item) for item in _list(answer, "proof"))
        return Inclusion(int(answer["index"]), _bytes(answer["entry"]), proof)

    def cosign(self, size: int, line: str) -> None:
        self._call("POST", "/log/cosignatures", json={"size": size, "line": line})

    def close(self) -> None:
        self._http.close()

    def _get(self, path: str, params: dict[str, Any], wait: float = 0.0) -> Any:
        return self._call("GET", path, params=params, timeout=httpx.Timeout(10.0, read=wait + 10.0))

    def _call(self, method: str, path: str, **options: Any) -> Any:
        try:
            response = self._http.request(method, path, **options)
        except httpx.HTTPError as error:
            raise HubAway(f"the hub did not answer: {type(error).__name__}") from None
        if len(response.content) > _MAX_BYTES:
            raise HubRefused("oversized", "the hub's answer is larger than any that the protocol has")
        if response.status_code >= 500 or response.status_code in (408, 425, 429):
            raise HubAway(f"the hub asks to try later ({response.status_code})")
        try:
            answer = parse_json(response.content) if response.content else None
        except BadDocument:
            raise HubAway("the hub's answer is not JSON") from None
        if response.status_code >= 400:
            problem = answer if isinstance(answer, dict) else {}
            raise HubRefused(str(problem.get("code", response.status_code)), str(problem.get("detail", "refused")))
        return answer


def _list(answer: Any, name: str) -> list[Any]:
    if not isinstance(answer, dict) or not isinstance(answer.get(name), list):
        raise HubAway(f"the hub's answer has no list of {name}")
    found: list[Any] = answer[name]
    return found


def _item(value: Any) -> Item:
    try:
        return Item(int(value["seq"]), str(value["kind"]), str(value["job"]), dict(value["body"]))
    except (KeyError, TypeError, ValueError):
        raise HubAway("the hub's inbox holds something that is no item") from None


def _bytes(value: Any) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise HubAway("the hub's answer is not base64 where it should be") from None
