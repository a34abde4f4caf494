"""Which cut points a column may declare: those that a condition can use, in one order, and no other."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from jobs.schema import Column


def column(points: list[str], **more: Any) -> Column:
    plain = {"name": "x", "type": "int", "role": "measure", "bounds": {"low": "-10", "high": "100"}}
    return Column.model_validate({**plain, "cut_points": points, **more})


@pytest.mark.parametrize(
    ("points", "more"),
    [
        (["-10", "0", "15", "100"], {}),
        (["1.5", "1.75", "2"], {"type": "decimal", "decimals": 2}),
        (["2.50"], {"type": "decimal", "decimals": 1}),
        (["5", "200"], {"bounds": None}),
        (["2013-01-01"], {"type": "date", "role": "sensitive", "bounds": None}),
        (["2013-01-01", "2013-01-01T08:00:00"], {"type": "timestamp", "bounds": {"low": "2013-01-01", "high": "2014-01-01"}}),
        ([str(n) for n in range(64)], {}),
    ],
)  # fmt: skip
def test_good_ones(points: list[str], more: dict[str, Any]) -> None:
    assert column(points, **more).cut_points == tuple(points)


@pytest.mark.parametrize(
    ("points", "more", "why"),
    [
        (["5"], {"domain": [1, 5]}, "without a domain"),
        (["5"], {"type": "string", "bounds": None}, "numbers and dates"),
        (["5"], {"type": "bool", "bounds": None}, "numbers and dates"),
        (["2013-01-01"], {}, "another kind"),
        (["5"], {"type": "date", "bounds": None}, "another kind"),
        (["2013-01-01T08:00:00"], {"type": "date", "bounds": None}, "times of day"),
        (["1.5"], {}, "more decimals"),
        (["5", "3"], {}, "ascend"),
        (["5", "5"], {}, "ascend"),
        (["5.0", "5"], {"type": "decimal", "decimals": 1}, "ascend"),
        (["-11", "5"], {}, "within the bounds"),
        (["5", "101"], {}, "within the bounds"),
        (["2013-01-01", "2015-01-01"], {"type": "date", "bounds": {"low": "2012-01-01", "high": "2014-01-01"}}, "bounds"),
        ([str(n) for n in range(65)], {}, "64"),
        (["1e3"], {}, "pattern"),
    ],
)  # fmt: skip
def test_others(points: list[str], more: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        column(points, **more)
