"""What a rule sees: who stands behind one aggregate in every cell of one part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from jobs.disclosure.profile import Profile

Bits = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.int64]


class Measure(Protocol):
    """Per cell the two largest absolute contributions of a unit to one channel, and the total of all, exactly."""

    @property
    def top1(self) -> Sequence[int]: ...

    @property
    def top2(self) -> Sequence[int]: ...

    @property
    def total(self) -> Sequence[int]: ...


@dataclass(frozen=True, repr=False)
class Evidence:
    """About one aggregate and one kind of individual (unit column), per cell.

    ``base``: distinct units with a record that satisfies the cell's known conditions. ``contributors``: distinct units
    behind the number itself: the base where nothing else selects them; else a *noisy* count, unless the profile is
    exact. ``weights``: of each factor of a sum of products, the noisy sum of its squares in units of the largest one.
    ``chosen``: a secret condition selects the contributors, or the function counts who has a secret value at
    all: then those of the base that do not contribute are a group as well.
    """

    function: str
    base: Counts
    contributors: Counts
    chosen: bool
    measures: Sequence[Measure] = field(default=(), repr=False)
    joint: bool = False
    """The minimum group is judged on the total of all parts, by whoever formats it: a part may be small."""
    weights: Sequence[Counts] = ()

    def asked(self, profile: Profile) -> Bits:
        """Cells whose group is judged at this part; one that concerns nobody does not fail."""
        if self.joint:
            return nowhere(self)
        return self.contributors > 0 if profile.exact else self.base > 0


Rule = Callable[[Evidence, Profile], Bits]
"""True where the rule fails."""


def nowhere(evidence: Evidence) -> Bits:
    return np.zeros(len(evidence.base), dtype=np.bool_)
