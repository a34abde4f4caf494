"""Every error as RFC 9457 ``application/problem+json``, by one table from error type to status.

A test walks all error types of the packages below and proves that each finds its row. Texts hold no data value, since
the types promise that; what is not of these types is a bug and tells nothing but that.
"""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from jobs.errors import (
    BadDocument,
    BadSignature,
    DisclosureBlocked,
    Expired,
    InvalidRequest,
    JobError,
    OutOfScope,
    RosterRollback,
    UnknownSigner,
)
from mpc.errors import IntegrityError, MpcError
from sandbox.errors import (
    ContentDestroyed,
    Denied,
    IntegrityFailure,
    InvalidSpec,
    InvalidTransition,
    NotFound,
    Rejected,
    SandboxError,
    Unavailable,
)
from sandbox.hub.core.errors import Conflicting, NotAuthenticated, SlowRequest, TooLargeBody, TooManyRequests

MEDIA_TYPE: Final = "application/problem+json"
CODE: Final = "unseen.code"
"""Where in the ASGI scope the code of a refusal stands, for the hub's own log."""
KNOWN: Final = (SandboxError, JobError, MpcError)

STATUS: Final[dict[type[Exception], int]] = {
    NotAuthenticated: 401,
    Denied: 403,
    NotFound: 404,
    ContentDestroyed: 410,
    Conflicting: 409,
    InvalidTransition: 409,
    SlowRequest: 408,
    TooLargeBody: 413,
    TooManyRequests: 429,
    InvalidSpec: 422,
    Rejected: 400,
    Unavailable: 503,
    IntegrityFailure: 409,
    SandboxError: 500,
    BadDocument: 400,
    BadSignature: 403,
    UnknownSigner: 403,
    Expired: 403,
    RosterRollback: 409,
    OutOfScope: 403,
    InvalidRequest: 422,
    DisclosureBlocked: 403,
    JobError: 400,
    IntegrityError: 409,
    MpcError: 400,
}


RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    "default": {
        "description": "A refusal as RFC 9457 problem details",
        "content": {
            MEDIA_TYPE: {
                "example": {
                    "type": "urn:unseen:problem:not-granted",
                    "title": "not granted",
                    "status": 403,
                    "code": "not-granted",
                    "detail": "all 1 run(s) of grant g-1 are used",
                    "advice": "Ask the owners for a grant that covers this run.",
                }
            }
        },
    }
}


def problem(error: Exception) -> JSONResponse:
    """The response for an error of the known types."""
    more: dict[str, Any] = {}
    for name in ("advice", "field", "line", "column", "evidence"):
        if value := getattr(error, name, None):
            more[name] = value
    headers: dict[str, str] = {}
    if (seconds := getattr(error, "retry_after", None)) is not None:
        headers["Retry-After"] = str(seconds)
    status = status_of(type(error))
    if status == 401:  # RFC 6750, section 3
        headers["WWW-Authenticate"] = 'Bearer realm="unseen"'
    return _response(status, code_of(error), str(error), more, headers)


def code_of(error: Exception) -> str:
    """The stable slug that the answer carries."""
    return str(getattr(error, "code", None) or _slug(type(error).__name__))


def status_of(kind: type[Exception]) -> int:
    """The status of the nearest type in the table; raises ``LookupError`` for a foreign one."""
    for base in kind.__mro__:
        if base in STATUS:
            return STATUS[base]
    raise LookupError(kind.__name__)


def install(app: FastAPI) -> None:
    """Let the application answer every failure in this form."""
    for kind in KNOWN:
        app.add_exception_handler(kind, _known)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unknown)


async def _known(request: Request, error: Exception) -> Response:
    request.scope[CODE] = code_of(error)
    return problem(error)


async def _invalid(_request: Request, error: Exception) -> Response:
    faults = error.errors() if isinstance(error, RequestValidationError) else []
    found = [".".join(map(str, fault["loc"])) + ": " + fault["msg"] for fault in faults[:10]]
    return _response(422, "invalid-request", "; ".join(found), {})


async def _http(_request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    text = str(getattr(error, "detail", "refused"))
    return _response(status, _slug(text), text, {}, headers)


async def _unknown(_request: Request, _error: Exception) -> Response:
    return _response(500, "internal-error", "the hub failed; its own log has the cause", {})


def _response(
    status: int, code: str, detail: str, more: dict[str, Any], headers: dict[str, str] | None = None
) -> JSONResponse:
    body = {"type": f"urn:unseen:problem:{code}", "title": code.replace("-", " "), "status": status, "code": code}
    return JSONResponse({**body, "detail": detail, **more}, status, headers, MEDIA_TYPE)


def _slug(name: str) -> str:
    words = "".join(f"-{c.lower()}" if c.isupper() else c for c in name).replace(" ", "-").strip("-")
    return words.replace("--", "-")
