"""The risk appetite as a versioned file. A changed number is a new version, never an edit: verdicts pin the digest."""

from __future__ import annotations

import json
from fractions import Fraction
from functools import cache
from importlib import resources
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from jobs.disclosure.ratio import Ratio
from jobs.disclosure.zcdp import epsilon
from jobs.documents import json_digest
from jobs.errors import InvalidRequest
from jobs.schema import Digest, Model


class Privacy(Model):
    """Differential privacy: what all answers together may tell of one individual of a unit domain, at all its holders.

    Costs are zCDP's rho (``zcdp``). Each of several owners that may hold the same individual draws noise for its share
    of the price, and books the price of all of them (``zcdp.Spend``).
    """

    rho_total: Ratio
    rho_per_question: Ratio
    """What one question may cost, all its channels together: the price is fixed, the noise follows."""
    delta: Ratio
    """At which ``epsilon`` is told to people."""
    truncation: Ratio
    """The probability that any noise of one question meets its bound; counted in ``delta``."""

    @property
    def questions(self) -> int:
        """How many questions the budget pays for."""
        return int(self.rho_total / self.rho_per_question)

    @property
    def epsilon(self) -> float:
        """What the whole budget means at ``delta``."""
        return epsilon(self.rho_total, self.delta, self.questions * self.truncation)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not (self.rho_per_question <= self.rho_total and self.delta < Fraction(1, 1000)):
            raise ValueError("a question costs at most the budget, and delta is below 1/1000")
        if not Fraction(1, 10**20) <= self.truncation <= self.delta / (self.questions * 10**6):
            raise ValueError("over all questions truncation makes up a millionth of delta at most; 1e-20 is the finest")
        return self


class Profile(Model):
    """Numbers of all disclosure rules. Units are individuals of the unit domain, never rows."""

    name: str
    version: Annotated[int, Field(ge=1)]
    min_group: Annotated[int, Field(ge=2)]
    """Distinct units in the base of an answer, and behind the answer itself (judged on a noisy count)."""
    noise_ratio: Annotated[int, Field(ge=0, le=100)]
    """Standard deviation of the noise, in the largest contribution that one record can make; 0: exact numbers."""
    leverage_cap_percent: Annotated[int, Field(ge=0, le=100)]
    """How much of a linear attacker's uncertainty about one unit all answers together may remove; 0: no audit."""
    secret_vetoes: Annotated[int, Field(ge=0)]
    """How many cells of a unit domain rules that look at secret values may ever close; then nothing more is asked."""
    dominance_n: Literal[1, 2]
    """NK rule: the n largest units ..."""
    dominance_k_percent: Annotated[int, Field(ge=0, le=100)]
    """... hold at most k percent; 0: the rule is off."""
    p_percent: Annotated[int, Field(ge=0, le=100)]
    """The second unit cannot estimate the first within p percent; 0: the rule is off."""
    degrees_of_freedom: Annotated[int, Field(ge=1)]
    """Of variances and deviations."""
    privacy: Privacy | None = None
    """Noise by budget instead of ``noise_ratio``; no rule then looks at data."""
    max_rows: Annotated[int, Field(ge=1)]
    max_bytes: Annotated[int, Field(ge=1)]

    @property
    def exact(self) -> bool:
        """Whether numbers leave without noise: data that has nothing to hide."""
        return self.noise_ratio == 0 and self.privacy is None

    @property
    def judged(self) -> bool:
        """Whether noise is keyed, and rules and audit judge answers by their bases; if not, no verdict reads data or
        the data is open."""
        return self.noise_ratio > 0

    @model_validator(mode="after")
    def _one_kind_of_noise(self) -> Self:
        rules = (self.noise_ratio, self.leverage_cap_percent, self.dominance_k_percent, self.p_percent)
        if self.privacy is not None and any(rules):
            raise ValueError("under differential privacy no noise is keyed and no rule reads data: set the others to 0")
        return self

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
        raise InvalidRequest(f"there is no disclosure profile {profile_id!r}; shipped: standard@2, open@1, dp@1")
    return Profile.model_validate(json.loads(file.read_text()))
