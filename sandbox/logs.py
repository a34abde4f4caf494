"""What hub, node and witness write to stderr: one event a line, plain or as JSON, and nothing about anybody.

A line is this program's own text and named facts: ids of jobs, parties and documents, stable codes, counts. Values of
data, literals of statements and ids of units are in none. Typed errors promise that of their texts; of any other
exception the line names the type and where it was raised, never its text, which may quote what it stumbled over.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import traceback
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from jobs.legible import shown

_FACTS: Final = "facts"
_QUIET: Final = ("httpx", "httpcore", "alembic", "uvicorn", "asyncio")
"""Libraries whose news are of no use here; their warnings are."""
_LOG: Final = logging.getLogger("unseen")


class LogForm(StrEnum):
    """``log:`` of hub.yaml and node.yaml, ``--log`` of a witness."""

    PLAIN = "plain"
    JSON = "json"


def facts(**named: Any) -> dict[str, Any]:
    """``log.info("job is accepted", extra=facts(job=job))``: what a line names; both forms show it."""
    return {_FACTS: named}


def set_up(form: LogForm) -> None:
    """Write all of this process's log lines to stderr in this form. Run once by whoever serves."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if form is LogForm.JSON else PlainLines())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    sys.excepthook = _uncaught
    threading.excepthook = lambda found: _uncaught(found.exc_type, found.exc_value, found.exc_traceback)


class PlainLines(logging.Formatter):
    """``2026-12-01T08:00:00Z INFO unseen.node job is accepted  job=job-1 permit=sha256:...``"""

    def format(self, record: logging.LogRecord) -> str:
        named = "".join(f" {name}={_word(value)}" for name, value in _facts(record).items())
        return f"{_at(record)} {record.levelname} {record.name} {shown(record.getMessage())}{named and ' ' + named}"


class JsonLines(logging.Formatter):
    """One JSON object a line: ``at``, ``level``, ``logger``, ``text``, then the line's own facts."""

    def format(self, record: logging.LogRecord) -> str:
        line = {"at": _at(record), "level": record.levelname.lower(), "logger": record.name}
        return json.dumps({**line, "text": record.getMessage(), **_facts(record)}, default=str)


def _facts(record: logging.LogRecord) -> dict[str, Any]:
    found: dict[str, Any] = {name: value for name, value in getattr(record, _FACTS, {}).items() if value is not None}
    if record.exc_info and record.exc_info[1] is not None:
        found |= {"error": type(record.exc_info[1]).__name__, "raised": _raised(record.exc_info[1])}
    return found


def _raised(error: BaseException) -> str:
    """Where: the innermost calls, file and line, outermost first; of the cause too."""
    places = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)[-8:]]
    cause = error.__cause__ or error.__context__
    before = f"{type(cause).__name__} {_raised(cause)} then " if cause is not None else ""
    return before + ">".join(places)


def _uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    _LOG.critical("an error that nobody foresaw", exc_info=(kind, error or kind(), trace))


def _word(value: Any) -> str:
    text = shown(str(value))
    return json.dumps(text, ensure_ascii=False) if not text or set(text) & set(' "=') else text


def _at(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
