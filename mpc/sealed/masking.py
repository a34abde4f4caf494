"""Masks that the worker adds before anything is opened, and the shares that come of it.

BFV, modular: uniform in Z_T, the product of the plain moduli; the opened value is independent of the result.
BFV, integer: uniform in [B, T-B): never wraps, and T was chosen so that the opened value hides up to 2^-statistical.
CKKS: ``mask_bits`` grid steps + sign, in fractions of a step as fine as doubles go, hiding up to 2^-statistical per
value. Whole steps would not do: the value modulo one step would stand in the clear before it is rounded.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mpc.errors import BadParameters
from mpc.integers import random_below
from mpc.party import RandomBytes
from mpc.sealed.circuit import Approximate, Computation, outputs, result_bound
from mpc.sealed.compute import Layout, layout
from mpc.sealed.parameters import Opening, Parameters, Scheme

Share = npt.NDArray[Any]
"""One share per result: int64 where the ring allows, Python integers otherwise."""


def combine(parameters: Parameters, circuit: Computation, worker: Share, holder: Share) -> npt.NDArray[Any]:
    """The results from both shares: exact integers, or reals on the grid. Run where the value round permits it."""
    small = parameters.opening is Opening.MODULAR and parameters.modulus < 1 << 62
    total = worker + holder if small else worker.astype(object) + holder.astype(object)
    if isinstance(circuit, Approximate):
        reals: npt.NDArray[np.float64] = np.ldexp(total.astype(np.float64), -parameters.grid_bits)
        return reals
    if parameters.opening is Opening.MODULAR:
        modulus = parameters.modulus
        total = (total + modulus // 2) % modulus - modulus // 2
    exact: npt.NDArray[Any] = total.astype(np.int64) if result_bound(circuit) < 1 << 62 else total
    return exact


def draw_mask(parameters: Parameters, circuit: Computation, randomness: RandomBytes) -> npt.NDArray[Any]:
    """One mask for the slots of one block (one where all slots hold the same value). For CKKS see ``as_reals``."""
    if parameters.scheme is Scheme.CKKS:
        # equal slots under different masks would average the masks away
        count = 1 if layout(circuit) is Layout.FOLDED else parameters.slots
        half = 1 << (parameters.mask_bits + _fraction_bits(parameters))
        return uniform(2 * half, count, randomness).astype(np.int64) - np.int64(half)
    if isinstance(circuit, Approximate):
        raise BadParameters("an approximate circuit under exact parameters")
    if parameters.opening is Opening.MODULAR:
        return uniform(parameters.modulus, parameters.slots, randomness)
    bound = result_bound(circuit)
    drawn = uniform(parameters.modulus - 2 * bound, parameters.slots, randomness)
    return drawn + (np.int64(bound) if drawn.dtype == np.int64 else bound)


def as_reals(parameters: Parameters, mask: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """A CKKS mask as the numbers to add."""
    reals: npt.NDArray[np.float64] = np.ldexp(
        mask.astype(np.float64), -(parameters.grid_bits + _fraction_bits(parameters))
    )
    return reals


def on_grid(parameters: Parameters, mask: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A mask in whole steps of the grid, rounded, for the worker's share; exact masks are whole already."""
    bits = _fraction_bits(parameters)
    if parameters.scheme is Scheme.BFV or not bits:
        return mask
    whole: npt.NDArray[np.int64] = (mask + (1 << (bits - 1))) >> bits
    return whole


def _fraction_bits(parameters: Parameters) -> int:
    """Bits behind the point of a CKKS mask: with sign and ``mask_bits`` as many as a double holds."""
    return max(0, 52 - parameters.mask_bits)


def gather(parameters: Parameters, circuit: Computation, blocks: list[npt.NDArray[Any]]) -> Share:
    """Slots of all blocks (masks, or opened values) to one number per result."""
    where = layout(circuit)
    if where is Layout.FOLDED:
        return blocks[0][:1]
    if where is Layout.ROWS:
        return _rows(parameters, circuit, blocks)
    sums = np.array([sum(int(v) for v in block) for block in blocks], dtype=object)
    return sums % parameters.modulus if parameters.opening is Opening.MODULAR else sums


def uniform(limit: int, count: int, randomness: RandomBytes) -> npt.NDArray[Any]:
    """``count`` uniform integers in [0, limit): int64 below 2^62, Python integers beyond. Rejection, no bias."""
    if limit > 1 << 62:
        return np.array([random_below(limit, randomness) for _ in range(count)], dtype=object)
    keep = np.uint64((1 << (limit - 1).bit_length()) - 1)
    kept = np.empty(0, dtype=np.int64)
    while kept.size < count:
        drawn = np.frombuffer(randomness(8 * (2 * (count - kept.size) + 8)), dtype="<u8") & keep
        kept = np.concatenate([kept, drawn[drawn < np.uint64(limit)].astype(np.int64)])
    return kept[:count]


def _rows(parameters: Parameters, circuit: Computation, blocks: list[npt.NDArray[Any]]) -> Share:
    units = outputs(circuit) // circuit.rows
    per = parameters.blocks(circuit.rows)
    return np.concatenate([np.concatenate(blocks[u * per : (u + 1) * per])[: circuit.rows] for u in range(units)])
