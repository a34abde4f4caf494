"""The worker's arithmetic on sealed columns: no key that could open anything.

Evaluation is deterministic: the same inputs give the same bytes, so the key-holder can re-evaluate a sample
(``opening.KeyHolder``). Noise in a result depends on the operands (weights, labels), so these are part of the logged
circuit; weights that must stay secret from the key-holder belong under Paillier.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt
from tenseal import sealapi

from mpc.errors import BadParameters, MalformedMessage, OutOfRange, WrongSession
from mpc.sealed.advisor import check_fits
from mpc.sealed.circuit import (
    ColumnSum,
    Computation,
    GroupSum,
    InnerProduct,
    RealInnerProduct,
    RowWeightedSum,
    Scoring,
    VectorSum,
    WeightedSum,
)
from mpc.sealed.columns import columns_of
from mpc.sealed.context import Context
from mpc.sealed.messages import MAX_KEY_BYTES, KeyMaterial, SealedColumn
from mpc.sealed.parameters import Parameters
from mpc.sealed.seal import load_ciphertext, memory_file

Limbs = list[list[Any]]
"""SEAL ciphertexts, first by limb, then by block."""


class Layout(Enum):
    """How a result lies in its blocks."""

    ROWS = 1  # a value per slot
    TOTALS = 2  # a value per block, the sum of its slots
    FOLDED = 3  # one value, the same in every slot


def layout(circuit: Computation) -> Layout:
    if isinstance(circuit, VectorSum | WeightedSum | Scoring):
        return Layout.ROWS
    return Layout.FOLDED if isinstance(circuit, RealInnerProduct) else Layout.TOTALS


def output_blocks(parameters: Parameters, circuit: Computation) -> int:
    """Ciphertexts per limb in a result of this circuit."""
    match circuit:
        case Scoring():
            return parameters.blocks(circuit.rows) * circuit.layers[-1].units
        case VectorSum() | WeightedSum():
            return parameters.blocks(circuit.rows)
        case GroupSum():
            return circuit.groups
        case _:
            return 1


@dataclass(frozen=True)
class Result:
    """Unmasked ciphertexts of a result: they stay at the worker."""

    circuit: Computation
    blocks: Limbs


class Bench:
    """Where a worker loads columns and computes: parameters, rings, and evaluation keys if the circuit needs any."""

    def __init__(self, material: KeyMaterial, circuit: Computation) -> None:
        """Raises ``MalformedMessage`` for keys that do not fit the parameters, ``BadParameters`` for parameters (the
        key-holder chose them) that do not fit the circuit."""
        check_fits(material.parameters, circuit)
        self.material, self.circuit = material, circuit
        self.context = Context(material.parameters)
        self.relinearisation: Any = None
        self.rotation: Any = None
        seal = self.context.rings[0].seal
        with memory_file() as file:
            if material.parameters.relinearise:
                self.relinearisation = file.load(sealapi.RelinKeys(), seal, material.relinearisation, MAX_KEY_BYTES)
            if material.parameters.fold:
                self.rotation = file.load(sealapi.GaloisKeys(), seal, material.rotation, MAX_KEY_BYTES)
                elements = [pow(3, step, 2 * material.parameters.degree) for step in material.parameters.rotations]
                if not all(self.rotation.has_key(element) for element in elements):
                    raise MalformedMessage("a rotation key is missing")

    def load(self, column: SealedColumn, block: int | None = None) -> Limbs:
        """Check and load one column, or one block of it. Raises ``WrongSession``, ``MalformedMessage``."""
        if (column.job, column.key_id) != (self.material.job, self.material.key_id):
            raise WrongSession("a column of another job or key: keys of different owners never mix")
        if column.rows != self.circuit.rows or column.index >= columns_of(self.circuit):
            raise MalformedMessage("not a column of this circuit")
        part = slice(None) if block is None else slice(block, block + 1)
        limit = self.context.parameters.max_ciphertext_bytes
        forms = [self.context.fresh_form(limb) for limb in range(len(self.context.rings))]
        with memory_file() as file:
            return [
                [load_ciphertext(file, ring.seal, raw, forms[limb], limit) for raw in column.blocks[limb][part]]
                for limb, ring in enumerate(self.context.rings)
            ]

    def load_all(self, columns: Sequence[SealedColumn]) -> list[Limbs]:
        """All columns of the circuit, in the order of their indices, each exactly once."""
        if [column.index for column in columns] != list(range(columns_of(self.circuit))):
            raise BadParameters(f"the circuit takes {columns_of(self.circuit)} columns, once each, in order")
        return [self.load(column) for column in columns]


def vector_sum(bench: Bench, columns: list[Limbs]) -> Result:
    """Row by row sum."""
    _check(bench, VectorSum)
    return Result(
        bench.circuit,
        [
            [_sum(ring, group) for group in zip(*[c[limb] for c in columns], strict=True)]
            for limb, ring in enumerate(bench.context.rings)
        ],
    )


def column_sum(bench: Bench, column: Limbs) -> Result:
    """One block whose slots add up to the column's sum."""
    _check(bench, ColumnSum)
    return Result(bench.circuit, [[_sum(ring, column[limb])] for limb, ring in enumerate(bench.context.rings)])


def group_sum(bench: Bench, column: Limbs, labels: npt.NDArray[np.integer[Any]]) -> Result:
    """One block per group; ``labels`` are 0..groups-1 per row. ``OutOfRange`` for a group without a row."""
    circuit = bench.circuit
    if not isinstance(circuit, GroupSum) or labels.shape != (circuit.rows,):
        raise BadParameters("a group sum takes one label per row")
    if labels.min() < 0 or labels.max() >= circuit.groups or len(np.unique(labels)) != circuit.groups:
        raise OutOfRange("labels must use every group from 0 on: leave groups without rows out of the circuit")
    blocks: Limbs = []
    for limb in range(bench.context.parameters.limbs):
        blocks.append([_dot_plain(bench, limb, column, (labels == g).astype(np.int64)) for g in range(circuit.groups)])
    return Result(circuit, blocks)


def row_weighted_sum(bench: Bench, column: Limbs, weights: npt.NDArray[np.int64]) -> Result:
    """One block whose slots add up to the sum of weight times value."""
    circuit = bench.circuit
    if not isinstance(circuit, RowWeightedSum) or weights.shape != (circuit.rows,) or weights.dtype.kind != "i":
        raise BadParameters("a row-weighted sum takes one integer weight per row")
    if weights.max() > circuit.weight or weights.min() < -circuit.weight or not weights.any():
        raise OutOfRange("weights beyond their declared bound, or all zero")
    limbs = range(bench.context.parameters.limbs)
    return Result(circuit, [[_dot_plain(bench, limb, column, weights)] for limb in limbs])


def weighted_sum(bench: Bench, columns: list[Limbs], weights: Sequence[int]) -> Result:
    """Row by row, the sum of weight[j] * column[j] with integer weights."""
    circuit = bench.circuit
    if not isinstance(circuit, WeightedSum) or len(weights) != circuit.columns:
        raise BadParameters("a weighted sum takes one integer weight per column")
    total = sum(abs(int(w)) for w in weights)
    if not 0 < total <= circuit.weight_l1:
        raise OutOfRange("weights beyond their declared bound, or all zero")
    blocks: Limbs = []
    for limb, ring in enumerate(bench.context.rings):
        used = [(c[limb], int(w)) for c, w in zip(columns, weights, strict=True) if int(w) % ring.plain]
        if not used:
            raise OutOfRange("weights that vanish modulo a plain modulus")
        blocks.append([_sum(ring, [_scaled(ring, c[i], w) for c, w in used]) for i in range(len(columns[0][limb]))])
    return Result(circuit, blocks)


def inner_product(bench: Bench, a: Limbs, b: Limbs) -> Result:
    """Sum over rows of a[i] * b[i]. Exact: slots add up to it, no evaluation key. Real: folded into every slot."""
    if not isinstance(bench.circuit, InnerProduct | RealInnerProduct):
        raise BadParameters("the bench was set up for another circuit")
    blocks: Limbs = []
    for limb, ring in enumerate(bench.context.rings):
        products = []
        for x, y in zip(a[limb], b[limb], strict=True):
            product = sealapi.Ciphertext()
            ring.evaluator.multiply(x, y, product)
            products.append(product)
        total = _sum(ring, products)
        if bench.rotation is not None:
            ring.evaluator.relinearize_inplace(total, bench.relinearisation)
            for step in bench.context.parameters.rotations:
                turned = sealapi.Ciphertext()
                ring.evaluator.rotate_vector(total, step, bench.rotation, turned)
                ring.evaluator.add_inplace(total, turned)
        blocks.append([total])
    return Result(bench.circuit, blocks)


def _check(bench: Bench, kind: type[Computation]) -> None:
    if not isinstance(bench.circuit, kind):
        raise BadParameters("the bench was set up for another circuit")


def _sum(ring: Any, ciphertexts: Sequence[Any]) -> Any:
    total = sealapi.Ciphertext()
    ring.evaluator.add_many(list(ciphertexts), total)
    return total


def _times(ring: Any, ciphertext: Any, plaintext: Any) -> Any:
    product = sealapi.Ciphertext()
    ring.evaluator.multiply_plain(ciphertext, plaintext, product)
    return product


def _scaled(ring: Any, ciphertext: Any, weight: int) -> Any:
    """SEAL lifts a negative constant to t - |w|, and the noise grows by t instead of |w|: negate the product."""
    product = _times(ring, ciphertext, sealapi.Plaintext(f"{abs(weight) % ring.plain:x}"))
    if weight < 0:
        ring.evaluator.negate_inplace(product)
    return product


def _dot_plain(bench: Bench, limb: int, column: Limbs, weights: npt.NDArray[Any]) -> Any:
    """Blocks whose weights are all zero add nothing, and SEAL rightly refuses to multiply by zero."""
    slots, ring = bench.context.parameters.slots, bench.context.rings[limb]
    parts = [(block, weights[i * slots : (i + 1) * slots] % ring.plain) for i, block in enumerate(column[limb])]
    used = [_times(ring, block, bench.context.encode(limb, part)) for block, part in parts if part.any()]
    if not used:
        raise OutOfRange("weights that vanish modulo a plain modulus")
    return _sum(ring, used)
