"""What new rows add at most to the leverage of each unit: cheap, from above, so that few exact eigenvalues are needed.

The largest eigenvalue of a sum is at most the sum of the largest ones (Weyl, 1912): bounds of questions add up.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sandbox.node.gate.exact import Suspects, at_most
from sandbox.node.gate.kernels import Float64
from sandbox.node.gate.places import Places
from sandbox.node.gate.system import Extension

_WORTH: Final = 0.005
"""A trace below is bound enough: it takes dozens of such questions to come near a cap."""


def bounds(extension: Extension, places: Places, kept: npt.NDArray[Any], increments: Float64) -> Float64:
    """(units,): the trace, which is exact for one record; for units of several where it is high, a closer bound."""
    if extension.system.of_units:
        return increments
    out = _unit_sums(increments, places)
    if places.single:
        return out
    units = np.flatnonzero((out > _WORTH) & (places.counts > 1)).astype(np.int32)
    inverse = extension.inverse(kept)
    suspects = Suspects.of(extension.system, units, places, extension.atoms)
    for which in suspects.batches(len(extension.rows)):
        some, _ = suspects.chosen(which)
        columns = extension.weights(some.first, kept, inverse) * some.scale[:, None]
        parts = [columns[at:end] for at, end in zip(some.starts[:-1], some.starts[1:], strict=True)]
        out[some.units] = np.minimum(out[some.units], at_most(parts))
    return out


def _unit_sums(values: Float64, places: Places) -> Float64:
    """Per unit the sum over its records."""
    if places.single:
        return values
    return np.asarray(np.bincount(places.owner, weights=values, minlength=places.units), dtype=np.float64)
