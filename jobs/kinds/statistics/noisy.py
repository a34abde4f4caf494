"""One part with its noise: what may be masked and opened, and the noisy counts of individuals that rules judge by.

At a node, before anything is masked. How large the noise is says the plan (``Channel.noise``). One question, one noise
(``jobs.disclosure.noise``): asked again, in this job or another, in these words or others, the number is the same. An
exact profile adds nothing and needs no seed. Under differential privacy noise is fresh, and drawn once for a job.
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from jobs.disclosure.gate import Gate
from jobs.disclosure.noise import noises
from jobs.disclosure.profile import Profile
from jobs.disclosure.rules.evidence import Counts
from jobs.kinds.statistics.evidence import LocalResult
from jobs.kinds.statistics.plan.bases import subjects
from jobs.kinds.statistics.plan.cell import cell_questions
from jobs.kinds.statistics.plan.private import events_of
from jobs.kinds.statistics.plan.types import Plan, UnitColumn
from jobs.schema import Scalar

ID_BYTES: Final = 16
_ID: Final = b"unseen/answer/v1"


@dataclass(frozen=True, repr=False)
class NoisyPart:
    """``values``: per channel, per cell. ``ids``: per channel, per cell, the same for the same number with the same
    noise, in every job.

    ``contributors``: by (unit column, channel), where a secret column decides who contributes to the channel: noisy
    counts of distinct units. ``counted``: for which of them noise of their own was drawn; they are further answers.
    Under an exact profile, and under differential privacy, all but the values is empty.
    """

    values: tuple[list[int], ...]
    ids: tuple[list[bytes], ...]
    contributors: Mapping[tuple[int, int], Counts]
    counted: frozenset[tuple[int, int]]


def add_noise(
    plan: Plan, parameters: Mapping[str, Scalar], profile: Profile, gate: Gate, result: LocalResult
) -> NoisyPart:
    """The part of one job, ready to be judged. Linear in channels x cells. Under differential privacy a second call
    would draw a second time, which no ledger has booked."""
    if not profile.judged:
        return NoisyPart(result.values if profile.exact else _fresh(plan, result), (), {}, frozenset())
    units = _contributing(plan, result)
    questions = cell_questions(plan, parameters)
    own = frozenset(place for place in units if not _told_by_channel(plan, place, result))
    order = sorted(own)
    asked = [question for row in questions for question in row]
    asked += [_of_units(plan, unit, question) for unit, channel in order for question in questions[channel]]
    seeds = _rows(gate.seeds(asked), plan.cells)
    of_channels, of_units = seeds[: len(plan.channels)], dict(zip(order, seeds[len(plan.channels) :], strict=True))
    drawn = [noises(row, int(channel.noise)) for row, channel in zip(of_channels, plan.channels, strict=True)]
    return NoisyPart(
        tuple([x + y for x, y in zip(*pair, strict=True)] for pair in zip(result.values, drawn, strict=True)),
        tuple([hashlib.sha256(_ID + seed).digest()[:ID_BYTES] for seed in row] for row in of_channels),
        {
            place: exact + _array(noises(of_units[place], profile.noise_ratio) if place in own else drawn[place[1]])
            for place, exact in units.items()
        },
        own,
    )


def _fresh(plan: Plan, result: LocalResult) -> tuple[list[int], ...]:
    """Every declared cell of every channel, with discrete Gaussian noise; no value decides about any of it."""
    draw = importlib.import_module("jobs.disclosure.discrete_gaussian").noise  # it loads a library that few jobs need
    found = []
    for values, event in zip(result.values, events_of(plan), strict=True):
        found.append([value + drawn for value, drawn in zip(values, draw(plan.cells, event).tolist(), strict=True)])
    return tuple(found)


def _contributing(plan: Plan, result: LocalResult) -> dict[tuple[int, int], Counts]:
    """Exact counts, by (unit column, first channel of an aggregate); only where they may differ from the base."""
    found = {}
    for aggregate, entries in zip(plan.aggregates, result.evidence, strict=True):
        first = aggregate.channels[0]
        if subjects(plan, plan.channels[first]):
            for unit in range(len(plan.unit_columns)):
                found[unit, first] = entries[unit * len(aggregate.channels)].units
    return found


def _told_by_channel(plan: Plan, place: tuple[int, int], result: LocalResult) -> bool:
    """Whether the channel counts just these units: then its noise is theirs, and nothing further is told."""
    unit, channel = plan.unit_columns[place[0]], plan.channels[place[1]]
    if channel.kind == "distinct":
        return channel.column == unit.column
    return bool((result.records[place[0]].rows <= 1).all())


def _of_units(plan: Plan, unit: int, question: bytes) -> bytes:
    return question + b"\0contributors\0" + _name(plan, plan.unit_columns[unit]).encode()


def _name(plan: Plan, unit: UnitColumn) -> str:
    return f"{plan.dataset_of(unit.column.table)}.{unit.column.name}"


def _rows(seeds: Sequence[bytes], cells: int) -> list[Sequence[bytes]]:
    return [seeds[start : start + cells] for start in range(0, len(seeds), cells)]


def _array(values: Sequence[int]) -> Counts:
    return np.array(values, dtype=np.int64)
