"""From totals to the table: exact rationals, output expressions on released numbers, HAVING, ORDER BY, LIMIT, suppression."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from jobs.kinds.statistics.answer import AnswerTable, ExactValue, exact, table
from jobs.kinds.statistics.plan.compile import compile_sql
from jobs.kinds.statistics.plan.types import Plan
from jobs.schema import CatalogueView

VECTORS = Path(__file__).parents[2] / "vectors" / "plans"
CATALOGUE = CatalogueView.model_validate_json((VECTORS / "catalogue.json").read_text())


def plan_of(sql: str) -> Plan:
    return compile_sql(sql, CATALOGUE)


def answered(sql: str, by_function: dict[str, list[Decimal | int | None]], **parameters: int) -> AnswerTable:
    plan = plan_of(sql)
    return table(plan, [by_function[aggregate.function] for aggregate in plan.aggregates], dict(parameters))


def test_totals_become_exact_rationals() -> None:
    plan = plan_of(
        "SELECT AVG(fuel) AS a, SUM(fuel) AS s, STDDEV(fuel) AS d, VAR_POP(fuel) AS v, COUNT(fuel) AS n FROM flights"
    )
    by_kind = {"rows": 3, "sum": 700, "sumsq": 210000}  # 1.00, 2.00 and 4.00
    found = exact(plan, [[by_kind[channel.kind]] for channel in plan.channels])
    values = {a.function: row[0] for a, row in zip(plan.aggregates, found, strict=True)}
    assert values["avg"] == ExactValue(Fraction(7, 3), 3, False)
    assert values["sum"] == ExactValue(Fraction(7), 3, False)
    assert values["var_pop"] == ExactValue(Fraction(14, 9), 3, False)
    assert values["stddev_samp"] == ExactValue(Fraction(7, 3), 3, True)
    assert values["count"] == ExactValue(Fraction(3), 3, False)


@pytest.mark.parametrize(
    ("rows", "function", "value"),
    [(0, "AVG", None), (0, "SUM", None), (1, "VAR_SAMP", None), (1, "VAR_POP", Fraction(0))],
)
def test_too_few_rows_are_null_as_in_sql(rows: int, function: str, value: Fraction | None) -> None:
    plan = plan_of(f"SELECT {function}(arr_delay) AS x FROM flights")
    totals = {"rows": rows, "sum": 5 * rows, "sumsq": 25 * rows}
    found = exact(plan, [[totals[channel.kind]] for channel in plan.channels])[0][0]
    assert found is not None
    assert found.value == value


def test_a_channel_that_was_not_opened_gives_nothing() -> None:
    plan = plan_of("SELECT AVG(arr_delay) AS x FROM flights")
    assert exact(plan, [[5], [None]]) == [[None]]


def test_suppression_spreads_to_whatever_is_computed_from_it() -> None:
    found = answered(
        "SELECT engines, COUNT(*) AS n, SUM(arr_delay) / COUNT(*) AS ratio, COUNT(*) * 2 AS twice "
        "FROM flights JOIN planes USING (tailnum) GROUP BY engines",
        {"count_rows": [10, None, 4, 0], "sum": [Decimal(5), Decimal(7), None, Decimal(1)]},
    )
    assert [c.name for c in found.columns] == ["engines", "n", "ratio", "twice"]
    assert [c.type for c in found.columns] == ["integer", "integer", "decimal", "decimal"]
    assert found.rows == (
        (1, 10, Decimal("0.5"), 20),
        (2, None, None, None),
        (3, 4, None, 8),
        (4, 0, None, 0),  # a division by zero is NULL, and is not marked
    )
    assert found.suppressed == ((False,) * 4, (False, True, True, True), (False, False, True, False), (False,) * 4)


def test_having_drops_rows_that_are_not_known_to_qualify() -> None:
    sql = "SELECT engines, COUNT(*) AS n FROM flights JOIN planes USING (tailnum) GROUP BY engines HAVING n >= :least"
    found = answered(sql, {"count_rows": [10, None, 4, 5]}, least=5)
    assert [row[0] for row in found.rows] == [1, 4]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("n", [3, 4, 1, 2]),
        ("n DESC", [1, 4, 3, 2]),
        ("2 DESC, 1", [1, 4, 3, 2]),
        ("COUNT(*) * -1", [1, 4, 3, 2]),
        ("engines DESC", [4, 3, 2, 1]),
    ],
)
def test_order_puts_suppressed_numbers_last(order: str, expected: list[int]) -> None:
    sql = f"SELECT engines, COUNT(*) AS n FROM flights JOIN planes USING (tailnum) GROUP BY engines ORDER BY {order}"
    assert [row[0] for row in answered(sql, {"count_rows": [10, None, 4, 5]}).rows] == expected
    assert len(answered(f"{sql} LIMIT 2", {"count_rows": [10, None, 4, 5]}).rows) == 2


def test_dimension_values_come_back_in_their_own_types() -> None:
    sql = "SELECT DATE_TRUNC('quarter', day) AS q, cancelled AS c, COUNT(*) AS n FROM flights GROUP BY q, c ORDER BY q DESC, c LIMIT 3"
    found = answered(sql, {"count_rows": list(range(12))})
    assert found.rows[0] == (dt.date(2013, 10, 1), False, 9)
    assert [row[1] for row in found.rows] == [False, True, None]
    ranges = answered(
        "SELECT FLOOR(fuel / 2500.5) * 2500.5 AS r, COUNT(*) AS n FROM flights GROUP BY r", {"count_rows": [1] * 41}
    )
    assert ranges.rows[:2] == ((Decimal(0), 1), (Decimal("2500.5"), 1))
    assert ranges.rows[-1][0] is None


def test_rounding_and_logic_of_outputs() -> None:
    found = answered(
        "SELECT ROUND(AVG(arr_delay), 1) AS a, ROUND(SUM(distance), -2) AS b, ABS(AVG(arr_delay)) AS c, "
        "AVG(arr_delay) < 0 OR COUNT(*) > 5 AS d, -AVG(arr_delay) AS e FROM flights",
        {"avg": [Decimal("-1.25")], "sum": [Decimal(1250)], "count_rows": [None]},
    )
    assert found.rows == ((Decimal("-1.3"), Decimal(1300), Decimal("1.25"), True, Decimal("1.25")),)
    assert found.suppressed == ((False,) * 5,)
