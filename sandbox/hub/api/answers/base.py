"""What all answers share."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field


class Answer(BaseModel):
    """A field that is not declared is a bug of the hub, not something to send."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Envelope = Annotated[dict[str, Any], Field(description="A DSSE envelope, to be verified by who reads it")]
Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
Base64 = Annotated[str, Field(description="Standard base64")]
Moment = Annotated[str, Field(description="UTC, RFC 3339", examples=["2026-11-21T08:00:00Z"])]
Cursor = Annotated[int | None, Field(description="``after`` of the next page; null on the last")]
