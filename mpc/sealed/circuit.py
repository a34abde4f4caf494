"""What is to be computed, described without data: the advisor finds parameters for it, the key-holder permits it.

Exact computations run on integers (BFV), approximate ones on reals (CKKS). Bounds are promises about absolute values;
sealing refuses a value beyond its bound, so a promise cannot be broken silently.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from mpc.errors import BadParameters, OutOfRange


@dataclass(frozen=True)
class VectorSum:
    """Row by row, the sum of ``columns`` integer columns of ``rows`` values with |x| <= ``bound``."""

    rows: int
    columns: int
    bound: int


@dataclass(frozen=True)
class ColumnSum:
    """One number: the sum of a column. Needs no rotation: the masked partial sums of all slots are opened and added."""

    rows: int
    bound: int


@dataclass(frozen=True)
class GroupSum:
    """``groups`` numbers: sums of a sealed column by group labels that the worker holds in the clear."""

    rows: int
    bound: int
    groups: int


@dataclass(frozen=True)
class WeightedSum:
    """Row by row, the sum of weight[j] * column[j]; ``weight_l1`` bounds the sum of the absolute integer weights."""

    rows: int
    columns: int
    bound: int
    weight_l1: int


@dataclass(frozen=True)
class RowWeightedSum:
    """One number: the sum over rows of weight[i] * x[i], integer weights in the clear, |weight| <= ``weight``."""

    rows: int
    bound: int
    weight: int


@dataclass(frozen=True)
class InnerProduct:
    """One number: the sum over rows of a[i] * b[i], both sealed. With b a 0/1 column it is a masked sum."""

    rows: int
    bound: int
    other_bound: int


Exact = VectorSum | ColumnSum | GroupSum | WeightedSum | RowWeightedSum | InnerProduct


@dataclass(frozen=True)
class Layer:
    """Bounds of one dense layer: sum of |weights| of any unit, |bias|, and the polynomial after it.

    ``polynomial`` holds coefficients, constant first; empty for none. (0, 0, 1) is the square.
    """

    inputs: int
    units: int
    weight_l1: float
    bias: float
    polynomial: tuple[float, ...] = ()


@dataclass(frozen=True)
class Scoring:
    """Row by row, a linear model or small network over feature columns |x| <= ``bound``, within ``error``."""

    rows: int
    bound: float
    layers: tuple[Layer, ...]
    error: float


@dataclass(frozen=True)
class RealInnerProduct:
    """One real number: the sum over rows of a[i] * b[i], both sealed, within ``error``."""

    rows: int
    bound: float
    other_bound: float
    error: float


Approximate = Scoring | RealInnerProduct
Computation = Exact | Approximate

MAX_ROWS = 1 << 28


def check_computation(circuit: Computation) -> None:
    """Raise ``BadParameters`` or ``OutOfRange`` for sizes and bounds that make no sense."""
    if not 1 <= circuit.rows <= MAX_ROWS:
        raise BadParameters(f"rows must be 1 to {MAX_ROWS}")
    numbers = [v for v in vars(circuit).values() if isinstance(v, int | float)]
    if isinstance(circuit, Scoring):
        _check_layers(circuit.layers)
    if any(not math.isfinite(v) or v <= 0 for v in numbers):
        raise BadParameters("every size, bound and error must be positive and finite")
    if not isinstance(circuit, Approximate) and any(not isinstance(v, int) for v in numbers):
        raise BadParameters("an exact computation has integer bounds: scale decimals to integers first")
    if not isinstance(circuit, Approximate) and result_bound(circuit) >= 1 << 120:
        raise OutOfRange("the result may exceed 120 bits: lower the bounds or split the rows")


def result_bound(circuit: Exact) -> int:
    """The largest absolute value any result can take."""
    match circuit:
        case VectorSum():
            return circuit.columns * circuit.bound
        case WeightedSum():
            return circuit.weight_l1 * circuit.bound
        case ColumnSum() | GroupSum():
            return circuit.rows * circuit.bound
        case RowWeightedSum():
            return circuit.rows * circuit.bound * circuit.weight
        case InnerProduct():
            return circuit.rows * circuit.bound * circuit.other_bound


def outputs(circuit: Computation) -> int:
    """Released numbers: one per row, per group, or a single one."""
    match circuit:
        case VectorSum() | WeightedSum():
            return circuit.rows
        case Scoring():
            return circuit.rows * circuit.layers[-1].units
        case GroupSum():
            return circuit.groups
        case _:
            return 1


def circuit_digest(circuit: Computation, inputs: Sequence[bytes], operands: bytes = b"") -> bytes:
    """32 bytes that name the computation, the digests of its sealed inputs, and its plaintext operands' digest."""
    digest = hashlib.sha256(b"unseen/sealed/circuit/1")
    for part in (repr(circuit).encode(), operands, *inputs):
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.digest()


def _check_layers(layers: tuple[Layer, ...]) -> None:
    if not 1 <= len(layers) <= 8:
        raise BadParameters("a model has 1 to 8 layers")
    for before, after in itertools.pairwise(layers):
        if before.units != after.inputs:
            raise BadParameters(f"a layer of {before.units} units feeds one with {after.inputs} inputs")
    for layer in layers:
        bounds = (layer.weight_l1, layer.bias, *layer.polynomial)
        if not all(map(math.isfinite, bounds)) or layer.weight_l1 <= 0 or layer.bias < 0:
            raise BadParameters("weights, biases and coefficients need finite bounds, weights a positive one")
        if not 1 <= layer.inputs <= 4096 or not 1 <= layer.units <= 4096:
            raise BadParameters("a layer has 1 to 4096 inputs and units")
        if layer.polynomial and (not 2 <= len(layer.polynomial) <= 8 or layer.polynomial[-1] == 0):
            raise BadParameters("an activation is a polynomial of degree 1 to 7 with a non-zero leading coefficient")
    if layers[-1].polynomial:
        raise BadParameters("the last layer has no activation: apply it to the released score")
