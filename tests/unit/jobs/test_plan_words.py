"""What a plan in words says of noise, base, verdicts and readers is what its profile and its holders make of it."""

from __future__ import annotations

from pathlib import Path

from jobs.kinds.statistics.plan.compile import compile_sql
from jobs.kinds.statistics.plan.expr import Col
from jobs.kinds.statistics.plan.words import PlanWords, explain
from jobs.schema import CatalogueView

VECTORS = Path(__file__).parents[2] / "vectors" / "plans"
GUARDED = CatalogueView.model_validate_json((VECTORS / "guarded.json").read_text())
OPEN = GUARDED.model_copy(
    update={"datasets": tuple(d.model_copy(update={"profile": "open@1"}) for d in GUARDED.datasets)}
)
SQL = (
    "SELECT carrier, cause, COUNT(*) AS n, SUM(fuel) AS s, AVG(arr_delay) AS m, STDDEV(arr_delay) AS d, "
    "COUNT(*) FILTER (WHERE gate = 7 AND arr_delay > 15) AS late FROM flights WHERE month = 1 AND NOT cancelled GROUP BY 1, 2"
)


def words(owners: tuple[str, ...], catalogue: CatalogueView = GUARDED, sql: str = SQL) -> PlanWords:
    held = catalogue.model_copy(update={"holdings": tuple(h for h in catalogue.holdings if h.owner in owners)})
    return explain(compile_sql(sql, held), held)


def test_the_base_is_what_known_columns_choose() -> None:
    base = words(("ewr", "jfk", "lga")).guards[0]
    known, secret = base.split(". Secret columns select within it: ")
    assert all(part in known for part in ("month is 1", "group carrier", "gate is 7 (of one statistic)"))
    assert all(part in secret for part in ("cancelled is false", "group cause", "16 is at most arr_delay (of one"))


def test_every_statistic_has_its_standard_error() -> None:
    """Three times the largest contribution of one record, and the root of the number of owners."""
    joint, sole = words(("ewr", "jfk", "lga")).guards, words(("ewr",)).guards
    assert "number of rows: 5.2" in joint
    assert "number of rows: 3" in sole
    assert "sum of fuel: 520,000" in joint  # 3 * sqrt(3) * 99999.99
    assert "sum of fuel: 300,000" in sole
    assert "mean of arr_delay: at most about 14,700 / number of rows" in joint  # sqrt(2) * 3 * sqrt(3) * 2000
    assert any(line.startswith("sample standard deviation of arr_delay: from a noisy") for line in joint)


def test_the_audit_names_its_cap_and_who_shares_it() -> None:
    joint, sole = "\n".join(words(("ewr", "jfk", "lga")).guards), "\n".join(words(("ewr",)).guards)
    assert "at most 25%" in joint
    assert "divided by the 3 owners" in joint
    assert "divided" not in sole
    disjoint = "\n".join(words(("ewr", "jfk"), sql="SELECT COUNT(*) AS n FROM shops").guards)
    assert "at most 25%" in disjoint
    assert "divided" not in disjoint


def test_records_apart_share_no_cap_and_the_owners_read_that_they_declare_it() -> None:
    flights, *rest = GUARDED.datasets
    apart = GUARDED.model_copy(update={"datasets": (flights.model_copy(update={"records_disjoint": True}), *rest)})
    declared = "maybe held by several owners, but no record by two of them"
    for catalogue, said in ((apart, True), (GUARDED, False)):
        found = words(("ewr", "jfk", "lga"), catalogue)
        assert (
            "at one owner: the owners declare that they hold no record in common" in "\n".join(found.guards)
        ) == said
        assert ("divided by the 3 owners" in "\n".join(found.guards)) != said
        assert (declared in found.text()) == said
    assert declared not in words(("ewr",), apart).text()


def test_a_register_that_every_owner_has_a_copy_of_still_shares_the_cap() -> None:
    flights, *rest = GUARDED.datasets
    apart = GUARDED.model_copy(update={"datasets": (flights.model_copy(update={"records_disjoint": True}), *rest)})
    joined = "SELECT COUNT(*) AS n, SUM(seats) AS s FROM flights JOIN planes ON flights.tailnum = planes.tailnum"
    plan = compile_sql(joined, apart)
    [aircraft] = [unit for unit in plan.unit_columns if unit.unit_domain == "aircraft"]
    assert [plan.holders_of(aircraft, column) for column in (None, Col(table=1, name="seats"))] == [1, 3]


def test_who_learns_what() -> None:
    three, two, one = (words(owners).text() for owners in (("ewr", "jfk", "lga"), ("ewr", "jfk"), ("ewr",)))
    for text in (three, two):
        assert "every participating owner sees the released table, recomputes it from all messages and signs it" in text
    assert "with two owners each learns the other's noisy part" in two
    assert "all other owners together learn your noisy part" in three
    assert "your node recomputes the released table and signs it" in one
    assert "exact" not in three + two + one


def test_open_data_says_that_exact_numbers_leave() -> None:
    found = words(("ewr", "jfk"), OPEN)
    assert "exact numbers leave, without noise or audit" in found.guards[0]
    assert "1 to 9 individuals" in found.guards[1]
    assert "the other's exact part" in found.text()
    assert "noisy" not in found.text()


def test_flags_are_one_number_each_and_a_sole_owner_sends_the_same() -> None:
    joint, sole = words(("ewr", "jfk", "lga")), words(("ewr",))
    assert joint.cost.flag_bytes_per_node == sole.cost.flag_bytes_per_node == 8 * joint.numbers
    plan = compile_sql(SQL, GUARDED)
    assert joint.cost.value_bytes_per_node == plan.ring_bits // 8 * len(plan.channels) * plan.cells
