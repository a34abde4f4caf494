"""Who is who, and what the platform says about itself."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from sandbox.hub.api.answers.base import Answer, Digest, Envelope


class Health(Answer):
    name: Annotated[str, Field(description="The log's origin, as in everybody's trust.json")]
    version: str
    log_size: int


class Rosters(Answer):
    rosters: Annotated[list[Envelope], Field(description="Oldest first: a chain from the pinned root")]


class Published(Answer):
    """A roster that is in force now."""

    version: int
    digest: Digest


class StatusPublished(Answer):
    """A status list that is in force now."""

    number: int
    digest: Digest
