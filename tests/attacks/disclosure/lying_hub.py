"""``python -m tests.attacks.disclosure.lying_hub hub serve --config FILE``: the real hub, whose referee adds 1,000."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from jobs.documents import canonical, parse_canonical
from jobs.kinds.base import Case, Turn
from jobs.kinds.statistics.referee import StatisticsReferee
from sandbox.cli.main import app

honest = StatisticsReferee.advance


def advance(
    self: StatisticsReferee, case: Case, state: bytes | None, round: str, sequence: int, bodies: Mapping[str, bytes]
) -> Turn:
    turn = honest(self, case, state, round, sequence, bodies)
    return (
        turn if turn.output is None else replace(turn, output=replace(turn.output, content=more(turn.output.content)))
    )


def more(content: bytes) -> bytes:
    """The same table with every whole number a thousand larger."""
    value: dict[str, Any] = parse_canonical(content)
    value["rows"] = [[item + 1000 if type(item) is int else item for item in row] for row in value["rows"]]
    return canonical(value)


if __name__ == "__main__":
    StatisticsReferee.advance = advance  # type: ignore[method-assign]
    app()
