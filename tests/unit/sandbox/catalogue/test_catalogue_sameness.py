"""Secrets that are the same in all rows of an individual are declared so, and those that are not are not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from adapters.open import open_source
from adapters.source import Source, SourceSpec
from jobs.schema import Dataset
from sandbox.catalogue.check import DataRefused, check_data
from sandbox.catalogue.describe import describe
from sandbox.catalogue.sameness import sameness

TEXT = "canary-4711"
Make = Callable[..., Source]


def visits(said: list[str], **more: Any) -> Dataset:
    columns: list[dict[str, Any]] = [
        {"name": "person", "type": "string", "role": "unit", "unit_domain": "person"},
        {"name": "illness", "type": "string", "role": "sensitive", "said_of": said},
        {"name": "cost", "type": "decimal", "decimals": 1, "rounded": True, "role": "measure"},
    ]
    value = {"name": "visits", "columns": columns, "unit": "person", "null_units": "exclude", "legal_basis": "act"}
    return Dataset.model_validate(value | more)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def rows(
        illness: list[Any], each: int = 2, person: list[Any] | None = None, cost: list[float] | None = None
    ) -> Source:
        """So many rows of each person, one after the other."""
        count = len(illness)
        who = person or [f"P{row // each}" for row in range(count)]
        spent = cost or np.random.default_rng(1).random(count).tolist()
        file = tmp_path / "visits.parquet"
        pq.write_table(pa.table({"person": who, "illness": pa.array(illness, pa.string()), "cost": spent}), file)
        return open_source(SourceSpec(kind="parquet", path=str(file)))

    return rows


def refused(dataset: Dataset, source: Source) -> list[str]:
    with pytest.raises(DataRefused) as caught:
        check_data(dataset, source)
    assert TEXT not in str(caught.value)
    return list(caught.value.violations)


def alike(people: int, each: int = 2) -> list[Any]:
    """Each person's illness as often as he has rows; a third has none recorded."""
    rng = np.random.default_rng(2)
    return np.repeat(rng.choice(np.array([TEXT, "flu", None], dtype=object), people), each).tolist()


def test_what_is_declared_and_true_is_taken(make: Make) -> None:
    check_data(visits(["person"]), make(alike(50)))


def test_what_is_declared_and_false_is_refused_with_column_and_count(make: Make) -> None:
    rows = alike(50)
    rows[0], rows[1] = TEXT, "flu"
    rows[2], rows[3] = None, TEXT  # that one row says nothing is a difference too
    [said] = refused(visits(["person"]), make(rows))
    assert said == (
        "illness is declared to be said of person, and is not the same in all rows of 2 of 50 individual(s) with several rows"
    )


def test_what_is_the_same_and_not_declared_is_refused_where_answers_are_audited(make: Make) -> None:
    source = make(alike(50))
    [said] = refused(visits([]), source)
    assert "illness is the same in all rows of each of 50" in said
    assert "declare said_of: [person]" in said
    for profile in ("open@1", "dp@1"):
        check_data(visits([], profile=profile, rows_per_unit=2), source)


def test_one_person_with_many_rows_is_enough(make: Make) -> None:
    rng = np.random.default_rng(3)
    illness = [TEXT] * 14 + rng.choice([TEXT, "flu"], 59).tolist()
    people = ["P"] * 14 + [f"Q{n}" for n in range(59)]
    [said] = refused(visits([]), make(illness, person=people))
    assert "each of 1 individual(s) with several rows" in said


def test_nearly_the_same_is_refused_too_and_says_how_many_differ(make: Make) -> None:
    rows = alike(400)
    rows[0], rows[1] = TEXT, "flu"
    [said] = refused(visits([]), make(rows))
    assert "but for 1: correct these and declare said_of: [person], or move illness to a table with one row" in said
    assert "is not the same in all rows of 1 of 400" in refused(visits(["person"]), make(rows))[0]


def test_what_is_said_of_records_is_taken_also_where_it_is_rare(make: Make) -> None:
    rng = np.random.default_rng(4)
    check_data(visits([]), make(rng.choice([TEXT, "flu"], 400).tolist()))
    rare = np.where(rng.random(4000) < 0.002, TEXT, "none").tolist()  # of 2,000 people nearly all have one value
    found = sameness(make(rare), "person", [visits([]).column("illness")])["illness"]
    assert found.differing < found.several / 100
    check_data(visits([]), make(rare))
    check_data(visits([]), make(["none"] * 400))  # what everybody has tells nobody apart
    check_data(visits([]), make([TEXT, "flu"] * 200, each=1))


def test_rows_of_nobody_are_nobodys(make: Make) -> None:
    rows = alike(50)
    check_data(visits(["person"]), make([*rows, TEXT, "flu"], person=[f"P{n // 2}" for n in range(100)] + [None, None]))


def test_values_are_compared_as_they_are_registered(make: Make) -> None:
    cost = np.repeat(np.arange(50.0), 2) + np.tile([0.01, 0.02], 50)
    illness = np.random.default_rng(5).choice([TEXT, "flu"], 100).tolist()
    [said] = refused(visits([]), make(illness, cost=cost.tolist()))
    assert said.startswith("cost is the same in all rows of each of 50")


def test_a_table_with_one_row_a_person_declares_nothing(make: Make) -> None:
    check_data(visits([], unique_keys=[["person"]]), make([TEXT, "flu"] * 50, each=1))


def test_a_draft_says_it(make: Make) -> None:
    for rows, said in ((alike(50), ("person",)), (np.random.default_rng(6).choice(["a", "b"], 100).tolist(), ())):
        drafted = describe(make(rows), "visits", "person")
        assert drafted.column("illness").said_of == said
        assert drafted.column("cost").said_of == ()


def test_only_secrets_are_said_of_unit_columns() -> None:
    for changed in ({"said_of": ["cost"]}, {"said_of": ["person"], "role": "known"}):
        value = visits([]).model_dump()
        value["columns"] = [c | changed if c["name"] == "illness" else c for c in value["columns"]]
        with pytest.raises(ValueError, match="names unit columns"):
            Dataset.model_validate(value)
