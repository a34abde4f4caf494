"""Linear models and small networks on sealed feature columns (CKKS).

One ciphertext holds one feature of many rows, so every weight is a scalar and nothing ever rotates: no Galois keys.
Scales are steered: each weight is encoded at the scale that brings the product back to the planned one exactly.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from tenseal import sealapi

from mpc.errors import BadParameters, OutOfRange
from mpc.sealed.circuit import Computation, Layer, RealInnerProduct, Scoring
from mpc.sealed.compute import Bench, Limbs, Result
from mpc.sealed.context import Context, Ring
from mpc.sealed.seal import Form


@dataclass(frozen=True)
class Dense:
    """Weights (units x inputs) and biases (units) of one layer, in the clear at the worker."""

    weights: npt.NDArray[np.float64] = field(repr=False)
    bias: npt.NDArray[np.float64] = field(repr=False)


def score(bench: Bench, columns: list[Limbs], model: Sequence[Dense]) -> Result:
    """Scores of every row: blocks of the first output unit, then of the second, and so on.

    Raises ``OutOfRange`` if the model exceeds the bounds its circuit declared, ``BadParameters`` for a wrong shape.
    """
    circuit, ring = bench.circuit, bench.context.rings[0]
    if not isinstance(circuit, Scoring) or len(model) != len(circuit.layers):
        raise BadParameters("the bench was set up for another circuit, or the model has another number of layers")
    for dense, layer in zip(model, circuit.layers, strict=True):
        _check_dense(dense, layer)
    scale = 2.0**bench.context.parameters.scale_bits
    scored: list[list[Any]] = [[] for _ in range(circuit.layers[-1].units)]
    for block in range(len(columns[0][0])):
        wires = [column[0][block] for column in columns]
        for i, (dense, layer) in enumerate(zip(model, circuit.layers, strict=True)):
            last = 2.0**bench.context.parameters.weight_bits if i == len(model) - 1 else None
            wires = [_unit(ring, wires, w, b, scale, last) for w, b in zip(dense.weights, dense.bias, strict=True)]
            if layer.polynomial:
                wires = [_horner(bench, ring, wire, layer.polynomial, scale) for wire in wires]
        for unit, wire in zip(scored, wires, strict=True):
            unit.append(wire)
    return Result(circuit, [[ciphertext for unit in scored for ciphertext in unit]])


def result_form(context: Context, circuit: Computation, limb: int) -> Form:
    """Level, size and scale of an honest result, by the same arithmetic on scales as the evaluation itself."""
    fresh = context.fresh_form(limb)
    if isinstance(circuit, RealInnerProduct):
        return Form(fresh.level, 2, fresh.scale * fresh.scale, True)
    if not isinstance(circuit, Scoring):
        return fresh
    ring, level, scale, target = context.rings[limb], fresh.level, fresh.scale, fresh.scale
    for i, layer in enumerate(circuit.layers):
        if i == len(circuit.layers) - 1:
            return Form(level, 2, scale * 2.0**context.parameters.weight_bits, True)
        level, scale = ring.next_level(level), target
        first, base = layer.polynomial[-1:] != (1.0,), scale
        for step in range(len(layer.polynomial) - 1):
            if step == 0:
                if first:
                    level = ring.next_level(level)
                    scale = target
                continue
            scale, level = scale * base / ring.last_prime(level), ring.next_level(level)
    raise BadParameters("a model has a last layer")


def _unit(ring: Ring, wires: list[Any], weights: Any, bias: float, scale: float, last: float | None) -> Any:
    level = tuple(wires[0].parms_id())
    # after rescaling by the level's last prime the scale is the planned one again; the last layer is opened unrescaled
    weight_scale = last if last is not None else scale * ring.last_prime(level) / wires[0].scale
    products = []
    for wire, weight in zip(wires, weights, strict=True):
        if round(float(weight) * weight_scale):
            product = sealapi.Ciphertext()
            ring.evaluator.multiply_plain(wire, _constant(ring, float(weight), level, weight_scale), product)
            products.append(product)
    if not products:
        raise OutOfRange("a unit whose weights are all zero at this precision: leave it out")
    total = sealapi.Ciphertext()
    ring.evaluator.add_many(products, total)
    if last is None:
        ring.evaluator.rescale_to_next_inplace(total)
        total.scale = scale
    _add_constant(ring, total, float(bias))
    return total


def _horner(bench: Bench, ring: Ring, x: Any, coefficients: tuple[float, ...], scale: float) -> Any:
    lead, following = coefficients[-1], coefficients[-2::-1]
    if lead == 1.0:
        value = sealapi.Ciphertext()
        ring.evaluator.mod_switch_to(x, x.parms_id(), value)  # a copy
    else:
        value = _unit(ring, [x], [lead], 0.0, scale, None)
    _add_constant(ring, value, following[0])
    for coefficient in following[1:]:
        factor, product = sealapi.Ciphertext(), sealapi.Ciphertext()
        ring.evaluator.mod_switch_to(x, value.parms_id(), factor)
        ring.evaluator.multiply(value, factor, product)
        ring.evaluator.relinearize_inplace(product, bench.relinearisation)
        ring.evaluator.rescale_to_next_inplace(product)
        _add_constant(ring, product, coefficient)
        value = product
    return value


def _constant(ring: Ring, value: float, level: tuple[int, ...], scale: float) -> Any:
    plaintext = sealapi.Plaintext()
    ring.encoder.encode(value, list(level), scale, plaintext)
    return plaintext


def _add_constant(ring: Ring, ciphertext: Any, value: float) -> None:
    if value:
        ring.evaluator.add_plain_inplace(
            ciphertext, _constant(ring, value, tuple(ciphertext.parms_id()), ciphertext.scale)
        )


def _check_dense(dense: Dense, layer: Layer) -> None:
    if dense.weights.shape != (layer.units, layer.inputs) or dense.bias.shape != (layer.units,):
        raise BadParameters(f"a layer of {layer.units} x {layer.inputs} weights and {layer.units} biases")
    l1 = np.abs(dense.weights).sum(axis=1).max()
    if not (l1 <= layer.weight_l1 * (1 + 1e-12) and np.abs(dense.bias).max() <= layer.bias and math.isfinite(l1)):
        raise OutOfRange("weights or biases beyond the bounds that the circuit declares")
