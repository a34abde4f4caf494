"""Which addresses stay on this machine: beyond them nothing is reached without TLS."""

from __future__ import annotations

import ipaddress


def is_loopback(host: str) -> bool:
    """A literal loopback address or ``localhost``; any other name may resolve to anything."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
