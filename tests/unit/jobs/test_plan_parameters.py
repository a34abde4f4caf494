"""Parameters: typed, from the compared column's domain and bounds; nothing missing, unknown or outside passes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jobs.kinds.statistics.plan.compile import compile_sql
from jobs.kinds.statistics.plan.errors import InvalidParameter
from jobs.kinds.statistics.plan.parameters import check_parameters
from jobs.schema import CatalogueView

VECTORS = Path(__file__).parents[2] / "vectors" / "plans"
CATALOGUE = CatalogueView.model_validate_json((VECTORS / "catalogue.json").read_text())
PLAN = compile_sql(
    "SELECT COUNT(*) AS n FROM flights WHERE carrier = :carrier AND arr_delay > :delay AND fuel < :fuel "
    "AND day >= :start AND cancelled = :off HAVING COUNT(*) > :least",
    CATALOGUE,
)
GOOD: dict[str, Any] = {
    "carrier": "AA", "delay": "15.0", "fuel": "12.50", "start": "2013-03-01", "off": False, "least": 10,
}  # fmt: skip


def test_good_values_come_back_canonical() -> None:
    assert check_parameters(PLAN, GOOD) == {
        "carrier": "AA", "delay": 15, "fuel": "12.5", "start": "2013-03-01", "off": False, "least": 10,
    }  # fmt: skip


def test_types_domains_and_bounds_come_from_the_columns() -> None:
    found = {p.name: (p.type, p.low, p.high, p.allowed is not None) for p in PLAN.parameters}
    assert found["carrier"] == ("string", None, None, True)
    assert found["delay"] == ("number", "-200", "2000", False)
    assert found["start"] == ("date", "2013-01-01", "2013-12-31", False)
    assert found["least"] == ("number", None, None, False)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("carrier", "ZZ"), ("carrier", 5), ("carrier", None), ("delay", 5000), ("delay", "1.5"), ("delay", True),
        ("delay", "x' OR 1=1"), ("fuel", "0.001"), ("start", "2014-01-01"), ("start", "today"), ("off", "false"),
        ("off", 0), ("least", 1.5), ("least", "1e9"), ("least", "NaN"),
    ],
)  # fmt: skip
def test_other_values_are_refused_without_being_quoted(name: str, value: Any) -> None:
    with pytest.raises(InvalidParameter) as caught:
        check_parameters(PLAN, GOOD | {name: value})
    assert f":{name}" in str(caught.value)
    assert not isinstance(value, str) or value not in str(caught.value)


def test_missing_and_unknown_names_are_refused() -> None:
    with pytest.raises(InvalidParameter, match=":carrier"):
        check_parameters(PLAN, {k: v for k, v in GOOD.items() if k != "carrier"})
    with pytest.raises(InvalidParameter, match=":extra"):
        check_parameters(PLAN, GOOD | {"extra": 1})


def test_a_slip_of_the_pen_is_told_by_the_nearest_declared_value() -> None:
    with pytest.raises(InvalidParameter, match="carrier is not among the declared values, did you mean UA"):
        check_parameters(PLAN, GOOD | {"carrier": "ua"})
    with pytest.raises(InvalidParameter, match="; declared: 9E, AA, B6, DL, UA, WN"):
        check_parameters(PLAN, GOOD | {"carrier": "Delta Air Lines"})
