"""Re-evaluation: evaluation is deterministic, so the key-holder can check a masked block against its own copies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tenseal import sealapi

from mpc.sealed.compute import Bench, Layout, Limbs, Result, layout
from mpc.sealed.messages import SealedColumn

Replay = Callable[[int], list[Any]]
"""Gives output block i as re-evaluated by the key-holder: one unmasked SEAL ciphertext per limb."""


def replay(bench: Bench, columns: Sequence[SealedColumn], compute: Callable[[Bench, list[Limbs]], Result]) -> Replay:
    """Run by the key-holder on its own copies of the columns. A block of a row-wise result needs only the same block
    of each column; totals need the whole column. ``compute`` takes all columns, with the logged operands bound."""

    def one(index: int) -> list[Any]:
        if layout(bench.circuit) is not Layout.ROWS:
            return [limb[index] for limb in compute(bench, bench.load_all(columns)).blocks]
        unit, block = divmod(index, bench.context.parameters.blocks(bench.circuit.rows))
        return [limb[unit] for limb in compute(bench, [bench.load(column, block) for column in columns]).blocks]

    return one


def differs_by_plaintext(ring: Any, masked: Any, honest: Any) -> bool:
    """Whether masked minus honest is a plaintext: a mask changes the first polynomial only.

    SEAL refuses to return a ciphertext whose polynomials from the second on are zero ("transparent"): exactly what we
    look for. A worker can thus add only what it knows itself.
    """
    difference = sealapi.Ciphertext()
    try:
        ring.evaluator.sub(masked, honest, difference)
    except RuntimeError as error:
        return "transparent" in str(error)
    except ValueError:  # another level or scale
        return False
    return False
