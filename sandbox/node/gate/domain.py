"""All that the audit knows of one unit domain, as a value: judging makes the next one and leaves this as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Final

import numpy as np

from jobs.disclosure.gate import Bits, Question, Records
from sandbox.node.gate.addition import Added, Addition, Subject
from sandbox.node.gate.asked import Asked, rows_asked, sizes_of, verdict_of
from sandbox.node.gate.bounds import bounds
from sandbox.node.gate.errors import AuditFull
from sandbox.node.gate.greedy import settle
from sandbox.node.gate.kernels import Float64, Int32, UInt64, compact
from sandbox.node.gate.limits import Limits
from sandbox.node.gate.partitions import Atoms, Partitions, labels_digest
from sandbox.node.gate.places import Growth, Places
from sandbox.node.gate.system import Block, Extension, Rows, System

_RECENT: Final = 4
Counts = Callable[[int, bool], Float64]


@dataclass(frozen=True, repr=False)
class Seen:
    """Where the records of one part are; a part that comes again is not looked up again."""

    hashes: UInt64
    rows: Int32
    prints: UInt64
    where: Int32

    def same(self, hashes: UInt64, rows: Int32, prints: UInt64) -> bool:
        pairs = ((self.rows, rows), (self.prints, prints), (self.hashes, hashes))
        return all(np.array_equal(old, new) for old, new in pairs)


@dataclass(frozen=True, repr=False)
class Outcome:
    """Per inquiry of each cell whether it may be answered; what that adds, if anything, and all that stands then."""

    verdict: list[Bits]
    addition: Addition | None
    domain: Domain


@dataclass(frozen=True, repr=False)
class Domain:
    """``sequence``: the last stored piece that is in it."""

    sequence: int = 0
    places: Places = field(default_factory=Places)
    partitions: Partitions = field(default_factory=Partitions)
    atoms: Atoms = field(default_factory=Atoms)
    systems: Mapping[Subject, System] = field(default_factory=dict)
    recent: tuple[Seen, ...] = ()

    def judged(self, job: str, question: Question, hashes: UInt64, cap: float, limits: Limits) -> Outcome:
        """Decide one question. Raises ``AuditFull``, and ``ValueError`` for a question that contradicts itself."""
        sizes = sizes_of(question)
        asked, cells = rows_asked(question, sizes, {name: system.ids for name, system in self.systems.items()})
        for name, wanted in asked.items():
            _check_rows(len(self.systems.get(name, System()).rows) + len(wanted.answers), limits)
        if not asked:
            return Outcome([verdict_of(rows, None) for rows in cells], None, self)
        growth, seen, grown = self._with_records(hashes, question.records, limits)
        needed, numbers, fresh = grown._needed(question, asked, seen.where)
        trial = grown._with_partitions(fresh)
        holders, of_units = question.holders, question.of_units
        kept: dict[Subject, Bits] = {}
        systems, added = dict(grown.systems), []
        counts = trial._counts(trial._used(asked) | set(numbers.values()))
        for name, wanted in asked.items():
            rows = _rows(wanted, needed, numbers)
            extension = trial._extension(trial._system(name, name in of_units), rows, counts)
            settled = settle(extension, trial.places, trial.partitions, cap / holders[name])
            kept[name] = settled.kept
            if settled.kept.any():
                ids = tuple(id_ for row in np.flatnonzero(settled.kept) for id_ in wanted.ids[row])
                one = Added(name, rows[settled.kept], ids, name in of_units)
                systems[name] = _extended(
                    extension.system, one, extension.block(settled.kept, job), settled.increments, settled.added
                )
                systems[name].bound[settled.units] = np.minimum(systems[name].bound[settled.units], settled.exact)
                added.append(one)
        verdict = [
            verdict_of(rows, kept.get(inquiry.subject)) for inquiry, rows in zip(question.inquiries, cells, strict=True)
        ]
        if not added:
            return Outcome(verdict, None, self)
        addition = _addition(job, growth, len(grown.partitions.bases), fresh, added)
        after = grown._with_partitions(list(addition.partitions), trial.atoms)
        renamed = {one.subject: one.rows for one in addition.added}
        systems = {name: _renamed(system, renamed.get(name), kept.get(name)) for name, system in systems.items()}
        recent = (seen, *(old for old in self.recent if not old.same(seen.hashes, seen.rows, seen.prints)))[:_RECENT]
        return Outcome(verdict, addition, replace(after, systems=systems, recent=recent))

    def replayed(self, addition: Addition, sequence: int) -> Domain:
        """What a stored piece makes of it: its rows were judged when they came."""
        grown = self._grown(self.places.grown(addition.growth))
        fresh = [(_whole(labels, grown.places.records), bases) for labels, bases in addition.partitions]
        after = grown._with_partitions(fresh)
        systems = dict(after.systems)
        numbers = {number for one in addition.added for number in one.rows.used}
        counts = after._counts(after._used([one.subject for one in addition.added]) | numbers)
        for one in addition.added:
            system = after._system(one.subject, one.of_unit)
            systems[one.subject] = after._added(system, one, addition.job, counts)
        return replace(after, systems=systems, sequence=sequence)

    def _added(self, system: System, one: Added, job: str, counts: Counts | None = None) -> System:
        """All of these rows, without a judgement."""
        extension = self._extension(system, one.rows, counts)
        kept = np.ones(len(one.rows), bool)
        increments = extension.increments(kept)
        added = bounds(extension, self.places, kept, increments)
        return _extended(system, one, extension.block(kept, job), increments, added)

    def _system(self, name: Subject, of_units: bool) -> System:
        """Rows outlive what a column is declared to be: after another declaration they are seen with its columns."""
        found, made = self.systems.get(name), System(of_units=of_units).grown(self.places)
        if found is None or found.of_units == of_units:
            return found or made
        at = 0
        for block in found.blocks:
            rows = found.rows[np.arange(at, at + len(block.factor))]
            made = self._added(made, Added(name, rows, ()), block.job)
            at += len(rows)
        return replace(made, ids=found.ids)

    def _extension(self, system: System, rows: Rows, counts: Counts | None = None) -> Extension:
        counted = counts or self._counts(system.rows.used | rows.used)
        return Extension(system, rows, self.partitions, self.atoms, self.places, lambda n: counted(n, system.of_units))

    def _with_records(self, hashes: UInt64, records: Records, limits: Limits) -> tuple[Growth, Seen, Domain]:
        rows, prints = records.rows, records.prints
        for old in self.recent:
            if old.same(hashes, rows, prints):
                return Growth(), old, self
        if int(rows.sum(dtype=np.int64)) > limits.records:
            raise _too_many(limits)
        growth, where = self.places.growth(hashes, rows, prints)
        if self.places.records + int(growth.more.sum(dtype=np.int64)) > limits.records:
            raise _too_many(limits)
        places = self.places.grown(growth)
        return growth, Seen(hashes, rows, prints, where), self._grown(places)

    def _grown(self, places: Places) -> Domain:
        if places.records == self.places.records:
            return replace(self, places=places)
        systems = {name: system.grown(places) for name, system in self.systems.items()}
        partitions, atoms = self.partitions.grown(places.records), self.atoms.grown(places.records)
        return replace(self, places=places, partitions=partitions, atoms=atoms, systems=systems)

    def _needed(
        self, question: Question, asked: Mapping[Subject, Asked], where: Int32
    ) -> tuple[dict[int, Int32], dict[int, int], list[tuple[Int32, int]]]:
        """Per partition of the question: the new number of each base, and the partition's own; and those not known."""
        wanted: dict[int, set[int]] = {}
        for system in asked.values():
            for partition, base in system.places:
                wanted.setdefault(partition, set()).add(base)
        names: dict[int, Int32] = {}
        numbers: dict[int, int] = {}
        fresh: list[tuple[Int32, int]] = []
        known = {digest: number for number, digest in enumerate(self.partitions.digests)}
        for partition, bases in sorted(wanted.items()):
            labels = question.records.labels[partition]
            full = np.full(self.places.records, -1, np.int32)
            full[where] = labels
            chosen = np.zeros(int(labels.max()) + 1, bool)
            chosen[list(bases)] = True
            names[partition] = np.full(len(chosen), -1, np.int32)
            compacted = np.empty_like(full)
            count = compact(full, chosen, names[partition], compacted)
            number = known.setdefault(labels_digest(compacted), len(self.partitions.bases) + len(fresh))
            if number == len(self.partitions.bases) + len(fresh):
                fresh.append((compacted, count))
            numbers[partition] = number
        return names, numbers, fresh

    def _with_partitions(self, fresh: list[tuple[Int32, int]], atoms: Atoms | None = None) -> Domain:
        partitions, refined = self.partitions, atoms or self.atoms
        for labels, bases in fresh:
            partitions = partitions.with_partition(labels, bases)
            refined = refined if atoms else refined.refined(labels, bases)
        return replace(self, partitions=partitions, atoms=refined)

    def _counts(self, used: set[int]) -> Counts:
        """Columns in each of all bases and in each base of one partition, times both its entries; where ``used``."""
        records = np.arange(self.places.records)

        @cache
        def counts(number: int, of_units: bool) -> Float64:
            labels = self.partitions.labels(number, records)
            if of_units and not self.places.single:
                return self.partitions.pairs(labels, self.partitions.bases[number], self.places, used)
            return self.partitions.counts(labels, self.partitions.bases[number], self.atoms, used)

        return counts

    def _used(self, names: Iterable[Subject]) -> set[int]:
        """The partitions that the rows of these systems lie in."""
        return set().union(*(self.systems[name].rows.used for name in names if name in self.systems))


def _rows(asked: Asked, names: Mapping[int, Int32], numbers: Mapping[int, int]) -> Rows:
    partition = np.array([numbers[p] for p, _ in asked.places], np.int32)
    base = np.array([names[p][b] for p, b in asked.places], np.int32)
    return Rows(partition, base, np.array(asked.answers, np.int32))


def _extended(system: System, one: Added, block: Block, increments: Float64, added: Float64) -> System:
    return replace(
        system,
        rows=system.rows + one.rows,
        blocks=(*system.blocks, block),
        leverage=system.leverage + increments,
        bound=system.bound + added,
        ids=system.ids.union(one.ids),
    )


def _addition(job: str, growth: Growth, known: int, fresh: list[tuple[Int32, int]], added: list[Added]) -> Addition:
    """Partitions of which no row was kept are left out, and the others numbered without them."""
    used = sorted({number for one in added for number in one.rows.used if number >= known})
    numbers = np.arange(known + len(fresh), dtype=np.int32)
    numbers[used] = known + np.arange(len(used), dtype=np.int32)
    renamed = tuple(replace(one, rows=replace(one.rows, partition=numbers[one.rows.partition])) for one in added)
    return Addition(job, growth, tuple(fresh[number - known] for number in used), renamed)


def _renamed(system: System, rows: Rows | None, kept: Bits | None) -> System:
    """The system with its newest rows as they are numbered now."""
    if rows is None or kept is None:
        return system
    old = np.arange(len(system.rows)) < len(system.rows) - len(rows)
    return replace(system, rows=system.rows[old] + rows)


def _whole(labels: Int32, records: int) -> Int32:
    return np.concatenate([labels, np.full(records - len(labels), -1, np.int32)])


def _check_rows(count: int, limits: Limits) -> None:
    if count > limits.rows:
        raise AuditFull(f"the audit holds at most {limits.rows} answers on one column (audit_rows)")


def _too_many(limits: Limits) -> AuditFull:
    return AuditFull(f"the audit holds at most {limits.records} records of one kind of individual (audit_records)")
