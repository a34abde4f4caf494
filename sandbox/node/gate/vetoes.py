"""How many cells of a unit domain were closed by rules that look at secret values: each tells one bit.

Counted as pieces of the audit, so the count cannot be set back. Every count is a transaction of its own, committed
before anything is refused or said for it: a refusal that gave the count back could be repeated without end.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from sqlalchemy import Connection

from jobs.documents import canonical, parse_canonical
from sandbox.node.gate.errors import VetoesUsed
from sandbox.node.gate.pieces import VETOES, Pieces


class Vetoes:
    """``write`` opens a transaction of the node's database."""

    def __init__(self, pieces: Pieces, write: Callable[[], AbstractContextManager[Connection]]) -> None:
        self._pieces = pieces
        self._write = write

    def add(self, domain: str, job: str, cells: int, limit: int) -> int:
        """Count a job's vetoes; returns the total. Raises ``VetoesUsed`` if it is above the limit, and counts all the
        same: the job must then say nothing of its cells."""
        if cells < 0:
            raise ValueError("vetoes are not taken back")
        with self._write() as connection:
            self._pieces.check(connection)
            total = self.total(connection, domain) + cells
            if cells:
                self._pieces.append(connection, domain, VETOES, canonical({"job": job, "cells": cells}))
        if total > limit:
            raise VetoesUsed(f"rules about secret values have closed more than the {limit} cells that they may close")
        return total

    def total(self, connection: Connection, domain: str) -> int:
        """How many so far; raises ``IntegrityFailure`` for a piece that was altered."""
        return sum(
            int(parse_canonical(content)["cells"]) for _, content in self._pieces.read(connection, domain, VETOES)
        )
