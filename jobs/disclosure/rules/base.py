"""What a rule sees: exact evidence about the units behind one aggregate in every cell of one part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from jobs.disclosure.profile import Profile

Bits = npt.NDArray[np.bool_]


class Evidence(Protocol):
    """Per cell: distinct contributing units, the two largest absolute contributions of a unit, and their total."""

    @property
    def units(self) -> npt.NDArray[np.int64]: ...

    @property
    def top1(self) -> Sequence[int]: ...

    @property
    def top2(self) -> Sequence[int]: ...

    @property
    def total(self) -> Sequence[int]: ...


Rule = Callable[[str, Evidence, Profile], Bits]
"""(aggregate function, evidence, profile) -> True where the rule fails. Cells without units are not judged."""
