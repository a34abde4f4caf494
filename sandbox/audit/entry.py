"""One event of the story as a leaf of the log: canonical JSON, naming the documents it is about by their digests.

Every leaf carries 32 random bytes of its own, so its hash in the tree is a hiding commitment: whoever may not read the
entry still sees that nothing was left out, and can confirm no guess of what it says.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Self

from pydantic import Field, StringConstraints

from jobs.documents.base import DigestText, Document, Id, JsonObject, Moment
from jobs.errors import BadDocument

MAX_BYTES = 1 << 16


class LogEntry(Document):
    """Who did what to what, when. ``facts`` holds what else its readers may know, never a data value."""

    KIND: ClassVar[str] = "log-entry"
    salt: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    event: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_.-]{0,63}$")]
    at: Moment
    actor: Id
    subject: Id
    digests: Annotated[tuple[DigestText, ...], Field(max_length=1024)] = ()
    facts: JsonObject = Field(default_factory=dict)
    origin: DigestText | None = None
    """Salted commitment to the network address that the request came from; the auditor gets address and salt."""

    def leaf(self) -> bytes:
        """The bytes that ``merkle.append`` takes."""
        return self.payload()

    @classmethod
    def read(cls, leaf: bytes) -> Self:
        """Read a leaf back; raises ``BadDocument``."""
        if len(leaf) > MAX_BYTES:
            raise BadDocument(f"a log entry has at most {MAX_BYTES} bytes")
        return cls.parse(leaf)


RELEASED = "job.released"
"""The event whose leaf a receipt proves; its digests hold the ``Release``'s."""
JOB_PERMITTED = "job.permitted"
"""The hub issued a permit: the first digest is the permit's, the others are those of its grants."""
JOB_CLOSED = "job.destroyed"
"""The last event of a job: every participant has said that it destroyed what it held in between."""
MESSAGE_RECEIVED = "message.received"
"""The hub took a node's message; the actor is ``node:ID``, the first digest is over the message's payload bytes."""
MESSAGE_REFUSED = "message.refused"
"""The same, but the job was over: the message came too late and was not taken."""
EVENTS: Final = (
    "content.destroyed", "content.ordered", "dataset.excluded", "dataset.registered", "denial.accepted",
    "grant.accepted", "grant.revoked", "job.allowed", "job.asked", "job.cancelled", "job.denied", JOB_CLOSED,
    "job.ending", "job.expired", "job.failed", "job.granted", JOB_PERMITTED, "job.refused", RELEASED, "job.replayed",
    "job.revoked", "job.submitted", "message.conflicting", MESSAGE_RECEIVED, MESSAGE_REFUSED, "message.sent",
    "roster.accepted", "status-list.published", "token.issued", "token.listed", "token.revoked",
)  # fmt: skip
"""Every kind of event that a hub logs."""
