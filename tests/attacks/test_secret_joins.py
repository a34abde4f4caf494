"""Joins that would make a secret known, or one individual two: what the compiler refuses, and what both domains audit.

A column of another dataset stands for what it is joined by. Were a diagnosis a key, ``kind = 'grave'`` of a list of
diagnoses would be a condition on it, and the base of an answer (whose size decides exactly whether it is closed) would
tell who has which. And were one person an individual of two domains, each domain would have answers of its own.
"""

from __future__ import annotations

from typing import Any

import pytest

from jobs.kinds.statistics.plan.compile import compile_sql
from jobs.kinds.statistics.plan.errors import RoleForbids
from jobs.kinds.statistics.plan.types import Plan
from jobs.schema import CatalogueView, Dataset, Holding, OwnerId

BY_KIND = (
    "SELECT COUNT(*) FILTER (WHERE house = 1 AND kind = 'grave') AS n "
    "FROM people JOIN diagnoses ON people.diagnosis = diagnoses.diagnosis"
)
BY_PERSON = "SELECT COUNT(*) FILTER (WHERE ill) AS n FROM visits JOIN people USING (person)"


def table(name: str, columns: list[dict[str, Any]], profile: str, unit: str, key: str | None = None) -> Dataset:
    more = {"unit": unit, "legal_basis": "made for tests", "scenarios": ["test"], "profile": profile}
    keys = {"unique_keys": [[key]]} if key else {}
    return Dataset.model_validate({"name": name, "columns": columns, **more, **keys})


def person(domain: str = "person") -> dict[str, Any]:
    return {"name": "person", "type": "string", "role": "unit", "unit_domain": domain, "nullable": False}


def compiled(sql: str, *datasets: Dataset) -> Plan:
    held = [
        Holding(
            dataset=item.name, owner=OwnerId("a"), node="node-a", provider="a",
            version_commitment="sha256:" + "ab" * 32, max_rows=100,
        )
        for item in datasets
    ]  # fmt: skip
    return compile_sql(sql, CatalogueView(datasets=datasets, holdings=tuple(held)))


def with_diagnoses(profile: str, role: str = "sensitive") -> Plan:
    ill = {"name": "diagnosis", "type": "string", "domain": ["asthma", "flu", "gout"], "nullable": False}
    house = {"name": "house", "type": "int", "role": "known", "nullable": False, "bounds": {"low": "1", "high": "9"}}
    kind = {"name": "kind", "type": "string", "role": "known", "domain": ["grave", "mild"], "nullable": False}
    entry = {"name": "entry", "type": "string", "role": "unit", "unit_domain": "entry", "nullable": False}
    people = table("people", [person(), house, {**ill, "role": role}], profile, "person")
    listed = table("diagnoses", [entry, {**ill, "role": "known"}, kind], profile, "entry", "diagnosis")
    return compiled(BY_KIND, people, listed)


def test_a_secret_column_is_no_join_key() -> None:
    with pytest.raises(RoleForbids, match="sensitive column is no key"):
        with_diagnoses("standard@2")


def test_control_by_a_known_key_the_joined_condition_decides_who_is_in_the_base() -> None:
    """What a secret key would do: nothing of the condition counts as secret, whatever column it is joined by."""
    for plan in (with_diagnoses("standard@2", role="known"), with_diagnoses("open@1")):
        (aggregate,) = plan.aggregates
        secret = plan.secrets_of(aggregate.filter)
        assert secret == frozenset()


def of_visits(domain: str) -> Plan:
    day = {"name": "day", "type": "int", "role": "known", "nullable": False, "bounds": {"low": "1", "high": "31"}}
    ill = {"name": "ill", "type": "bool", "role": "sensitive", "nullable": False}
    visits = table("visits", [person(domain), day], "standard@2", "person")
    people = table("people", [person(), ill], "standard@2", "person", "person")
    return compiled(BY_PERSON, visits, people)


def test_a_person_under_two_names_of_its_kind_is_audited_under_both() -> None:
    """Else a file whose owner calls its people something else asks about the same secret with a fresh audit."""
    assert {unit.unit_domain for unit in of_visits("visitor").unit_columns} == {"visitor", "person"}


def test_control_of_one_domain_it_is_one_individual() -> None:
    assert [unit.unit_domain for unit in of_visits("person").unit_columns] == ["person"]
