"""A party's card: its public half as one file, which it hands to the authority for the roster."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import ValidationError, model_validator

from jobs.documents.base import Part, faults
from jobs.documents.canonical import canonical, parse_json
from jobs.documents.roster import HubEntry, OperatorEntry, OwnerEntry, WitnessEntry
from jobs.errors import BadDocument
from sandbox.errors import InvalidSpec

Entry = HubEntry | OwnerEntry | WitnessEntry | OperatorEntry


class Card(Part):
    """One roster entry. It proves nothing by itself: the authority compares the key with what the party told it."""

    type: Literal["application/vnd.unseen.card+json;v=1"] = "application/vnd.unseen.card+json;v=1"
    hub: HubEntry | None = None
    owner: OwnerEntry | None = None
    witness: WitnessEntry | None = None
    operator: OperatorEntry | None = None

    @model_validator(mode="after")
    def _one_party(self) -> Card:
        if sum(entry is not None for entry in (self.hub, self.owner, self.witness, self.operator)) != 1:
            raise ValueError("a card is of one hub, owner, witness or operator")
        return self

    @classmethod
    def load(cls, path: Path) -> Card:
        """Read a card; raises ``InvalidSpec`` naming the file and what is wrong with it."""
        try:
            return cls.model_validate_json(canonical(parse_json(path.read_bytes())))
        except BadDocument as error:
            raise InvalidSpec(f"{path.name} is no card: {error}") from None
        except ValidationError as error:
            raise InvalidSpec(f"{path.name} is no card: {faults(error)}") from None

    def encode(self) -> bytes:
        return canonical(self.model_dump(mode="json", exclude_none=True)) + b"\n"
