"""Routes whose function and answer are one stay in a worker thread: FastAPI alone would go there twice.

A plain function runs in a thread because it asks the database. What it returns is checked against the declared answer
and written as JSON in that same thread, before the event loop hears of it again.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Response
from fastapi.exceptions import ResponseValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute


class WholeRoute(APIRoute):
    """``APIRouter(route_class=WholeRoute)``; coroutines and functions that return a ``Response`` are as they were."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint if inspect.iscoroutinefunction(endpoint) else self._whole(endpoint), **options)

    def _whole(self, endpoint: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(endpoint)
        def answered(*positional: Any, **named: Any) -> Response:
            value = endpoint(*positional, **named)
            if isinstance(value, Response):
                return value
            said = next((item for item in named.values() if isinstance(item, Response)), None)
            response = self.answer(value, said.status_code if said else None)
            if said is not None:  # the function was given a response to set status and headers of
                response.headers.update(said.headers)
            return response

        return answered

    def answer(self, value: Any, status: int | None = None) -> Response:
        """The response for what the function returned. Raises ``ResponseValidationError`` for an undeclared answer."""
        code = status or self.status_code or 200
        field = self.response_field
        if field is None:
            return Response(status_code=code) if value is None else JSONResponse(value, code)
        checked, errors = field.validate(value, {}, loc=("response",))
        if errors:
            raise ResponseValidationError(errors=errors, body=value)
        body = field.serialize_json(checked, exclude_unset=self.response_model_exclude_unset)
        return Response(body, code, media_type="application/json")


def whole_router(**options: Any) -> APIRouter:
    """A router of such routes."""
    return APIRouter(route_class=WholeRoute, **options)
