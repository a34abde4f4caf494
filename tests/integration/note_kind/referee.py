"""Counts marks, or fails in the way that its plan names: with an exception that nobody foresaw."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from jobs.documents import canonical
from jobs.kinds.base import Case, File, Output, Rendered, Say, Turn
from mpc.errors import MalformedMessage


class NoteReferee:
    def check(self, case: Case, state: bytes | None, round: str, sequence: int, sender: str, body: bytes) -> None:
        _fail(case, "check")
        if body != b"mark":
            raise MalformedMessage("a mark is a mark")

    def advance(self, case: Case, state: bytes | None, round: str, sequence: int, bodies: Mapping[str, bytes]) -> Turn:
        _fail(case, "advance")
        say = [Say("nowhere", b"")] if case.plan.fault == "round" else []
        output = Output(canonical({"marks": len(bodies)}), len(bodies), 0, {"marks": 1}, {"decision": "release"})
        return Turn(say=say, output=output)

    def warm(self) -> None:
        return

    def render(self, case: Case, content: bytes, release: str, source: str) -> Rendered:
        _fail(case, "render")
        shown: dict[str, Any] = {"marks": math.nan if case.plan.fault == "shown" else 3, "source_line": source}
        return Rendered(shown, (File("json", "application/json", content),))


def _fail(case: Case, where: str) -> None:
    if case.plan.fault == where:
        raise ZeroDivisionError(f"a secret of {where}")


REFEREE = NoteReferee()
