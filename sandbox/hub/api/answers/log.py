"""The log: entries, checkpoints, proofs."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from sandbox.hub.api.answers.base import Answer, Base64, Cursor


class Origin(Answer):
    """Where an act came from, while the key of its month is not destroyed."""

    address: str
    salt: Base64


class EntryShown(Answer):
    """``leaf`` and ``entry`` for who may read it, ``hash`` for everybody else; ``origin`` for auditor and authority."""

    index: int
    leaf: Base64 = ""
    entry: Annotated[dict[str, Any], Field(default_factory=dict, description="A LogEntry")]
    hash: Base64 = ""
    origin: Origin | None = None


class EntryPage(Answer):
    items: list[EntryShown]
    next: Cursor


class Checkpoint(Answer):
    note: Annotated[str, Field(description="A signed note (C2SP) with its cosignatures so far")]
    size: int


class Inclusion(Answer):
    """RFC 9162: ``entry`` for who may read it, else ``hash``."""

    index: int
    proof: list[Base64]
    entry: Base64 = ""
    hash: Base64 = ""


class Consistency(Answer):
    proof: list[Base64]


class Followed(Checkpoint):
    """What a follower needs for its next step: the checkpoint that keeps what it has verified, and its messages."""

    consistency: Annotated[list[Base64], Field(description="RFC 9162, from the caller's size to this one")]
    inclusions: Annotated[list[Inclusion], Field(description="In this checkpoint's tree")]
