"""Columns into blocks of ciphertexts: range checks first, then one plaintext per block and limb."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mpc.errors import BadParameters, OutOfRange
from mpc.sealed.circuit import (
    Approximate,
    Computation,
    InnerProduct,
    RealInnerProduct,
    Scoring,
    VectorSum,
    WeightedSum,
)
from mpc.sealed.context import Context
from mpc.sealed.messages import Blocks
from mpc.sealed.seal import memory_file


def seal_blocks(context: Context, column: npt.NDArray[Any], encrypt: Sequence[Callable[[Any], Any]]) -> Blocks:
    """Encrypt a checked column; ``encrypt`` has one function per limb, from plaintext to something SEAL can save."""
    slots = context.parameters.slots
    with memory_file() as file:
        return tuple(
            tuple(
                file.save(encrypt[limb](context.encode(limb, column[at : at + slots])))
                for at in range(0, column.size, slots)
            )
            for limb in range(context.parameters.limbs)
        )


def columns_of(circuit: Computation) -> int:
    """How many sealed columns the circuit reads."""
    match circuit:
        case VectorSum() | WeightedSum():
            return circuit.columns
        case InnerProduct() | RealInnerProduct():
            return 2
        case Scoring():
            return circuit.layers[0].inputs
        case _:
            return 1


def check_column(circuit: Computation, index: int, values: npt.ArrayLike) -> npt.NDArray[Any]:
    """int64 or float64 of the circuit's length; ``OutOfRange`` for a value beyond its bound, NaN or infinity."""
    if not 0 <= index < columns_of(circuit):
        raise BadParameters(f"the circuit has columns 0 to {columns_of(circuit) - 1}")
    array = np.asarray(values)
    if array.ndim != 1 or array.size != circuit.rows:
        raise BadParameters(f"the circuit takes columns of {circuit.rows} values")
    second = index == 1 and isinstance(circuit, InnerProduct | RealInnerProduct)
    bound = circuit.other_bound if second and isinstance(circuit, InnerProduct | RealInnerProduct) else circuit.bound
    if isinstance(circuit, Approximate):
        if array.dtype.kind not in "iuf":
            raise BadParameters("an approximate circuit takes numbers")
        reals = array.astype(np.float64)
        if not (np.abs(reals) <= bound).all():  # also false for NaN
            raise OutOfRange("a value beyond the declared bound, or not a number")
        return reals
    if array.dtype.kind not in "iu":
        raise BadParameters("an exact circuit takes integers: scale decimals first")
    if array.min() < -bound or array.max() > bound:
        raise OutOfRange("a value beyond the declared bound")
    if array.max() > np.iinfo(np.int64).max:
        raise OutOfRange("values beyond 63 bits do not fit a column")
    return array.astype(np.int64)
