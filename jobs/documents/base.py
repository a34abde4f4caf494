"""What all signed documents share: strict frozen models, one payload type each, field types with bounds on every size.

A document is read from canonical JSON only, unknown fields are refused, and it must write itself back to the same
bytes: what was signed is exactly what the reader understood.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, ClassVar, Final, Generic, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    ValidationError,
)
from pydantic_core import ErrorDetails

from jobs import legible
from jobs.documents.canonical import canonical, parse_canonical
from jobs.documents.ed25519 import PublicKey, SigningKey
from jobs.documents.envelope import Envelope
from jobs.documents.x25519 import SealingPublic
from jobs.errors import BadDocument
from jobs.near import nearest
from jobs.schema import Digest, DomainValue
from jobs.schema import DigestText as DigestText

CLOCK_SKEW: Final = timedelta(minutes=5)
"""How far two honest clocks may differ."""

_MOMENT: Final = "%Y-%m-%dT%H:%M:%SZ"


def moment_text(value: datetime) -> str:
    """``2026-11-21T08:00:00Z``: UTC, whole seconds, the only spelling of a time in documents."""
    if value.tzinfo is None:
        raise BadDocument("a time in a document has a time zone")
    return value.astimezone(UTC).strftime(_MOMENT)


def _read_moment(value: Any) -> Any:
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("a time needs a time zone")
        return value.astimezone(UTC).replace(microsecond=0)
    if not isinstance(value, str) or len(value) != 20:
        raise ValueError("a time is written 2026-11-21T08:00:00Z")
    try:
        return datetime.strptime(value, _MOMENT).replace(tzinfo=UTC)
    except ValueError:
        raise ValueError("a time is written 2026-11-21T08:00:00Z") from None


def _known_key(text: str) -> str:
    try:
        PublicKey.parse(text)
    except BadDocument as error:
        raise ValueError(str(error)) from None
    return text


def _known_sealing(text: str) -> str:
    try:
        SealingPublic.parse(text)
    except BadDocument as error:
        raise ValueError(str(error)) from None
    return text


def _json_object(value: dict[str, Any]) -> dict[str, Any]:
    try:
        canonical(value)
    except BadDocument as error:
        raise ValueError(str(error)) from None
    return value


Moment = Annotated[datetime, BeforeValidator(_read_moment), PlainSerializer(moment_text, when_used="json")]
KeyText = Annotated[str, StringConstraints(max_length=64), AfterValidator(_known_key)]
SealingText = Annotated[str, StringConstraints(max_length=64), AfterValidator(_known_sealing)]
Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,127}$")]
"""Ids of owners, nodes, operators, witnesses and documents: no space, no plus, so they can name a log signature."""
Label = Annotated[str, StringConstraints(min_length=1, max_length=256), AfterValidator(legible.line)]
"""A short name on one line."""
Words = Annotated[str, StringConstraints(max_length=4000), AfterValidator(legible.lines)]
"""Text in lines that people read before they sign; whoever shows it marks each line as somebody's words."""
Count = Annotated[int, Field(ge=0, le=2**53 - 1)]
Version = Annotated[int, Field(ge=1, le=2**31)]
Nonce = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Scalar = DomainValue
"""A parameter's value: legible, as it is read before it is signed."""
JsonObject = Annotated[dict[str, Any], AfterValidator(_json_object)]


class Part(BaseModel):
    """A piece of a document."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


class Document(Part):
    """A whole document: subclasses name their ``KIND``, from which the payload type follows."""

    KIND: ClassVar[str]

    @classmethod
    def payload_type(cls) -> str:
        return f"application/vnd.unseen.{cls.KIND}+json;v=1"

    def payload(self) -> bytes:
        return canonical(self.to_json())

    def to_json(self) -> dict[str, Any]:
        return self.model_dump(mode="json")

    def sign(self, *keys: SigningKey) -> Envelope:
        """Return this document in an envelope signed by these keys (none: to be signed elsewhere)."""
        return Envelope(self.payload_type(), self.payload(), ()).signed_by(*keys)

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        """Read the payload's bytes; raises ``BadDocument`` with the place of each fault, never with a value."""
        parse_canonical(payload)
        try:
            document = cls.model_validate_json(payload)
        except ValidationError as error:
            raise BadDocument(f"not a valid {cls.KIND}: {faults(error)}") from None
        if document.payload() != payload:
            raise BadDocument(f"not a valid {cls.KIND}: a field is missing or spelled in another way")
        return document

    @classmethod
    def open(cls, envelope: Envelope) -> Self:
        """Read an envelope's payload after its type; raises ``BadDocument``. Signatures are not looked at."""
        if envelope.payload_type != cls.payload_type():
            raise BadDocument(f"expected a {cls.KIND}, payload type {cls.payload_type()}")
        return cls.parse(envelope.payload)


D_co = TypeVar("D_co", bound=Document, covariant=True)


@dataclass(frozen=True)
class Verified(Generic[D_co]):
    """A document whose signatures were verified, with what to refer to it by. Only ``verify_*`` functions make one."""

    document: D_co
    envelope: Envelope
    signers: frozenset[PublicKey]

    @property
    def digest(self) -> Digest:
        return self.envelope.digest


def faults(error: ValidationError, known: Iterable[str] = ()) -> str:
    """Say where a model was violated and how, without the offending values. ``known``: its fields, to name the nearest
    of an unknown one."""
    names = tuple(known)
    found = [f"{'.'.join(map(str, item['loc']))}: {_said(item, names)}" for item in error.errors(include_input=False)]
    more = f" (and {len(found) - 5} more)" if len(found) > 5 else ""
    return "; ".join(found[:5]) + more


def _said(item: ErrorDetails, known: tuple[str, ...]) -> str:
    if item["type"] == "extra_forbidden":
        return "is no field" + (nearest(str(item["loc"][-1]), known) if len(item["loc"]) == 1 else "")
    return "unknown kind" if "tag" in item["type"] else item["msg"]


def check_distinct(values: list[str], what: str) -> None:
    """Raise ``ValueError`` (a model fault) if a value occurs twice."""
    if len(set(values)) != len(values):
        raise ValueError(f"{what} must be distinct")
