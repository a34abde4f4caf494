"""What an owner may see of the audit: per system the highest leverage and the jobs behind it, and never whose it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from sandbox.node.gate.addition import Subject
from sandbox.node.gate.domain import Domain
from sandbox.node.gate.exact import Suspects, past
from sandbox.node.gate.kernels import Float64
from sandbox.node.gate.system import System

JOBS: Final = 5
"""How many jobs are named at most."""
_AT_ONCE: Final = 64


@dataclass(frozen=True)
class Standing:
    """``highest``: the exact leverage of one unit; ``jobs``: those that told most about it, first the most."""

    subject: Subject
    highest: float
    rows: int
    questions: int
    jobs: tuple[str, ...]


def standings(domain: Domain) -> list[Standing]:
    """Of every system, membership first, then by dataset and column."""
    names = sorted(domain.systems, key=lambda name: name or ("", ""))
    return [_standing(domain, name, domain.systems[name]) for name in names]


def _standing(domain: Domain, name: Subject, system: System) -> Standing:
    highest, unit = highest_unit(domain, system)
    jobs = _behind(domain, system, unit)
    return Standing(name, highest, len(system.rows), len(system.blocks), jobs)


def highest_unit(domain: Domain, system: System) -> tuple[float, int]:
    """The highest exact leverage and the unit's place: by bounds from above, until none can be higher."""
    order = np.argsort(-system.bound, kind="stable")
    best, unit = 0.0, 0
    for at in range(0, len(order), _AT_ONCE):
        some = order[at : at + _AT_ONCE]
        if system.bound[some[0]] <= best:
            break
        suspects = Suspects.of(system, some.astype(np.int32), domain.places, domain.atoms)
        for which in suspects.batches(len(system.rows)):
            batch, _ = suspects.chosen(which)
            values = [_top(matrix)[0] for matrix in past(system, domain.partitions, batch)]
            if values and max(values) > best:
                best, unit = max(values), int(batch.units[int(np.argmax(values))])
    return best, unit


def _top(matrix: Float64) -> tuple[float, Float64]:
    """The largest squared singular value, and its right vector."""
    if not matrix.shape[0]:
        return 0.0, np.zeros(matrix.shape[1])
    _, values, vectors = np.linalg.svd(matrix, full_matrices=False)
    return float(values[0] ** 2), np.asarray(vectors[0])


def _behind(domain: Domain, system: System, unit: int) -> tuple[str, ...]:
    """Each question's rows of the factor take their share of the unit's leverage; the shares add up to it."""
    one = np.array([unit], np.int32)
    if system.of_units:
        dense = system.columns(domain.partitions, domain.places.records_of(one)[0]).sum(axis=1, keepdims=True)
    else:
        suspects = Suspects.of(system, one, domain.places, domain.atoms)
        dense = system.columns(domain.partitions, suspects.first) * suspects.scale
    solved = system.solve(dense)
    direction = _top(solved)[1]
    shares: dict[str, float] = {}
    at = 0
    for block in system.blocks:
        rows = len(block.factor)
        shares[block.job] = shares.get(block.job, 0.0) + float(np.square(solved[at : at + rows] @ direction).sum())
        at += rows
    told = sorted((job for job in shares if shares[job] > 1e-9), key=lambda job: -shares[job])
    return tuple(told[:JOBS])
