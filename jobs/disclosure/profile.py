"""The risk appetite as a versioned file. A changed number is a new version, never an edit: verdicts pin the digest."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Annotated, Literal

from pydantic import Field

from jobs.documents import json_digest
from jobs.errors import InvalidRequest
from jobs.schema import Digest, Model


class Profile(Model):
    """Numbers of all disclosure rules. Units are individuals of the unit domain, never rows."""

    name: str
    version: Annotated[int, Field(ge=1)]
    min_group: Annotated[int, Field(ge=2)]  # distinct units behind every aggregate of a part
    dominance_n: Literal[1, 2]  # NK rule: the n largest units ...
    dominance_k_percent: Annotated[int, Field(ge=1, le=100)]  # ... hold at most k percent
    p_percent: Annotated[int, Field(ge=0, le=100)]  # the second unit cannot estimate the first within p percent
    degrees_of_freedom: Annotated[int, Field(ge=1)]  # of variances and deviations
    rounding_base: Annotated[int, Field(ge=1)]  # of counts; magnitudes get the same relative uncertainty
    max_rows: Annotated[int, Field(ge=1)]
    max_bytes: Annotated[int, Field(ge=1)]

    @property
    def id(self) -> str:
        return f"{self.name}@{self.version}"

    @property
    def digest(self) -> Digest:
        return json_digest(self.model_dump(mode="json"))


@cache
def load_profile(profile_id: str) -> Profile:
    """The shipped profile ``name@version``; raises ``InvalidRequest`` if there is none."""
    name, _, version = profile_id.partition("@")
    file = resources.files("jobs.disclosure") / "profiles" / f"{name}-{version}.json"
    if not name.isalpha() or not version.isdigit() or not file.is_file():
        raise InvalidRequest(f"there is no disclosure profile {profile_id!r}; shipped: standard@1")
    return Profile.model_validate(json.loads(file.read_text()))
