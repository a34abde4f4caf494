"""What a plan answers about tables in memory, without noise and rules: for comparison with a database."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pyarrow as pa

from jobs.kinds.statistics.answer import typed
from jobs.kinds.statistics.answer_expr import Cell, Number, Result, evaluate_output, plain
from jobs.kinds.statistics.estimate import COUNTS, estimate
from jobs.kinds.statistics.plan.types import Aggregate, Plan
from jobs.kinds.statistics.run import run_local
from jobs.schema import Scalar


def answers(plan: Plan, tables: Mapping[str, pa.Table], parameters: Mapping[str, Scalar]) -> list[tuple[Any, ...]]:
    """The rows of the answer, of every cell that WHERE and HAVING leave; those of empty cells too."""
    sources = {
        name: (lambda names, table=table: table.select(list(names)).to_reader()) for name, table in tables.items()
    }
    totals = run_local(plan, dict(parameters), sources).values
    rows = []
    for place, key in enumerate(plan.cell_keys()):
        groups: list[Result] = [typed(d, value) for d, value in zip(plan.dimensions, key, strict=True)]
        numbers = [
            _number(plan, aggregate, [int(totals[i][place]) for i in aggregate.channels])
            for aggregate in plan.aggregates
        ]
        cell = Cell(groups, numbers, dict(parameters))
        if plan.having is None or evaluate_output(plan.having, cell) is True:
            rows.append(tuple(plain(evaluate_output(output.expr, cell)) for output in plan.outputs))
    return rows


def _number(plan: Plan, aggregate: Aggregate, totals: list[int]) -> Number | None:
    parts = [
        total * Fraction(1, 10 ** plan.channels[i].scale) for total, i in zip(totals, aggregate.channels, strict=True)
    ]
    if aggregate.function in COUNTS:
        return Number(int(parts[0]))
    if parts[0] < (2 if aggregate.function.endswith("samp") else 1):
        return None
    estimated = estimate(aggregate.function, parts, [Fraction(0)] * len(parts))
    if estimated is None:
        return None
    found = estimated.value
    value = Decimal(found.numerator) / Decimal(found.denominator)
    return Number(value.sqrt() if aggregate.function.startswith("stddev") else value)
