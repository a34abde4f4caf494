"""The node's ``HubPort`` over HTTP: long polls and posts under the node's bearer token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jobs.documents import Envelope
from sandbox.hub_http import HubAway, LogLink, list_of
from sandbox.node.hub_port import Item


class HubLink(LogLink):
    """One hub, one node. Thread-safe: loop, jobs and follower share it."""

    def __init__(self, url: str, node: str, token: str) -> None:
        super().__init__(url, token)
        self._node = node

    def inbox(self, after: int, wait: float) -> list[Item]:
        answer = self.get(f"/nodes/{self._node}/inbox", {"after": after, "wait": wait}, wait)
        return [_item(item) for item in list_of(answer, "items")]

    def post(self, messages: Sequence[Envelope]) -> None:
        body = {"messages": [message.to_json() for message in messages]}
        self.call("POST", f"/nodes/{self._node}/messages", json=body)


def _item(value: Any) -> Item:
    try:
        return Item(int(value["seq"]), str(value["kind"]), str(value["job"]), dict(value["body"]))
    except (KeyError, TypeError, ValueError):
        raise HubAway("the hub's inbox holds something that is no item") from None
