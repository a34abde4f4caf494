"""Turns the errors of one check into a ``ReceiptRefused`` that names the check."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from jobs.errors import BadSignature, JobError
from sandbox.errors import ReceiptRefused, SandboxError


@contextmanager
def step(name: str) -> Iterator[None]:
    """Run a check; any typed error in it becomes ``ReceiptRefused(name, ...)`` with the error as its cause."""
    try:
        yield
    except ReceiptRefused:
        raise
    except BadSignature as error:
        raise ReceiptRefused(name, f"{name}: {error}: it was changed after signing, or others signed it") from error
    except (JobError, SandboxError) as error:
        raise ReceiptRefused(name, f"{name}: {error}") from error
