"""Finds the smallest safe parameters for a described computation, or says what it would need.

"Smallest" is bytes uploaded per value, then the ring degree. Noise is tracked as standard deviations of coefficients
(the heuristic of Costache and Smart 2016; Iliashenko's and SEAL's constants), bounded at eight deviations; decryption
checks the remaining noise budget again, so an optimistic estimate ends in a typed error and never in a wrong number.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from mpc.errors import BadParameters
from mpc.integers import is_prime
from mpc.sealed.advisor_real import advise_real, smallest, value_bits
from mpc.sealed.circuit import (
    Approximate,
    ColumnSum,
    Computation,
    Exact,
    GroupSum,
    InnerProduct,
    RowWeightedSum,
    VectorSum,
    WeightedSum,
    check_computation,
    result_bound,
)
from mpc.sealed.parameters import MAX_LIMBS, Opening, Parameters, Scheme
from mpc.sealed.security import ERROR_DEVIATION, MAX_MODULUS_BITS, MAX_PRIME_BITS, TAIL

STATISTICAL_BITS: Final = 40
"""How well integer masks hide, at least: whoever masks checks it."""
REAL_STATISTICAL_BITS: Final = 30
"""The same for masks and noise of CKKS, where a double has to keep value, mask and error."""
SPARE_PRIME_BITS = 30  # SEAL sets the last of several primes aside; without evaluation keys its size is free


def advise(
    circuit: Computation,
    *,
    public_key: bool = False,
    opening: Opening = Opening.MODULAR,
    statistical_bits: int | None = None,
) -> Parameters:
    """The smallest safe parameters; ``BadParameters``, ``DepthExceeded``, ``OutOfRange`` say what is needed.

    ``public_key``: columns are sealed by someone other than the key-holder (noisier and twice the size).
    ``statistical_bits``: how well integer masks hide (default and least 40), and masks and noise of CKKS (30).
    """
    check_computation(circuit)
    least = REAL_STATISTICAL_BITS if isinstance(circuit, Approximate) else STATISTICAL_BITS
    hidden = least if statistical_bits is None else statistical_bits
    if not least <= hidden <= 64:
        raise BadParameters(f"statistical_bits must be {least} to 64 for this circuit")
    if isinstance(circuit, Approximate):
        return advise_real(circuit, public_key, hidden)
    candidates = list(_candidates(circuit, public_key, opening, hidden))
    if not candidates:
        raise BadParameters(
            f"no safe parameters carry a result of {result_bound(circuit).bit_length()} bits for this circuit up to "
            f"degree {max(MAX_MODULUS_BITS)}: lower the bounds or split the rows"
        )
    return smallest(candidates, circuit.rows)


def check_fits(parameters: Parameters, circuit: Computation) -> None:
    """Refuse (``BadParameters``) parameters under which a result would wrap or a mask not hide it.

    Run by whoever masks under parameters that somebody else chose: the key-holder gains from masks that are too small.
    """
    check_computation(circuit)
    if isinstance(circuit, Approximate):
        fits = parameters.scheme is Scheme.CKKS
        fits = fits and parameters.mask_bits - parameters.grid_bits >= value_bits(circuit) - 1 + REAL_STATISTICAL_BITS
    else:
        need = _ring_size(circuit, parameters.degree, parameters.opening, STATISTICAL_BITS)
        fits = parameters.scheme is Scheme.BFV and parameters.modulus >= need
    if not fits:
        raise BadParameters("these parameters carry no result of this circuit behind its mask: take those of advise")


def noise_deviation(circuit: Exact, degree: int, plain_bits: int, public_key: bool) -> float:
    """Standard deviation of the coefficients' noise in a result, in units of the plaintext's last place."""
    variance = ERROR_DEVIATION**2
    # fresh: e (+ the rounding of the scaled message), or e*u + e1 + e2*s with ternary u and s
    fresh = math.sqrt(variance * (1 + 4 * degree / 3) if public_key else variance + 1 / 12)
    blocks = math.sqrt(-(-circuit.rows // degree))
    times_plain = math.sqrt(degree) * 2.0 ** (plain_bits - 1)  # norm of a plaintext with coefficients below t/2
    match circuit:
        case VectorSum():
            return fresh * math.sqrt(circuit.columns)
        case ColumnSum():
            return fresh * blocks
        case WeightedSum():
            return fresh * circuit.weight_l1
        case GroupSum() | RowWeightedSum():
            return fresh * times_plain * blocks
        case InnerProduct():
            # t * (k1*e2 + k2*e1), k the multiples of q in c(s): deviation 0.24 * sqrt(N) each; rounded up to 0.5
            return fresh * 0.5 * degree * 2.0**plain_bits * blocks


def _candidates(circuit: Exact, public_key: bool, opening: Opening, statistical: int) -> Iterator[Parameters]:
    for degree, limit in MAX_MODULUS_BITS.items():
        need = _ring_size(circuit, degree, opening, statistical)
        for limbs in range(1, MAX_LIMBS + 1):
            # plain moduli must differ from the chain's primes; both are the largest of their size, so step over some
            plain = _plain_moduli(degree, need, limbs, skip=limit // MAX_PRIME_BITS + 1)
            if plain is None:
                continue
            bits = max(plain).bit_length()
            noise = TAIL * noise_deviation(circuit, degree, bits, public_key) + 2
            data = math.ceil(math.log2(2 * max(plain) * noise)) + 1  # primes may be half a bit below their size
            chain = _chain(data, 2 * degree)
            if chain is not None and sum(chain) <= limit:
                yield Parameters(Scheme.BFV, degree, chain, opening, plain)


def _ring_size(circuit: Exact, degree: int, opening: Opening, statistical: int) -> int:
    """How large the product of the plain moduli must be."""
    if opening is Opening.MODULAR:
        return 2 * result_bound(circuit) + 1
    # one slot holds a part of the result; its mask must drown it without wrapping, for all slots opened together
    blocks = circuit.groups if isinstance(circuit, GroupSum) else 1
    if isinstance(circuit, VectorSum | WeightedSum):
        blocks = -(-circuit.rows // degree)
    return 2 * result_bound(circuit) << (statistical + (blocks * degree - 1).bit_length())


def _plain_moduli(degree: int, need: int, limbs: int, skip: int) -> tuple[int, ...] | None:
    """``limbs`` primes, 1 modulo 2N, as small as their product allows; None if they would be too large or too small."""
    smallest = (2 * degree).bit_length() + 1
    bits = max(smallest, -(-need.bit_length() // limbs))
    if limbs > 1 and bits == smallest and need.bit_length() <= (limbs - 1) * (smallest - 1):
        return None  # fewer limbs do
    while bits <= MAX_PRIME_BITS:
        primes = _primes_below(1 << bits, 2 * degree, limbs, skip)
        if primes is not None and math.prod(primes) >= need:
            return primes
        bits += 1
    return None


def _primes_below(top: int, step: int, count: int, skip: int) -> tuple[int, ...] | None:
    found: list[int] = []
    candidate = (top - 2) // step * step + 1
    while len(found) < count + skip and candidate > top // 2:
        if is_prime(candidate):
            found.append(candidate)
        candidate -= step
    return tuple(found[skip:]) if len(found) == count + skip else None


def _chain(data_bits: int, step: int) -> tuple[int, ...] | None:
    """Split into primes of at most 60 bits, each wide enough to exist for this degree, and a spare one if several."""
    least = step.bit_length() + 1
    count = max(1, -(-data_bits // MAX_PRIME_BITS))
    size = max(least, -(-data_bits // count))
    if size > MAX_PRIME_BITS:
        return None
    return (size,) if count == 1 else (size,) * count + (SPARE_PRIME_BITS,)
