"""Where a bearer token may travel: over https, or not beyond this machine. Asked before the first byte is sent."""

from __future__ import annotations

import httpx

from adapters.address import is_loopback
from sandbox.errors import InvalidSpec


def check_hub_address(url: str) -> None:
    """Raise ``InvalidSpec`` for a hub address at which a token could be read on the way.

    Run by everybody who calls a hub: SDK, CLI, nodes, witnesses.
    """
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, TypeError):
        raise InvalidSpec("the hub's address is not a URL: write https://hub.example") from None
    if parsed.scheme not in ("https", "http") or not parsed.host:
        raise InvalidSpec("the hub's address is not a URL: write https://hub.example")
    if parsed.userinfo:
        raise InvalidSpec("the hub's address holds a name before '@': leave it out, the token says who calls")
    if parsed.scheme == "http" and not is_loopback(parsed.host):
        raise InvalidSpec(
            f"the token would travel in the clear to {parsed.host}: use https, http is for this machine's own 127.0.0.1"
        )
