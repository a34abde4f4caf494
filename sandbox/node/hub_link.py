"""The node's ``HubPort`` over HTTP: long polls and posts under the node's bearer token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jobs.documents import Envelope
from jobs.documents.ed25519 import encode_base64
from sandbox.hub_http import HubAway, field
from sandbox.log_link import LogLink
from sandbox.node.hub_port import Item


class HubLink(LogLink):
    """One hub, one node. Thread-safe: loop, jobs and follower share it."""

    def __init__(self, url: str, node: str, token: str) -> None:
        super().__init__(url, token)
        self._node = node

    def inbox(self, after: int, read: int, wait: float) -> list[Item]:
        params = {"after": after, "read": read, "wait": wait}
        answer = self.http.json("GET", f"/nodes/{self._node}/inbox", params=params, wait=wait)
        return [_item(item) for item in field(answer, "items", list)]

    def post(self, messages: Sequence[tuple[Envelope, bytes | None]]) -> None:
        posted = [
            {"envelope": envelope.to_json(), "body": None if body is None else encode_base64(body)}
            for envelope, body in messages
        ]
        self.http.json("POST", f"/nodes/{self._node}/messages", body={"messages": posted})

    def scan(self, job: str, percent: int, seconds_left: int) -> None:
        said = {"percent": percent, "seconds_left": seconds_left}
        self.http.content("PUT", f"/nodes/{self._node}/jobs/{job}/scan", body=said)

    def upload(self, body: str, offset: int, piece: bytes) -> None:
        self.http.content("PUT", f"/nodes/{self._node}/bodies/{body}", params={"offset": offset}, data=piece)

    def piece(self, job: str, key: tuple[str, int, str, str], number: int) -> bytes:
        round, sequence, sender, receiver = key
        place = {"round": round, "sequence": sequence, "sender": sender, "receiver": receiver, "number": number}
        return self.http.content("GET", f"/nodes/{self._node}/jobs/{job}/bodies", params=place)


def _item(value: Any) -> Item:
    try:
        return Item(int(value["seq"]), str(value["kind"]), str(value["job"]), dict(value["body"]))
    except (KeyError, TypeError, ValueError):
        raise HubAway("the hub's inbox holds something that is no item") from None
