"""Everything that can go wrong in ``mpc``, as types. Texts name what is wrong and never a secret or a data value."""


class MpcError(Exception):
    """Root of all errors that this package raises."""


class MalformedMessage(MpcError):
    """Bytes that are not a message of the expected kind: truncated, oversized, wrong magic, version or field."""


class WrongSession(MpcError):
    """A well-formed message of another session or protocol run."""


class WrongRound(MpcError):
    """A message that this party does not expect now: too early, too late, or after it has finished."""


class DuplicateMessage(MpcError):
    """A second message from the same sender for the same round."""


class UnknownParty(MpcError):
    """A sender or receiver that does not take part."""


class OutOfRange(MpcError):
    """A value outside its declared range; the computation would wrap, so it is refused rather than clipped."""


class BadParameters(MpcError):
    """Parameters that are unsafe or cannot serve the described computation; the text says what is needed."""


class DepthExceeded(BadParameters):
    """A circuit deeper than the homomorphic parameters carry."""


class TooFewParties(MpcError):
    """Fewer parties (or shares) than the threshold asks for."""


class IntegrityError(MpcError):
    """A check that proves misbehaviour: a bad tag, signature, commitment or inconsistent survivor list."""


class KeyPolicyViolation(MpcError):
    """A key used more often, or for something else, than its policy allows."""
