"""From released numbers to the table: output expressions and their errors, HAVING, ORDER BY, LIMIT, suppression."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import pytest

from jobs.kinds.statistics.answer import AnswerTable, table
from jobs.kinds.statistics.answer_expr import Number
from jobs.kinds.statistics.plan.compile import compile_sql
from jobs.kinds.statistics.plan.types import Plan
from jobs.schema import CatalogueView

VECTORS = Path(__file__).parents[2] / "vectors" / "plans"
CATALOGUE = CatalogueView.model_validate_json((VECTORS / "catalogue.json").read_text())


def plan_of(sql: str) -> Plan:
    return compile_sql(sql, CATALOGUE)


Given = Number | Decimal | int | None


def answered(sql: str, by_function: dict[str, list[Given]], **parameters: int) -> AnswerTable:
    """Plain numbers are exact."""
    plan = plan_of(sql)
    released = [
        [
            number if number is None or isinstance(number, Number) else Number(number)
            for number in by_function[a.function]
        ]
        for a in plan.aggregates
    ]
    return table(plan, released, dict(parameters), noisy=True)


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


# --- standard errors ------------------------------------------------------------------------------------------------


Stated = tuple[Decimal | int, str]
"""A number and its error."""


def noisy(sql: str, numbers: Mapping[str, Stated]) -> tuple[object, Decimal | None]:
    """The only output of a statement without groups."""
    found = answered(sql, {name: [Number(value, Decimal(error))] for name, (value, error) in numbers.items()})
    assert [column.noisy for column in found.columns] == [found.columns[0].type != "bool"]
    return found.rows[0][0], found.errors[0][0]


COUNT, SUM, MEAN = (100, "3"), (2000, "30"), (Decimal("20.0"), "0.67")


@pytest.mark.parametrize(
    ("output", "value", "error"),
    [
        ("COUNT(*)", 100, "3"),
        ("-COUNT(*)", -100, "3"),
        ("ABS(-COUNT(*))", 100, "3"),
        ("COUNT(*) + 7", 108, "3"),  # on the grid below its error: even numbers
        ("COUNT(*) * 10", 1000, "30"),
        ("COUNT(*) - 2 * COUNT(*)", -100, "6.7"),  # as if its two errors were independent: 3 and 6
        ("SUM(arr_delay) + COUNT(*)", 2100, "30"),
        ("SUM(arr_delay) / COUNT(*)", 20, "0.67"),  # the root of 0.3^2 + 0.6^2
        ("COUNT(*) / 3", 33, "1"),
        ("1000 / COUNT(*)", 10, "0.3"),
        ("SUM(arr_delay) * COUNT(*)", 200000, "6700"),
        ("ROUND(COUNT(*) / 3, 2)", Decimal("33.33"), "1"),  # a ROUND that was asked for stays
        ("AVG(arr_delay) + AVG(arr_delay)", 40, "0.95"),
        ("COUNT(*) / 0", None, None),
    ],
)  # fmt: skip
def test_errors_go_through_arithmetic_as_independent_ones(output: str, value: object, error: str | None) -> None:
    numbers: dict[str, Stated] = {"count_rows": COUNT, "sum": SUM, "avg": MEAN}
    plan = plan_of(f"SELECT {output} AS x FROM flights")
    given: dict[str, Stated] = {a.function: numbers[a.function] for a in plan.aggregates}
    found, stated = noisy(f"SELECT {output} AS x FROM flights", given)
    assert found == value
    assert stated == (None if error is None else Decimal(error))


@pytest.mark.parametrize("output", ["COUNT(*) > 99", "COUNT(*) = 100 AND SUM(arr_delay) <= 2000"])
def test_comparisons_go_by_the_value_and_have_no_error(output: str) -> None:
    plan = plan_of(f"SELECT {output} AS x FROM flights")
    numbers: dict[str, Stated] = {"count_rows": COUNT, "sum": SUM}
    given: dict[str, Stated] = {a.function: numbers[a.function] for a in plan.aggregates}
    assert noisy(f"SELECT {output} AS x FROM flights", given) == (True, None)


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        ("5.196152422706631880582339025", "5.2"),
        ("0.03333", "0.033"),
        ("99.6", "100"),
        ("3", "3"),
        ("1234567", "1200000"),
    ],
)
def test_an_error_is_stated_with_two_digits_that_count(error: str, shown: str) -> None:
    _, stated = noisy("SELECT COUNT(*) AS x FROM flights", {"count_rows": (100, error)})
    assert stated is not None
    assert format(stated, "f") == shown


def test_only_numbers_made_of_aggregates_have_errors_and_none_where_nothing_is_added() -> None:
    sql = "SELECT engines, COUNT(*) AS n, COUNT(*) > 5 AS many, 3 AS three FROM flights JOIN planes USING (tailnum) GROUP BY engines"
    found = answered(sql, {"count_rows": [Number(10, Decimal(3)), None, Number(4), Number(8, Decimal(3))]})
    assert [column.noisy for column in found.columns] == [False, True, False, False]
    assert [row[1] for row in found.errors] == [Decimal(3), None, None, Decimal(3)]
    assert {row[n] for row in found.errors for n in (0, 2, 3)} == {None}
    exact = table(plan_of(sql), [[Number(10), None, Number(4), Number(8)]], noisy=False)
    assert not any(column.noisy for column in exact.columns)


def test_order_and_having_go_by_values() -> None:
    sql = "SELECT engines, COUNT(*) AS n FROM flights JOIN planes USING (tailnum) GROUP BY engines HAVING n >= 5 ORDER BY n DESC"
    numbers: list[Given] = [Number(value, Decimal(error)) for value, error in ((10, 1), (30, 9), (4, 2), (20, 1))]
    assert [row[0] for row in answered(sql, {"count_rows": numbers}).rows] == [2, 4, 1]
