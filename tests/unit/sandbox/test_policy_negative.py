"""The negative list matches item by item, and its citation names version, entry and reason."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sandbox.policy.negative import Entry, NegativeList

NAMES = st.sampled_from(["a", "b", "c"])


def entry(**changed: Any) -> Entry:
    return Entry(**{"id": "N-1", "dataset": "a", "ground": "listed", "reason": "stop", **changed})


@given(
    dataset=NAMES, column=st.none() | NAMES, scenario=st.none() | NAMES, operator=st.none() | NAMES,
    touched=st.dictionaries(NAMES, st.sets(NAMES, min_size=1), max_size=3), asked=st.none() | NAMES, by=NAMES,
)  # fmt: skip
def test_an_entry_matches_when_all_that_it_names_is_there(
    dataset: str, column: str | None, scenario: str | None, operator: str | None,
    touched: dict[str, set[str]], asked: str | None, by: str,
) -> None:  # fmt: skip
    listed = entry(dataset=dataset, column=column, scenario=scenario, operator=operator)
    expected = (
        dataset in touched
        and (column is None or column in touched[dataset])
        and scenario in (None, asked)
        and operator in (None, by)
    )
    assert listed.matches(touched, asked, by) is expected


def test_a_citation_names_version_entry_ground_and_reason() -> None:
    listed = NegativeList(version=4, entries=(entry(ground="harms_privacy"),))
    assert listed.cite(listed.entries[0]) == "negative list version 4, entry N-1 (harms privacy): stop"


def test_entries_have_distinct_ids_and_digests_follow_content() -> None:
    with pytest.raises(ValidationError):
        NegativeList(version=1, entries=(entry(), entry(dataset="b")))
    assert NegativeList(version=1).digest != NegativeList(version=1, entries=(entry(),)).digest


def test_only_an_entry_without_conditions_bars_the_whole_dataset() -> None:
    assert entry().whole_dataset
    assert not any(entry(**{name: "x"}).whole_dataset for name in ("column", "scenario", "operator"))
