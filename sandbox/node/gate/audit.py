"""What a job calls at its node: get ready, judge, store in the transaction that queues the flags, adopt.

Two jobs never judge at once: all four happen inside ``with audit``. Judging changes nothing; what is stored is in the
caller's transaction; memory follows after the commit. If a crash or a rollback comes between, memory and database are
one again at the next ``ready``, which reads what the database has more.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType

import numpy as np
import pyarrow as pa
from sqlalchemy import Connection, insert, select

from adapters.snapshot.units import KEY_BYTES, hash_units
from jobs.disclosure.gate import Bits, Question, Records
from mpc.party import RandomBytes
from sandbox.errors import IntegrityFailure
from sandbox.node.gate.addition import Addition, hash_pairs
from sandbox.node.gate.domain import Domain
from sandbox.node.gate.errors import StaleJudgement
from sandbox.node.gate.kernels import UInt64
from sandbox.node.gate.limits import Limits
from sandbox.node.gate.pieces import ROWS, Pieces
from sandbox.node.gate.standing import Standing, standings
from sandbox.node.tables import settings


@dataclass(repr=False)
class Judgement:
    """``verdict`` per question, per inquiry; the rest is the audit's own: what to store, and what stands then."""

    verdict: list[list[Bits]]
    additions: list[tuple[str, Addition]]
    based_on: dict[str, int]
    after: dict[str, Domain]
    stored: dict[str, int] = field(default_factory=dict)


class Audit:
    """The audit of all unit domains of a node."""

    def __init__(self, pieces: Pieces, limits: Limits = Limits(), rng: RandomBytes = secrets.token_bytes) -> None:
        self._pieces, self._limits, self._rng = pieces, limits, rng
        self._domains: dict[str, Domain] = {}
        self._unit_keys: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Audit:
        self._lock.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()

    def ready(self, connection: Connection, unit_domains: Iterable[str]) -> None:
        """Bring these domains' memory up to the database; makes their unit keys if there are none.

        Raises ``IntegrityFailure`` for pieces that are missing, altered or swapped; the node then runs no job.
        """
        names = sorted(set(unit_domains))
        self._load(connection, names)
        for name in names:
            self._unit_keys[name] = self._unit_key(connection, name)

    def _load(self, connection: Connection, unit_domains: Iterable[str]) -> None:
        self._pieces.check(connection)
        for name in unit_domains:
            domain = self._domains.get(name, Domain())
            if self._pieces.last(connection, name, ROWS) < domain.sequence:
                raise IntegrityFailure("the audit lacks pieces that were there")
            for sequence, content in self._pieces.read(connection, name, ROWS, domain.sequence):
                domain = domain.replayed(Addition.decode(content), sequence)
            self._domains[name] = domain

    def judge(self, job: str, questions: Sequence[Question], cap: float) -> Judgement:
        """Decide all that one job asks; ``cap`` is the leverage of one unit if there is one holder, above 0.

        Needs ``ready`` before. Raises ``AuditFull``; changes nothing.
        """
        if not 0 < cap <= 1:
            raise ValueError("a leverage cap is above 0 and at most 1; without one nothing is judged")
        made = Judgement([], [], {}, {})
        for question in questions:
            name = question.unit_domain
            domain = made.after.get(name) or self._domains[name]
            made.based_on.setdefault(name, domain.sequence)
            outcome = domain.judged(job, question, self._hashes(name, question.records), cap, self._limits)
            made.after[name] = outcome.domain
            made.verdict.append(outcome.verdict)
            if outcome.addition is not None:
                made.additions.append((name, outcome.addition))
        return made

    def store(self, connection: Connection, judgement: Judgement) -> None:
        """Write what it adds, in the caller's transaction. Raises ``StaleJudgement`` if something came between."""
        self._check_current(judgement)
        for name, sequence in judgement.based_on.items():
            if self._pieces.last(connection, name, ROWS) != sequence:
                raise StaleJudgement("another answer was stored since this was judged")
        stored = {}
        for name, addition in judgement.additions:
            stored[name] = self._pieces.append(connection, name, ROWS, addition.encode())
        judgement.stored = stored

    def adopt(self, judgement: Judgement) -> None:
        """Let memory follow, after the commit. Raises ``StaleJudgement``; ``ValueError`` if it was not stored."""
        self._check_current(judgement)
        if {name for name, _ in judgement.additions} != set(judgement.stored):
            raise ValueError("a judgement is stored before it is adopted")
        for name, sequence in judgement.stored.items():
            self._domains[name] = replace(judgement.after[name], sequence=sequence)

    def standing(self, connection: Connection, unit_domain: str) -> list[Standing]:
        """Per system the highest leverage and the jobs behind it; nothing for a domain that nobody asked about."""
        self._load(connection, [unit_domain])
        return standings(self._domains[unit_domain])

    def foreseen(self, judgement: Judgement) -> dict[str, list[Standing]]:
        """Per unit domain that was asked about, what ``standing`` would say if the judgement were adopted."""
        return {name: standings(domain) for name, domain in judgement.after.items()}

    def _check_current(self, judgement: Judgement) -> None:
        for name, sequence in judgement.based_on.items():
            if self._domains[name].sequence != sequence:
                raise StaleJudgement("another answer was adopted since this was judged")

    def _hashes(self, domain: str, records: Records) -> UInt64:
        if isinstance(records.units, np.ndarray):
            return records.units
        units = records.units.combine_chunks() if isinstance(records.units, pa.ChunkedArray) else records.units
        return hash_pairs(*hash_units(units, self._unit_keys[domain]))

    def _unit_key(self, connection: Connection, domain: str) -> bytes:
        """The same key as the domain's snapshots have (``sandbox.node.storing.layout_of``), so units are the same."""
        name = f"unit_key {domain}"
        found = connection.execute(select(settings.c.value).where(settings.c.name == name)).scalar_one_or_none()
        if found is None:
            if self._pieces.last(connection, domain, ROWS):
                raise IntegrityFailure("a unit key is missing though the audit knows units by it")
            found = self._rng(KEY_BYTES)
            connection.execute(insert(settings).values(name=name, value=found))
        return bytes(found)

    def __repr__(self) -> str:
        return "Audit(key=<redacted>)"
