"""Refusals that only an HTTP service has; all others come from ``sandbox``, ``jobs`` and ``mpc``."""

from __future__ import annotations

from sandbox.errors import Denied, InvalidTransition, Rejected


class NotAuthenticated(Rejected):
    code = "not-authenticated"
    advice = "Send 'Authorization: Bearer <token>' with a token that is neither expired nor revoked."


class NotPermitted(Denied):
    """The token is valid, but its role or subject may not do this."""

    code = "not-permitted"
    advice = "Use the token of the role and the party that the call is for."


class TooLargeBody(Rejected):
    code = "too-large-body"
    advice = "Send less: split the request, or ask for fewer cells."


class Conflicting(Rejected):
    """The same name or key was used before, for something else."""

    code = "conflicting"
    advice = "Use a new name or key, or send exactly what was sent the first time."


class NotYet(InvalidTransition):
    """What is asked for will exist later."""

    code = "not-yet"
    advice = "Wait and ask again; the text says what is still missing."
