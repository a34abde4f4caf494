"""What the hub lays into a node's inbox, typed. Nothing in it is believed before the node has verified it.

Hub and node share this module: the hub writes these models, the node reads them. A body that travels beside its
message (``body`` is None) is fetched in pieces.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from jobs.documents.base import faults
from jobs.errors import BadDocument

Json = dict[str, Any]
B = TypeVar("B", bound="Body")


class Body(BaseModel):
    """``KIND`` is the inbox item's kind."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
    KIND: ClassVar[str]

    @classmethod
    def read(cls: type[B], value: Mapping[str, Any]) -> B:
        """Raises ``BadDocument`` naming what is missing or unknown."""
        try:
            return cls.model_validate(dict(value))
        except ValidationError as error:
            raise BadDocument(f"the hub's {cls.KIND} item: {faults(error)}") from None


class Carried(BaseModel):
    """A message as the hub relays it: the signed header, and the body as base64 if it is small."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
    header: Json
    body: str | None = None


class PermitBody(Body):
    """An order to run, with everything that it rests on."""

    KIND: ClassVar[str] = "permit"
    permit: Json
    grants: tuple[Json, ...]
    commitment: Json
    records: tuple[Json, ...]
    status: Json
    evidence: tuple[Json, ...]
    roster: Json


class MessagesBody(Body):
    """One message for this node, or all messages of one (round, sequence) for all participants."""

    KIND: ClassVar[str] = "messages"
    messages: tuple[Carried, ...]


class OutputBody(Body):
    """What the hub would release, and every message that it was computed from: recompute it, and sign the release."""

    KIND: ClassVar[str] = "output"
    release: Json
    content: str
    salt: str
    messages: tuple[Carried, ...]


class FinishedBody(Body):
    """The job was released: the hub's release and what every participant signed that it sent."""

    KIND: ClassVar[str] = "finished"
    release: Json
    sent: tuple[Json, ...]


class AbortBody(Body):
    """The job ended without a release. ``stop``: the signed word of the participant that ended it, if one did."""

    KIND: ClassVar[str] = "abort"
    code: str
    advice: str
    stop: Json | None = None


class RevokedBody(Body):
    KIND: ClassVar[str] = "revoked"
    revocation: Json


class StatusBody(Body):
    """The authority published a status list: judged again before anything leaves. With the roster that it is about."""

    KIND: ClassVar[str] = "status"
    status: Json
    roster: Json
