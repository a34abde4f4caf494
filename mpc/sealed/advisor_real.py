"""The advisor's CKKS half: follows magnitude and error through the circuit and sizes scale, modulus, mask and noise.

Errors are in slots. ``noise`` is what depends on keys and encryption randomness: Li and Micciancio (2021) recover the
key from it, so it is flooded before release. ``plain`` is rounding of weights, harmless, but it counts as inaccuracy.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from mpc.errors import BadParameters, DepthExceeded
from mpc.sealed.circuit import Approximate, Layer, RealInnerProduct, Scoring, outputs
from mpc.sealed.parameters import Opening, Parameters, Scheme
from mpc.sealed.security import ERROR_DEVIATION, MAX_MODULUS_BITS, MAX_PRIME_BITS, TAIL

DOUBLE_BITS = 48  # of a double's 53, what the encoder's transforms keep intact at 2^15 slots
SPARE_PRIME_BITS = 30


@dataclass(frozen=True)
class Wire:
    """A sealed real: bound of its value, of its secret-dependent error, and of its harmless error."""

    size: float
    noise: float
    plain: float


def advise_real(circuit: Approximate, public_key: bool, statistical_bits: int) -> Parameters:
    """Smallest chain by bytes per value; raises ``DepthExceeded`` if no modulus is long enough, ``BadParameters`` if
    no double is wide enough for value, mask and error together."""
    depth, size = levels(circuit), value_bits(circuit)
    width = size + statistical_bits + math.ceil(-math.log2(circuit.error)) + 3
    if width > DOUBLE_BITS:
        raise BadParameters(
            f"value ({size} bits), mask ({statistical_bits} bits) and error 2^-{math.ceil(-math.log2(circuit.error))} "
            f"need {width} bits; a double keeps {DOUBLE_BITS}: allow a larger error, or use an exact circuit"
        )
    found = _all(circuit, public_key, statistical_bits)
    if not found:
        raise DepthExceeded(
            f"{depth} levels with error {circuit.error:g} over {outputs(circuit)} results need a modulus beyond "
            f"{max(MAX_MODULUS_BITS.values())} bits or a scale beyond {MAX_PRIME_BITS} bits: "
            f"{_would_do(circuit, public_key, statistical_bits)}"
        )
    return smallest(found, circuit.rows)


def _all(circuit: Approximate, public_key: bool, statistical_bits: int) -> list[Parameters]:
    degrees = [degree for degree in MAX_MODULUS_BITS if degree >= 2048]
    return [p for degree in degrees for p in _at(circuit, degree, public_key, statistical_bits)]


def _would_do(circuit: Approximate, public_key: bool, statistical_bits: int) -> str:
    """The advice behind a refusal: the next power of two of the error that could be met."""
    for doublings in range(1, 40):
        relaxed = replace(circuit, error=circuit.error * 2.0**doublings)
        if _all(relaxed, public_key, statistical_bits):
            return f"an error of {relaxed.error:g} would do, or fewer rows, smaller weights, a shallower model"
    return "no error would do: the model is too deep"


def smallest(found: list[Parameters], rows: int) -> Parameters:
    """The lowest degree among those whose column takes at most 5% more bytes than the shortest."""
    size = {p: p.limbs * p.blocks(rows) * p.degree * p.data_bits for p in found}
    return min((p for p in found if size[p] <= 1.05 * min(size.values())), key=lambda p: p.degree)


def levels(circuit: Approximate) -> int:
    """Rescalings: the last product is opened at its own scale and needs none."""
    if isinstance(circuit, RealInnerProduct):
        return 0
    return sum(1 + polynomial_levels(layer.polynomial) for layer in circuit.layers) - 1


def polynomial_levels(polynomial: tuple[float, ...]) -> int:
    """Horner's rule: one level per degree; a leading coefficient of one saves the first."""
    if not polynomial:
        return 0
    return len(polynomial) - 1 - (polynomial[-1] == 1.0)


def _at(circuit: Approximate, degree: int, public_key: bool, statistical: int) -> Iterator[Parameters]:
    """The smallest working scale at one degree, if any."""
    slots, depth, count = degree // 2, levels(circuit), outputs(circuit)
    grid_bits = math.ceil(-math.log2(circuit.error)) + 2
    for scale in range(max(20, degree.bit_length() + 3), MAX_PRIME_BITS + 1):
        weight_bits = min(scale, max(12, grid_bits + 2 + value_bits(circuit) + _inputs(circuit).bit_length()))
        result = _result(circuit, degree, scale, weight_bits, public_key)
        # Li, Micciancio, Schultz and Sorrell 2022: Gaussian noise hides the error of `count` results
        flood = math.sqrt(12 * count) * 2 ** (statistical / 2) * result.noise
        if result.noise + result.plain + TAIL * flood + 2.0**-grid_bits > circuit.error:
            continue
        mask_bits = max(1, math.ceil(math.log2(result.size + circuit.error)) + statistical + grid_bits)
        end_scale = scale + (scale if isinstance(circuit, RealInnerProduct) else weight_bits)
        base = end_scale + (mask_bits - grid_bits) + 3
        if mask_bits > 62:
            return
        primes = -(-base // MAX_PRIME_BITS)
        body: tuple[int, ...] = (-(-base // primes),) * primes + (scale,) * depth
        keys = isinstance(circuit, RealInnerProduct) or any(layer.polynomial for layer in circuit.layers)
        special = (max(body),) if keys else (SPARE_PRIME_BITS,) if len(body) > 1 else ()
        chain = body + special
        if sum(chain) <= MAX_MODULUS_BITS[degree] and min(chain) > degree.bit_length() + 1:
            fold = isinstance(circuit, RealInnerProduct) and slots > 1
            yield Parameters(
                Scheme.CKKS,
                degree,
                chain,
                Opening.INTEGER,
                (),
                scale,
                weight_bits,
                grid_bits,
                mask_bits,
                flood,
                keys,
                fold,
            )
        return


def _result(circuit: Approximate, degree: int, scale_bits: int, weight_bits: int, public_key: bool) -> Wire:
    scale, root = 2.0**scale_bits, math.sqrt(degree)
    variance = ERROR_DEVIATION**2 * ((1 + 4 * degree / 3) if public_key else 1) + 1 / 12
    fresh = TAIL * root * math.sqrt(variance) / scale
    rescale = TAIL * root * math.sqrt((1 + 2 * degree / 3) / 12) / scale
    switch = TAIL * root * (4 * math.sqrt(8 * degree) + 1) / scale**2  # key switching happens at the squared scale
    if isinstance(circuit, RealInnerProduct):
        a, b = circuit.bound, circuit.other_bound
        # every slot's error is an independent image of the ciphertext's: deviations add up as square roots
        noise = math.sqrt(circuit.rows) * (a * fresh + b * fresh + fresh * fresh) + degree * switch
        return Wire(circuit.rows * a * b, noise, 0.0)
    wire = Wire(circuit.bound, fresh, 0.0)
    for i, layer in enumerate(circuit.layers):
        last = i == len(circuit.layers) - 1
        wire = _dense(wire, layer, 2.0 ** (weight_bits if last else scale_bits), 0.0 if last else rescale)
        wire = _polynomial(wire, layer.polynomial, scale, rescale, switch)
    return wire


def _dense(x: Wire, layer: Layer, weight_scale: float, rescale: float) -> Wire:
    rounded = layer.inputs * 0.5 / weight_scale
    return Wire(
        layer.weight_l1 * x.size + layer.bias,
        (layer.weight_l1 + rounded) * x.noise + rescale,
        layer.weight_l1 * x.plain + rounded * (x.size + x.plain) + 0.5 / weight_scale,
    )


def _polynomial(x: Wire, coefficients: tuple[float, ...], scale: float, rescale: float, switch: float) -> Wire:
    if not coefficients:
        return x
    value = Wire(abs(coefficients[-1]), 0.0, 0.5 / scale)
    for coefficient in coefficients[-2::-1]:
        value = Wire(
            value.size * x.size + abs(coefficient),
            value.size * x.noise
            + x.size * value.noise
            + (value.noise + value.plain) * (x.noise + x.plain)
            + rescale
            + switch,
            value.size * x.plain + x.size * value.plain + 0.5 / scale,
        )
    return value


def value_bits(circuit: Approximate) -> int:
    """Bits before the point of the largest result."""
    return max(1, math.ceil(math.log2(_result(circuit, 8192, 60, 60, False).size + 1)))


def _inputs(circuit: Approximate) -> int:
    return circuit.layers[-1].inputs if isinstance(circuit, Scoring) else 1
