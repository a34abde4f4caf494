"""Questions to the node's audit, asked as a job asks them, and the same leverages computed densely."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from jobs.disclosure.gate import Bits, Inquiry, Question, Records
from sandbox.node.gate.audit import Audit, Judgement
from sandbox.node.gate.domain import Domain
from sandbox.node.gate.limits import Limits
from sandbox.node.gate.pieces import Pieces
from sandbox.node.gate.standing import highest_unit
from sandbox.node.gate.system import LAMBDA
from sandbox.node.migrate import migrate
from sandbox.store.engine import open_engine, reading, sqlite_url, writing

KEY = bytes(range(32))
INCOME = ("people", "income")
Array = npt.NDArray[Any]


def hashes(units: Array | int) -> npt.NDArray[np.uint64]:
    """Distinct pairs for unit numbers: an odd multiplication is a bijection of 64-bit words."""
    numbers = np.arange(units) if isinstance(units, int) else np.asarray(units)
    high = (numbers.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    return np.ascontiguousarray(np.stack([high, high ^ np.uint64(0x5555)], axis=1))


def prints_of(rows: Array, prints: Array | None = None) -> npt.NDArray[np.uint64]:
    """Of records of so many rows a unit: none but their order, if ``prints`` are not given."""
    return np.zeros(int(rows.sum()), np.uint64) if prints is None else np.asarray(prints).astype(np.uint64)


class Ids:
    """A new id for every answer."""

    def __init__(self) -> None:
        self._next = 0

    def __call__(self, count: int) -> list[bytes]:
        self._next += count
        return [n.to_bytes(16, "big") for n in range(self._next - count, self._next)]


class Desk:
    """A node's audit with its database; ``ask`` is a whole job."""

    def __init__(self, folder: Path, limits: Limits | None = None, cap: float = 0.25) -> None:
        self.engine = open_engine(sqlite_url(folder / "node.sqlite"))
        migrate(self.engine)
        self.limits, self.cap = limits or Limits(), cap
        self.audit = self.opened()
        self.ids = Ids()
        self.jobs = 0

    def opened(self, key: bytes = KEY) -> Audit:
        """Another audit on the same database, as after a restart."""
        return Audit(Pieces(key), self.limits)

    def restart(self) -> None:
        self.audit = self.opened()

    def question(
        self,
        labels: Sequence[Array],
        subject: tuple[str, str] | None = INCOME,
        rows: Array | None = None,
        units: Array | None = None,
        prints: Array | None = None,
        answers: int = 1,
        holders: int = 1,
        of_unit: bool = False,
    ) -> Question:
        """One inquiry per partition, about each of its bases."""
        counts = np.ones(len(labels[0]), np.int32) if rows is None else np.asarray(rows, np.int32)
        parts = tuple(np.asarray(part, np.int32) for part in labels)
        inquiries = []
        for number, part in enumerate(parts):
            bases = np.arange(int(part.max(initial=-1)) + 1, dtype=np.int32)
            inquiries.append(Inquiry(subject, number, bases, self.ids(len(bases)), answers, holders, of_unit))
        known = hashes(len(counts)) if units is None else hashes(units)
        return Question("person", Records(known, counts, prints_of(counts, prints), parts), tuple(inquiries))

    def judge(self, *questions: Question, job: str | None = None) -> Judgement:
        with writing(self.engine) as connection:
            self.audit.ready(connection, {question.unit_domain for question in questions})
        self.jobs += 1
        return self.audit.judge(job or f"job-{self.jobs}", questions, self.cap)

    def ask(self, *questions: Question, job: str | None = None) -> list[list[Bits]]:
        with self.audit:
            judgement = self.judge(*questions, job=job)
            with writing(self.engine) as connection:
                self.audit.store(connection, judgement)
            self.audit.adopt(judgement)
        return judgement.verdict

    def answered(self, labels: Sequence[Array], **more: Any) -> list[bool]:
        """The verdict on each base of each partition, one after the other."""
        [verdict] = self.ask(self.question(labels, **more))
        return [bool(bit) for bits in verdict for bit in bits]

    def set(self, *members: Array, units: int, **more: Any) -> list[bool]:
        """Ask about some sets of records, each a partition of its own."""
        return self.answered([member_labels(some, units) for some in members], **more)

    @property
    def domain(self) -> Domain:
        with writing(self.engine) as connection:
            self.audit.ready(connection, ["person"])
        return self.audit._domains["person"]

    def highest(self, subject: tuple[str, str] | None = INCOME) -> float:
        return highest_unit(self.domain, self.domain.systems[subject])[0]

    def standing(self) -> dict[Any, Any]:
        with reading(self.engine) as connection:
            return {one.subject: one for one in self.audit.standing(connection, "person")}


def member_labels(members: Array, records: int) -> Array:
    labels = np.full(records, -1, np.int32)
    labels[members] = 0
    return labels


class Dense:
    """The definition, with dense matrices: rows in, leverages out."""

    def __init__(self, records: int) -> None:
        self.rows = np.zeros((0, records))

    def add(self, members: Array, answers: int = 1) -> None:
        row = np.zeros((1, self.rows.shape[1]))
        row[0, members] = np.sqrt(answers)
        self.rows = np.vstack([self.rows, row])

    def hat(self) -> Array:
        a = self.rows
        return np.asarray(a.T @ np.linalg.solve(a @ a.T + LAMBDA * np.eye(len(a)), a))

    def units(self, owner: Array) -> Array:
        """The largest eigenvalue of each unit's block."""
        hat = self.hat()
        return np.array(
            [np.linalg.eigvalsh(hat[np.ix_(owner == unit, owner == unit)])[-1] for unit in range(int(owner.max()) + 1)]
        )
