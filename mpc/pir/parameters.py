"""Which LWE parameters a lookup uses, what they are worth, and how often decoding fails. All computed, none guessed.

Fixed for every profile: q = 2^32 (machine arithmetic is the reduction), p = 256 (a table cell is one byte, so
Delta = q/p = 2^24 exactly and sums wrap at 256 by themselves), uniform secrets, errors from the discrete Gaussian of
standard deviation 6.4. Both profiles and the estimates behind them are in docs/adr/0003-mpc-pir.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from mpc.errors import BadParameters

LOG_Q: Final = 32
PLAIN: Final = 256
LOG_DELTA: Final = 24
SIGMA: Final = Fraction(32, 5)
MAX_COLUMNS: Final = 1 << 18
"""Columns are LWE samples. ePrint 2022/949's own table (pir/params.csv of its code) admits p = 416 here, so p = 256 is
inside it; we do not centre the cells as that code does, which costs two bits and ends our range at 2^18."""
MAX_ROWS: Final = 1 << 18


@dataclass(frozen=True)
class Profile:
    """One choice of the LWE dimension. ``security`` is our primal-attack estimate (``mpc.pir.security``) in bits."""

    number: int
    name: str
    dimension: int
    security_core_svp: int
    security_sieve: int
    source: str


WIDE: Final = Profile(
    1,
    "wide",
    1408,
    146,
    176,
    "dimension and q of HintlessPIR (Li, Micciancio, Raykova, Schultz-Wu, CRYPTO 2024, ePrint 2023/1733), there with "
    "the narrower error variance 8; a wider error at the same q only makes LWE harder",
)
SIMPLEPIR_2023: Final = Profile(
    2,
    "simplepir-2023",
    1024,
    95,
    125,
    "ePrint 2022/949, section 4 and pir/params.csv: n = 2^10, sigma = 6.4, claimed 128 bits; our estimate is lower",
)
PROFILES: Final = {profile.number: profile for profile in (WIDE, SIMPLEPIR_2023)}


ANSWERS: Final = 1024
"""Lookups that one version of a table answers, to all its clients together, unless its owner says otherwise."""


def hiding_columns(profile: Profile, answers: int) -> int:
    """Random columns behind a table, so that its hint tells nothing of it after ``answers`` lookups.

    A hint is D A: with no more columns than ``dimension`` it is D itself, by Gaussian elimination, and with somewhat
    more a lattice problem that known or guessed cells make easy. With random columns R it is D A1 + R A2, and R A2
    looks uniform: it is LWE with R's bytes as errors, which are wider than ours, and as many unknowns as R has columns
    beyond ``dimension`` (Micciancio and Mol, CRYPTO 2011, section 4: knapsack functions and LWE are dual). So
    ``dimension`` of R's columns match the hint and another ``dimension`` are the unknowns. Each answer carries 32 bits
    a row, and can at most open four columns of R.
    """
    return 2 * profile.dimension + 4 * answers


def failure_log2(columns: int, cells: int) -> float:
    """log2 of a proven bound on the probability that any of ``cells`` decoded bytes of one answer is wrong.

    A cell's noise is the sum of ``columns`` errors, each weighted by a byte of at most 255. The discrete Gaussian is
    subgaussian with its own sigma, so Pr[|noise| >= Delta/2] <= 2 exp(-(Delta/2)^2 / (2 sigma^2 columns 255^2));
    the union bound covers the cells. Holds for any table content.
    """
    half = 1 << (LOG_DELTA - 1)
    exponent = half**2 / (2 * float(SIGMA) ** 2 * columns * (PLAIN - 1) ** 2)
    return math.log2(2 * cells) - exponent * math.log2(math.e)


def check_shape(rows: int, columns: int, cells: int) -> None:
    """Refuse (``BadParameters``) a table shape outside what the sources and the failure bound support.

    Every shape admitted fails less than once in 2^53 records, where ePrint 2022/949 asks for 2^40 (a unit test checks).
    """
    if not (0 < columns <= MAX_COLUMNS and 0 < rows <= MAX_ROWS and 0 < cells <= rows):
        raise BadParameters(f"a table of {rows} x {columns} bytes; at most {MAX_ROWS} x {MAX_COLUMNS}: split the table")
