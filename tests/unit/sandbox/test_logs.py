"""Log lines: one event a line in both forms, named facts, and of an unforeseen error its type and place alone."""

from __future__ import annotations

import json
import logging
import subprocess
import sys

import pytest

from sandbox.logs import JsonLines, PlainLines, facts

SECRET = "patient-4711"


def record(text: str, error: BaseException | None = None, **named: object) -> logging.LogRecord:
    trace = (type(error), error, error.__traceback__) if error is not None else None
    made = logging.LogRecord("unseen.node", logging.INFO, __file__, 1, text, (), trace)
    made.__dict__.update(facts(**named))
    return made


def failed() -> ValueError:
    try:
        try:
            raise KeyError(SECRET)
        except KeyError as inner:
            raise ValueError(f"cannot read {SECRET}") from inner
    except ValueError as error:
        return error


def test_a_plain_line_names_its_facts_at_the_end() -> None:
    line = PlainLines().format(record("a job begins", job="job-1", note='two "words"', absent=None))
    assert line.endswith('INFO unseen.node a job begins  job=job-1 note="two \\"words\\""')


def test_a_json_line_is_one_object_with_its_facts() -> None:
    value = json.loads(JsonLines().format(record("a job begins", event="job.begins", job="job-1")))
    assert {name: value[name] for name in ("level", "logger", "text", "event", "job")} == {
        "level": "info",
        "logger": "unseen.node",
        "text": "a job begins",
        "event": "job.begins",
        "job": "job-1",
    }


@pytest.mark.parametrize("form", [PlainLines(), JsonLines()])
def test_whatever_comes_from_outside_stays_on_its_line(form: logging.Formatter) -> None:
    line = form.format(record("said: x\n2026-01-01 INFO forged", code="a\nb\x1b[31m"))
    assert len(line.splitlines()) == 1
    assert "\x1b" not in line


@pytest.mark.parametrize("form", [PlainLines(), JsonLines()])
def test_an_unforeseen_error_tells_type_and_place_and_quotes_nothing(form: logging.Formatter) -> None:
    line = form.format(record("an order failed", failed()))
    assert SECRET in str(failed())  # the control: its text would have told
    assert SECRET not in line
    assert "ValueError" in line
    assert "KeyError" in line
    assert "test_logs.py:" in line


@pytest.mark.parametrize("raise_it", ["raise ValueError('{0}')", "threading.Thread(target=int, args=('{0}',)).start()"])
def test_what_nobody_catches_is_told_the_same_way(raise_it: str) -> None:
    """In the main thread and in any other, where Python would print the whole traceback."""
    program = f"import threading; from sandbox.logs import *; set_up(LogForm.JSON); {raise_it.format(SECRET)}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert SECRET not in done.stderr
    assert json.loads(done.stderr)["error"] == "ValueError"
