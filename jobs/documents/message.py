"""What travels while a job runs. A ``Header`` is signed by its sender and names the bytes of the body beside it.

Bodies are ``mpc``'s bounds-checked binary, masked or sealed. The hub reads headers, and bodies that are for it.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Final

from pydantic import Field, StringConstraints

from jobs.documents.base import Count, DigestText, Document, Id, Label, Nonce, Words

ALL: Final = "all"
"""``Header.receiver`` of what goes to every participant."""


class Header(Document):
    """One message: (permit, round, sequence, sender, receiver) occurs once, whatever its body is."""

    KIND: ClassVar[str] = "message"
    permit: DigestText
    round: Label
    sequence: Annotated[int, Field(ge=0, le=1_000_000)]
    sender: Id
    """A node, or the hub."""
    receiver: Id
    """A node, the hub, or ``all``."""
    size: Count
    """Bytes of the body as it travels."""
    body: DigestText
    """SHA-256 of these bytes."""
    transcript: DigestText
    """All that the sender had received together with all other participants when it wrote this."""
    state: DigestText | None
    """Of a node: what its gate remembers of all that was ever asked here, this message's questions included. The hub
    has none. A node that goes back to an older state signs another chain than its earlier headers name."""
    salt: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
    """Random: nobody who sees this header's digest in the log can confirm a guess of what it says."""

    @property
    def key(self) -> tuple[str, int, str, str]:
        """What may occur once under a permit."""
        return (self.round, self.sequence, self.sender, self.receiver)


class Stop(Document):
    """A node ends the job. ``code`` is an error code, ``advice`` holds no data value."""

    KIND: ClassVar[str] = "stop"
    node: Id
    permit: DigestText
    nonce: Nonce
    bound: bool
    """Whether it had sent its binding message. If not, nothing of the job can be opened without it."""
    code: Label
    advice: Words


class Destroyed(Document):
    """Last: the node has destroyed keys and intermediates of this job."""

    KIND: ClassVar[str] = "destroyed"
    node: Id
    permit: DigestText
    nonce: Nonce
