"""AND triples for the two-party protocol: where they come from is named, and each is used once.

A triple is a, b, c with c = a AND b, each XOR-shared between the two parties (Beaver, "Efficient multiparty protocols
using circuit randomization", CRYPTO 1991). ``helper`` and ``oblivious`` produce them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from mpc.comparison.words import Array, stages, word_type
from mpc.errors import BadParameters, KeyPolicyViolation


class Triple(NamedTuple):
    """One party's shares of a, b and c = a AND b, a vector of words each."""

    a: Array
    b: Array
    c: Array


@dataclass
class TripleShares:
    """One party's shares for one comparison of ``count`` words of ``width`` bits.

    ``source`` says whom the parties trust for them, and is shown to whoever approves the plan; ``batch`` is the same at
    both parties. ``take`` works once: a triple used twice would reveal the XOR of two secrets.
    """

    source: str
    batch: bytes
    width: int
    count: int
    stages: list[Triple] = field(repr=False)
    used: bool = False

    def __post_init__(self) -> None:
        shapes = [(np.dtype(word_type(width)), (self.count,)) for width in stages(self.width)]
        if [(part.dtype, part.shape) for t in self.stages for part in t] != [s for s in shapes for _ in range(3)]:
            raise BadParameters("triples of another shape than this width and count need")

    def take(self, width: int, count: int) -> list[Triple]:
        """All stages, once. Raises ``KeyPolicyViolation`` the second time, ``BadParameters`` for another shape."""
        if (width, count) != (self.width, self.count):
            raise BadParameters(f"triples were made for {self.count} words of {self.width} bits")
        if self.used:
            raise KeyPolicyViolation("these triples have been used: make new ones for every comparison")
        self.used = True
        taken, self.stages = self.stages, []
        return taken
