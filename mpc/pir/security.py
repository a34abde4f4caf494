"""How hard the LWE problem behind a query is: the primal (uSVP) attack, estimated as the lattice standards do.

``primal_attack`` follows Alkim, Ducas, Pöppelmann, Schwabe ("NewHope", USENIX Security 2016, section 6.3): the
smallest BKZ block size whose projected shortest vector the attack sees, over the best number of samples. Its unit
tests hold it against the figures of Kyber's specification and of the homomorphic encryption standard. It is an
estimate of the best known generic attack, not a proof.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """Block size and embedding dimension of the cheapest attack, and two published ways to count its cost in bits.

    ``core_svp`` = 0.292 * block: one call of the sieve without polynomial factors (conservative; NewHope, Kyber).
    ``sieve`` = 0.292 * block + 16.4 + log2(8 * dimension): the model "BKZ.sieve" of Albrecht, Player, Scott (2015)
    and of the HomomorphicEncryption.org standard (2018), which most PIR papers quote.
    """

    block: int
    dimension: int

    @property
    def core_svp(self) -> float:
        return 0.292 * self.block

    @property
    def sieve(self) -> float:
        return 0.292 * self.block + 16.4 + math.log2(8 * self.dimension)


def primal_attack(dimension: int, log_q: float, sigma: float, samples: int | None = None) -> Estimate:
    """Estimate LWE with ``dimension`` unknowns, modulus 2^log_q, error deviation sigma; ``samples`` None = unlimited.

    Secrets are uniform or error-like (the two are equivalent up to ``dimension`` samples; Applebaum et al. 2009).
    """
    low, high = 50, 20 * dimension
    while low < high:
        block = (low + high) // 2
        if _best(block, dimension, log_q, sigma, samples)[0]:
            high = block
        else:
            low = block + 1
    return Estimate(low, _best(low, dimension, log_q, sigma, samples)[1])


def _best(block: int, n: int, log_q: float, sigma: float, samples: int | None) -> tuple[bool, int]:
    """Does BKZ with this block size find the secret, and in which lattice dimension does it fare best?"""
    log_root = _log2_root_hermite(block)
    dimension = max(n + 2, round(math.sqrt((n + 1) * log_q / log_root)))  # where the right-hand side is largest
    if samples is not None:
        dimension = min(dimension, samples + n + 1)
    left = math.log2(sigma) + 0.5 * math.log2(block)
    right = (2 * block - dimension - 1) * log_root + (dimension - n - 1) * log_q / dimension
    return left <= right, dimension


def _log2_root_hermite(block: int) -> float:
    """log2 of the root Hermite factor BKZ reaches with this block size (Chen 2013)."""
    return math.log2((math.pi * block) ** (1 / block) * block / (2 * math.pi * math.e)) / (2 * (block - 1))
