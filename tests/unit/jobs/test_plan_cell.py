"""The name of a question: one for all spellings of one number, another for every other number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jobs.kinds.statistics.plan.cell import cell_questions
from jobs.kinds.statistics.plan.compile import compile_sql
from jobs.schema import CatalogueView

VECTORS = Path(__file__).parents[2] / "vectors" / "plans"
GUARDED = CatalogueView.model_validate_json((VECTORS / "guarded.json").read_text())
OPEN = GUARDED.model_copy(
    update={"datasets": tuple(d.model_copy(update={"profile": "open@1"}) for d in GUARDED.datasets)}
)


def asked(
    sql: str, kind: str = "rows", cell: tuple[Any, ...] = (), catalogue: CatalogueView = OPEN, **parameters: Any
) -> bytes:
    """The question of this kind of number in this cell."""
    plan = compile_sql(sql, catalogue)
    [channel] = [number for number, channel in enumerate(plan.channels) if channel.kind == kind]
    return cell_questions(plan, parameters)[channel][plan.cell_keys().index(cell)]


SAME: dict[str, list[tuple[Any, ...]]] = {
    "a group, a condition, a filter, a list, a parameter": [
        ("SELECT carrier, COUNT(*) AS n FROM flights GROUP BY carrier", "rows", ("AA",)),
        ("SELECT COUNT(*) AS n FROM flights WHERE carrier = 'AA'",),
        ("SELECT COUNT(*) AS n FROM flights WHERE carrier IN ('AA') AND carrier <> 'DL'",),
        ("SELECT COUNT(*) AS n FROM flights WHERE carrier = :c", "rows", (), {"c": "AA"}),
        ("SELECT COUNT(*) FILTER (WHERE 'AA' = carrier) AS many FROM flights",),
        ("SELECT carrier, COUNT(*) AS n FROM flights WHERE carrier IN ('AA', 'DL') GROUP BY carrier", "rows", ("AA",)),
        ("SELECT carrier, COUNT(*) AS n, SUM(distance) AS s FROM flights GROUP BY carrier", "rows", ("AA",)),
        ("SELECT COUNT(distance) AS n FROM flights WHERE carrier IN ('AA', 'UA') AND carrier IN ('DL', 'AA')",),
        ("SELECT carrier, CASE WHEN carrier = 'AA' THEN 'x' ELSE 'y' END AS g, COUNT(*) AS n FROM flights GROUP BY 1, 2",
         "rows", ("AA", "x")),
    ],
    "two groups in either order, or one of them chosen": [
        ("SELECT carrier, cause, COUNT(*) AS n FROM flights GROUP BY 1, 2", "rows", ("AA", "crew")),
        ("SELECT cause, carrier, COUNT(*) AS n FROM flights GROUP BY 1, 2", "rows", ("crew", "AA")),
        ("SELECT cause, COUNT(*) AS n FROM flights WHERE carrier = 'AA' GROUP BY 1", "rows", ("crew",)),
        ("SELECT carrier, COUNT(*) FILTER (WHERE cause = 'crew') AS n FROM flights GROUP BY 1", "rows", ("AA",)),
    ],
    "a bucket and its ends": [
        ("SELECT FLOOR(arr_delay / 10) AS g, COUNT(*) AS n FROM flights GROUP BY 1", "rows", (3,)),
        ("SELECT FLOOR(arr_delay / 10) * 10 AS g, COUNT(*) AS n FROM flights GROUP BY 1", "rows", (30,)),
        ("SELECT COUNT(*) AS n FROM flights WHERE arr_delay BETWEEN 30 AND 39",),
        ("SELECT COUNT(*) AS n FROM flights WHERE arr_delay >= 30 AND arr_delay < 40 AND arr_delay IS NOT NULL",),
        ("SELECT COUNT(*) AS n FROM flights WHERE arr_delay >= 30 AND arr_delay < :p AND arr_delay > 12", "rows", (), {"p": 40}),
        ("SELECT COUNT(arr_delay) AS n FROM flights WHERE FLOOR(arr_delay / 10) = 3",),
    ],
    "a bucket whose ends are not whole": [
        ("SELECT FLOOR(fuel / 2500.5) AS g, COUNT(*) AS n FROM flights WHERE fuel < 50000 GROUP BY 1", "rows", (3,)),
        ("SELECT COUNT(*) AS n FROM flights WHERE fuel >= 7501.5 AND fuel < 10002",),
        ("SELECT COUNT(*) AS n FROM flights WHERE fuel BETWEEN 7501.50 AND 10001.99",),
    ],
    "values that are there, in three ways": [
        ("SELECT COUNT(arr_delay) AS n FROM flights",),
        ("SELECT COUNT(*) AS n FROM flights WHERE arr_delay IS NOT NULL",),
        ("SELECT AVG(arr_delay) AS n FROM flights",),
        ("SELECT COUNT(*) AS n FROM flights WHERE arr_delay >= -200",),
    ],
    "a sum": [
        ("SELECT SUM(arr_delay) AS n FROM flights WHERE cancelled", "sum"),
        ("SELECT AVG(arr_delay) AS n FROM flights WHERE cancelled = TRUE AND arr_delay IS NOT NULL", "sum"),
        ("SELECT cancelled, STDDEV(arr_delay) AS n FROM flights GROUP BY 1", "sum", (True,)),
    ],
    "nothing there": [
        ("SELECT cause, COUNT(*) AS n FROM flights GROUP BY 1", "rows", (None,)),
        ("SELECT COUNT(*) AS n FROM flights WHERE cause IS NULL",),
    ],
    "dates": [
        ("SELECT COUNT(*) AS n FROM flights WHERE birth > '2001-01-31' AND birth < '2001-03-01'",),
        ("SELECT COUNT(*) AS n FROM flights WHERE birth BETWEEN '2001-02-01' AND DATE '2001-02-28' AND birth < '2002-01-01'",),
    ],
    "individuals": [
        ("SELECT COUNT(DISTINCT shop) AS n FROM shops WHERE turnover > 5", "distinct"),
        ("SELECT COUNT(DISTINCT shop) AS m, COUNT(*) AS n FROM shops WHERE turnover >= 5.01", "distinct"),
    ],
}  # fmt: skip


def question(spelling: tuple[Any, ...]) -> bytes:
    defaults: tuple[Any, ...] = ("", "rows", (), {})
    sql, kind, cell, parameters = spelling + defaults[len(spelling) :]
    return asked(sql, kind, cell, **parameters)


@pytest.mark.parametrize("name", SAME)
def test_one_number_is_one_question(name: str) -> None:
    assert len({question(spelling) for spelling in SAME[name]}) == 1


def test_other_numbers_are_other_questions() -> None:
    firsts = [question(spellings[0]) for spellings in SAME.values()]
    others = [
        asked("SELECT COUNT(*) AS n FROM flights"),
        asked("SELECT COUNT(*) AS n FROM flights WHERE carrier = :c", c="DL"),
        asked("SELECT COUNT(*) AS n FROM flights WHERE carrier = 'AA' AND month = 1"),
        asked("SELECT COUNT(*) AS n FROM flights WHERE carrier = 'AA' OR month = 1"),
        asked("SELECT COUNT(*) AS n FROM flights WHERE carrier <> 'AA'"),
        asked("SELECT COUNT(*) AS n FROM flights WHERE month IN (1, 2)"),
        asked("SELECT COUNT(*) AS n FROM flights WHERE month = 1"),
        asked("SELECT COUNT(*) AS n FROM flights WHERE arr_delay BETWEEN 30 AND 40"),
        asked("SELECT COUNT(*) AS n FROM flights WHERE arr_delay BETWEEN 31 AND 39"),
        asked("SELECT COUNT(*) AS n FROM flights WHERE arr_delay BETWEEN 30 AND 39 AND fuel > 5"),
        asked("SELECT COUNT(*) AS n FROM flights WHERE arr_delay IS NULL"),
        asked("SELECT VAR_POP(arr_delay) AS n FROM flights WHERE cancelled", "sumsq"),
        asked("SELECT SUM(fuel) AS n FROM flights WHERE cancelled", "sum"),
        asked("SELECT SUM(arr_delay) AS n FROM flights WHERE NOT cancelled", "sum"),
        asked("SELECT COUNT(*) AS n FROM shops WHERE turnover > 5"),
        asked("SELECT COUNT(*) AS n FROM flights JOIN planes USING (tailnum)"),
        asked("SELECT COUNT(*) AS n FROM flights LEFT JOIN planes USING (tailnum)"),
    ]
    assert len({*firsts, *others}) == len(firsts) + len(others)


def test_every_cell_of_every_number_is_a_question_of_its_own() -> None:
    plan = compile_sql(
        "SELECT carrier, month, cause, FLOOR(arr_delay / 1000) AS g, COUNT(*) AS n, VAR_POP(arr_delay) AS v, "
        "SUM(fuel) FILTER (WHERE cancelled) AS s FROM flights WHERE month < 9 GROUP BY 1, 2, 3, 4",
        OPEN,
    )
    found = cell_questions(plan, {})
    assert [len(cells) for cells in found] == [plan.cells] * len(plan.channels)
    different = {name for cells in found for name in cells}
    # where there is a delay anyway, its rows are the cell's rows: only the group without one tells them apart
    counts = [n for n, channel in enumerate(plan.channels) if channel.kind == "rows" and channel.filter is None]
    assert len(counts) == 2
    alike = sum(a == b for a, b in zip(*(found[n] for n in counts), strict=True))
    assert alike == sum(key[3] is not None for key in plan.cell_keys())
    assert len(different) == plan.cells * len(plan.channels) - alike


def test_the_size_of_the_noise_is_part_of_the_name() -> None:
    """One noise in two sizes would be solved for: other bounds, other noise."""
    flights, *rest = GUARDED.datasets
    wider = tuple(
        c.model_copy(update={"bounds": c.bounds.model_copy(update={"high": "4000"})}) if c.name == "arr_delay" and c.bounds else c
        for c in flights.columns
    )  # fmt: skip
    other = GUARDED.model_copy(update={"datasets": (flights.model_copy(update={"columns": wider}), *rest)})
    sql = "SELECT SUM(arr_delay) AS s FROM flights WHERE cancelled"
    assert asked(sql, "sum", catalogue=GUARDED) != asked(sql, "sum", catalogue=other)
    assert asked(sql, "rows", catalogue=GUARDED) == asked(sql, "rows", catalogue=other)
    assert asked(sql, "rows", catalogue=GUARDED) != asked(sql, "rows")  # no noise at all


def test_where_parts_make_up_the_noise_together_the_owners_that_share_it_are_part_of_the_name() -> None:
    flights, *rest = GUARDED.datasets
    together = [
        GUARDED.model_copy(update={"datasets": (flights.model_copy(update={"colluding_owners": count}), *rest)})
        for count in (0, 2)
    ]
    sql = "SELECT COUNT(*) AS n FROM flights WHERE cancelled"
    assert asked(sql, catalogue=together[1]) == asked(sql, catalogue=GUARDED)  # one honest part alone: the same noise
    assert asked(sql, catalogue=together[0]) != asked(sql, catalogue=GUARDED)


def test_who_asks_and_how_many_hold_changes_nothing() -> None:
    alone = OPEN.model_copy(update={"holdings": tuple(h for h in OPEN.holdings if h.owner == "ewr")})
    sql = "SELECT AVG(fuel) AS mean, COUNT(*) AS n FROM flights WHERE cancelled"
    assert asked(sql, "sum") == asked("SELECT SUM(fuel) AS s FROM flights WHERE cancelled", "sum", catalogue=alone)
