"""Refusals that only an HTTP service has; all others come from ``sandbox``, ``jobs`` and ``mpc``."""

from __future__ import annotations

import math

from sandbox.errors import Denied, InvalidTransition, Rejected, Unavailable


class NotAuthenticated(Rejected):
    code = "not-authenticated"
    advice = "Send 'Authorization: Bearer <token>' with a token that is neither expired nor revoked."


class TokenExpired(NotAuthenticated):
    """Told only to who holds the token: its hash was found."""

    code = "token-expired"
    advice = "Ask the platform for a new token ('unseen hub token'), put it into your token file, and try again."


class NotPermitted(Denied):
    """The token is valid, but its role or subject may not do this."""

    code = "not-permitted"
    advice = "Use the token of the role and the party that the call is for."


class TooLargeBody(Rejected):
    code = "too-large-body"
    advice = "Send less: split the request, or ask for fewer cells."


class NoBodyTaken(Rejected):
    code = "no-body-taken"
    advice = "Send this call without a body."


class SlowRequest(Unavailable):
    code = "slow-request"
    advice = "Send the whole request at once; try again on a better connection."


class TooManyRequests(Unavailable):
    """A quota of this token or address is used up for ``retry_after`` seconds."""

    code = "too-many-requests"
    advice = "Wait for the seconds that Retry-After names, then send the same again."

    def __init__(self, text: str, retry_after: float) -> None:
        super().__init__(text)
        self.retry_after = max(1, math.ceil(retry_after))


class HubFault(Unavailable):
    """The hub's part of a kind failed in a way that nobody foresaw. It ends one job, and is no participant's fault."""

    code = "hub-fault"
    advice = "Submit again; if it fails again, the platform's operator finds the cause in the hub's log."


class Conflicting(Rejected):
    """The same name or key was used before, for something else."""

    code = "conflicting"
    advice = "Use a new name or key, or send exactly what was sent the first time."


class NotYet(InvalidTransition):
    """What is asked for will exist later."""

    code = "not-yet"
    advice = "Wait and ask again; the text says what is still missing."
