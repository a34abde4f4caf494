"""Everything that can go wrong in ``sandbox``, by what the caller should do: change the request, retry, or stop.

``code`` is a stable slug for programs, ``advice`` says what to change, the text says what happened. None of the three
ever holds a data value or a secret, and an operator's error tells no more than the verdict would.
"""

from __future__ import annotations

from typing import ClassVar


class SandboxError(Exception):
    """Root of all errors that this package raises."""

    code: ClassVar[str] = "sandbox-error"
    advice: ClassVar[str] = "Report this text to whoever runs the service."


class Rejected(SandboxError):
    """The request cannot be done as it is; the same request will be refused again."""

    code = "rejected"
    advice = "Change the request; the text says what is wrong."


class InvalidSpec(Rejected):
    """A file, option or request with a fault: the text names the place and what to change, so none stands below."""

    code = "invalid-spec"
    advice = ""


class NotFound(Rejected):
    code = "not-found"
    advice = "Check the id; what you may not see is reported as not found."


class ContentDestroyed(NotFound):
    """The content was destroyed as the rules demand; the digests and signatures about it stay and still verify."""

    code = "content-destroyed"
    advice = "Nobody can bring it back. Receipt and log still prove what was there; a new job needs a new permit."


class InvalidTransition(Rejected):
    """The thing exists, but its state does not allow this step."""

    code = "invalid-transition"
    advice = "Look at the current state; it lists the steps that are possible now."


class Denied(Rejected):
    """A rule or a person says no."""

    code = "denied"
    advice = "The reasons name the rule; ask the owner if you think it should not apply."


class NotGranted(Denied):
    code = "not-granted"
    advice = "Ask the owners for a grant that covers exactly this operator, plan, parameters, data version and period."


class BudgetExceeded(Denied):
    code = "budget-exceeded"
    advice = "Ask for fewer cells or runs, or ask the owner for a new budget."


class NegativeListed(Denied):
    code = "negative-listed"
    advice = "The cited entry of the negative list forbids this use; leave the item out."


class Unavailable(SandboxError):
    """Nothing is wrong with the request; try again later."""

    code = "unavailable"
    advice = "Try again later; a retried job needs a new permit."


class NodeLost(Unavailable):
    code = "node-lost"
    advice = "A node stopped answering; submit again when the catalogue shows it as connected."


class Timeout(Unavailable):
    code = "timeout"
    advice = "The deadline passed; submit again with a later one or a smaller plan."


class OutOfMemory(Unavailable):
    code = "out-of-memory"
    advice = "The node's memory limit was reached; ask for fewer groups or columns."


class IntegrityFailure(SandboxError):
    """Evidence of tampering or of a broken key or store. Stop, keep the evidence, call the auditor."""

    code = "integrity-failure"
    advice = "Stop using this party's answers and show the evidence to the auditor."


class OutputUnconfirmed(IntegrityFailure):
    """Not all participants recomputed and signed what the hub would release: it is no release."""

    code = "output-unconfirmed"
    advice = "Nothing was released, and the charge stays. The auditor recomputes it: `unseen log recompute JOB`."


class UnsafeKeyFile(IntegrityFailure):
    """A key or trust file that others can read or write, or that is not what it should be."""

    code = "unsafe-key-file"
    advice = "Keep the file at mode 0600, owned by the service's own user; replace the key if others could read it."


class LogFailure(IntegrityFailure):
    """The transparency log, or who signs it, does not hold. ``evidence`` is what to show the auditor."""

    code = "log-failure"

    def __init__(self, text: str, evidence: tuple[str, ...] = ()) -> None:
        super().__init__(text)
        self.evidence = evidence


class MalformedNote(LogFailure):
    code = "malformed-note"
    advice = "The bytes are not a signed checkpoint; fetch it again, and check what stands between you and the log."


class BadLogSignature(LogFailure):
    code = "bad-log-signature"
    advice = "The checkpoint is not signed by the hub's key of the roster; do not use it."


class ForeignLog(LogFailure):
    code = "foreign-log"
    advice = "The checkpoint belongs to another log than the roster names; check the origin."


class LogRolledBack(LogFailure):
    code = "log-rolled-back"
    advice = "The log shows fewer entries than before; keep both checkpoints as evidence."


class LogForked(LogFailure):
    code = "log-forked"
    advice = "The log shows two histories; keep both checkpoints as evidence."


class BadProof(LogFailure):
    code = "bad-proof"
    advice = "The Merkle proof does not lead to the checkpoint's root; fetch the proof again for this checkpoint."


class ReceiptRefused(IntegrityFailure):
    """A receipt that does not hold. ``step`` is a stable slug of the check that failed, the text says why in words."""

    code = "receipt-refused"
    advice = (
        "Do not rely on this release. Get the receipt again from where it came; show the auditor both if it fails too."
    )

    def __init__(self, step: str, text: str) -> None:
        super().__init__(text)
        self.step = step
