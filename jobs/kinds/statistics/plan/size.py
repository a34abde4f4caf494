"""A table that its profile would never release is refused before anybody approves it, not when numbers have left."""

from __future__ import annotations

import json
from collections.abc import Sequence
from math import prod

from jobs.disclosure.profile import load_profile
from jobs.kinds.statistics.plan.errors import TooLarge
from jobs.kinds.statistics.plan.expr import Dim, Quantile
from jobs.kinds.statistics.plan.types import Dimension, Output

_NUMBER = 64
"""Bytes of a number in a row, at most, with what stands around it."""


def check_size(dimensions: Sequence[Dimension], outputs: Sequence[Output], limit: int | None, profile: str) -> None:
    """Raise ``TooLarge`` unless even the largest table of this plan is within its profile's output limits.

    Every cell is a row, empty or not; what HAVING would drop is not known before, so only LIMIT makes a table shorter.
    """
    rules = load_profile(profile)
    cells = prod(len(d.domain) for d in dimensions)
    rows = cells if limit is None else min(cells, limit)
    if rows > rules.max_rows:
        raise TooLarge(
            f"the table may have {rows:,} rows; profile {rules.id} releases at most {rules.max_rows:,}: "
            f"group more coarsely, or add ORDER BY and LIMIT {rules.max_rows}"
        )
    size = rows * sum(_bytes(output, dimensions) for output in outputs)
    if size > rules.max_bytes:
        raise TooLarge(
            f"the table may have {size:,} bytes; profile {rules.id} releases at most {rules.max_bytes:,}: "
            "show fewer columns, group more coarsely, or add a LIMIT"
        )


def _bytes(output: Output, dimensions: Sequence[Dimension]) -> int:
    """Of this output in one row, at most: the longest value of a group, or a number and what its expression spells."""
    if isinstance(output.expr, Dim):
        return _longest(dimensions[output.expr.index])
    longest = max((_longest(dimension) for dimension in dimensions), default=0)
    if isinstance(output.expr, Quantile):
        return 3 * _NUMBER  # with its interval
    return _NUMBER + longest + len(output.expr.model_dump_json())


def _longest(dimension: Dimension) -> int:
    return 2 + max(len(json.dumps(value, default=str)) for value in dimension.domain)
