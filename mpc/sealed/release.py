"""CKKS results: Gaussian noise, then rounding to the grid, before anyone but the key-holder sees them.

A CKKS decryption carries the encryption noise, and from an exact decryption the key follows by linear algebra
(Li and Micciancio, EUROCRYPT 2021). The noise here has the deviation that Li, Micciancio, Schultz and Sorrell
(CRYPTO 2022) ask for: sqrt(12 t) * 2^(s/2) times the noise bound for t results and s bits; a key opens once.
This protects the key; it is no differential privacy for the data: the gate adds that separately.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mpc.errors import OutOfRange
from mpc.party import RandomBytes


def round_for_release(
    values: npt.NDArray[np.float64], deviation: float, grid_bits: int, limit_bits: int, randomness: RandomBytes
) -> npt.NDArray[np.int64]:
    """Integers in units of 2^-grid_bits. ``OutOfRange`` beyond 2^limit_bits units: not the planned circuit."""
    noisy = (values + deviation * gaussian(values.size, randomness)) * 2.0**grid_bits
    if not (np.abs(noisy) < 2.0**limit_bits).all():
        raise OutOfRange("a result beyond the planned range")
    return np.rint(noisy).astype(np.int64)


def gaussian(count: int, randomness: RandomBytes) -> npt.NDArray[np.float64]:
    """Standard normal variates by Box and Muller from 52-bit uniforms; tails end at 8.5 deviations.

    Floating-point noise is no trap here: it is added to one masked value and rounded, never compared across inputs.
    """
    raw = np.frombuffer(randomness(16 * count), dtype="<u8").reshape(2, count) >> np.uint64(12)
    unit = (raw.astype(np.float64) + 0.5) * 2.0**-52
    result: npt.NDArray[np.float64] = np.sqrt(-2 * np.log(unit[0])) * np.cos(2 * np.pi * unit[1])
    return result
