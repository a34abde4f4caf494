"""Everything that can go wrong in ``jobs``, as types. Texts name what to change and never a secret or a data value."""

from __future__ import annotations

from typing import ClassVar


class JobError(Exception):
    """Root of all errors that this package raises. ``code`` is a stable slug, the text says what to change."""

    code: ClassVar[str] = "job-error"


class BadDocument(JobError):
    """Bytes that are not a document of the expected kind: not canonical, unknown or missing field, out of bounds."""

    code = "bad-document"


class BadSignature(JobError):
    """Fewer valid signatures by distinct trusted keys than the threshold asks for."""

    code = "bad-signature"
    advice = "Sign the unaltered document with the key that the roster names."


class UnknownSigner(JobError):
    """A document that names an owner, node, operator or hub which the roster does not know."""

    code = "unknown-signer"


class Expired(JobError):
    """A document used outside its period: too late, or not yet valid."""

    code = "expired"


class RosterRollback(JobError):
    """A roster older than the one already trusted, or a second one of the same version."""

    code = "roster-rollback"


class OutOfScope(JobError):
    """A permit that leaves what a grant, commitment or roster binds; ``field`` names the binding that differs."""

    code = "out-of-scope"

    def __init__(self, field: str, text: str) -> None:
        super().__init__(text)
        self.field = field


class InvalidRequest(JobError):
    """What was asked for cannot be planned: the text names the construct, field or profile and what to change."""

    code = "request-refused"


class BadKind(JobError):
    """A kind of job that hub and nodes cannot drive: its table of rounds, or its name, says why."""

    code = "bad-kind"

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(f"kind of job {kind[:64]!r}: {text}")


class DisclosureBlocked(JobError):
    """The gate says no: more than the profile releases, or a number that no data within the plan gives."""

    code = "disclosure-blocked"
    advice = "Ask for coarser groups; the profile's rules are in the verdict."


class ProtocolViolation(JobError):
    """The hub or another participant does what the protocol has not: stop, keep the evidence, call the auditor."""

    code = "protocol-violation"
    advice = "Stop using this party's answers and show the evidence to the auditor."
