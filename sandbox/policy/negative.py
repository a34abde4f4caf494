"""The negative list (负面清单): published, versioned, item by item. A refusal cites the entry (requirement R13)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator

from jobs.documents import json_digest
from jobs.documents.base import Id, Label, Part, Version, Words, check_distinct
from jobs.schema import Digest


class Entry(Part):
    """One forbidden use: what it names must all be present in a request; what it leaves out matches anything."""

    id: Id
    dataset: Id
    column: Label | None = None
    scenario: Label | None = None
    operator: Id | None = None
    ground: Literal[
        "harms_security", "harms_privacy", "harms_secrets", "no_authorisation", "unlawful_source", "dispute", "listed"
    ]
    reason: Words

    @property
    def whole_dataset(self) -> bool:
        """Forbids any use, by anyone, for anything: the dataset is not even registered."""
        return self.column is None and self.scenario is None and self.operator is None

    def matches(self, touched: Mapping[str, Iterable[str]], scenario: str | None, operator: str) -> bool:
        columns = touched.get(self.dataset)
        if columns is None or (self.column is not None and self.column not in set(columns)):
            return False
        if self.scenario is not None and self.scenario != scenario:
            return False
        return self.operator is None or self.operator == operator


class NegativeList(Part):
    version: Version
    entries: Annotated[tuple[Entry, ...], Field(max_length=10_000)] = ()

    @model_validator(mode="after")
    def _each_once(self) -> NegativeList:
        check_distinct([entry.id for entry in self.entries], "ids of the negative list")
        return self

    @property
    def digest(self) -> Digest:
        return json_digest(self.model_dump(mode="json"))

    def cite(self, entry: Entry) -> str:
        """How a refusal names the entry."""
        return (
            f"negative list version {self.version}, entry {entry.id} ({entry.ground.replace('_', ' ')}): {entry.reason}"
        )


NO_ENTRIES = NegativeList(version=1)
