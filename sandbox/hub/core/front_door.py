"""What the hub grants a connection, a stranger and a token before it refuses: sizes, times, rates.

The defaults leave room for 100 operators with 400 calls a second together, and for nodes that follow many jobs.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Seconds = Annotated[float, Field(gt=0, le=3600)]
Bytes = Annotated[int, Field(ge=1 << 10, le=1 << 36)]


class Rate(BaseModel):
    """A token bucket: ``burst`` calls at once, then ``per_second``."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    per_second: Annotated[float, Field(gt=0, le=1e6)]
    burst: Annotated[int, Field(ge=1, le=1_000_000)]


class FrontDoor(BaseModel):
    """``front_door:`` in hub.yaml. Every refusal names its limit by what to do, and says when to come again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # connections: before anything is known about the caller
    max_connections: Annotated[int, Field(ge=8, le=1_000_000)] = 2048
    max_connections_per_address: Annotated[int, Field(ge=1, le=1_000_000)] = 512
    max_header_bytes: Annotated[int, Field(ge=1 << 12, le=1 << 20)] = 1 << 14
    header_seconds: Seconds = 10.0
    """From the first moment of a connection, or the first byte of a request, to the end of its header."""
    keep_alive_seconds: Seconds = 30.0
    """An idle connection between two requests."""
    write_seconds: Seconds = 60.0
    """A client that takes nothing of its answer."""
    proxies: tuple[str, ...] = ()
    """Addresses of reverse proxies whose ``X-Forwarded-For`` is believed: the log names the address of every act."""

    # bodies: after the token is known
    body_seconds: Seconds = 10.0
    body_bytes_per_second: Annotated[int, Field(ge=1, le=1 << 30)] = 1 << 14
    """A body has ``body_seconds``, and a second more for so many bytes that have come."""
    max_document_bytes: Bytes = 4 << 20
    """A body of anybody but a node; nodes have ``max_body_bytes``."""
    max_buffered_bytes: Bytes = 512 << 20
    """All bodies together that are being received."""

    # tokens
    token_seconds: Annotated[float, Field(ge=0, le=30)] = 5.0
    """How long another process may take to notice that a token was revoked."""
    people: Rate = Rate(per_second=100, burst=400)
    machines: Rate = Rate(per_second=500, burst=2000)
    """Nodes and witnesses."""
    strangers: Rate = Rate(per_second=50, burst=200)
    """Calls without a token, by network address."""
    long_polls: Annotated[int, Field(ge=1, le=10_000)] = 16
    """Of one token at a time; event streams count."""
    waiting_requests: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    """Of one operator that wait for an owner's answer."""
