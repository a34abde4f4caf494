"""Where a job meets its node's gate: what a party asks is judged under the gate's lock, before any transaction is open;
what was asked is stored in the transaction that queues what follows, and remembered once that is committed.

The gate itself is ``sandbox.node.gate``; only its ports are named here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from types import TracebackType
from typing import Any, Final, Protocol, Self

import numpy as np
from sqlalchemy import Connection

from jobs.disclosure.gate import Bits, Gate, Inquiry, Question, Verdict
from jobs.disclosure.profile import Privacy, Profile
from jobs.disclosure.zcdp import Spend
from jobs.documents import json_digest
from jobs.kinds.base import Ask
from jobs.schema import Digest
from sandbox.node.accept import Accepted
from sandbox.node.excluding import excluded_digest
from sandbox.node.state import Held, NodeState

_PERCENT: Final = 100


class Judgement(Protocol):
    @property
    def verdict(self) -> Sequence[Sequence[Bits]]:
        """Per question, per inquiry: for each cell whether it may be answered."""
        ...


class Auditing(Protocol):
    """``sandbox.node.gate.audit.Audit``: all happens while its lock is held."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def ready(self, connection: Connection, unit_domains: Iterable[str]) -> None: ...

    def judge(self, job: str, questions: Sequence[Question], cap: float) -> Any:
        """A ``Judgement``. ``cap``: the largest leverage of one unit if there is one holder."""
        ...

    def store(self, connection: Connection, judgement: Any) -> None: ...

    def adopt(self, judgement: Any) -> None: ...

    def standing(self, connection: Connection, unit_domain: str) -> Sequence[Any]: ...

    def foreseen(self, judgement: Any) -> Mapping[str, Sequence[Any]]:
        """Per unit domain, what would stand if the judgement were adopted."""
        ...


class CountVetoes(Protocol):
    def add(self, domain: str, job: str, cells: int, limit: int) -> int:
        """In a transaction of its own: what was closed is counted even if nothing is said of it. Raises a typed error
        above the limit."""
        ...

    def total(self, connection: Connection, domain: str) -> int:
        """How many so far."""
        ...


class KeepEvents(Protocol):
    """``sandbox.node.spending.Spending``."""

    def store(self, connection: Connection, job: str, spends: Sequence[Spend]) -> None: ...

    def standing(self, connection: Connection, unit_domain: str, privacy: Privacy) -> Any: ...


class NodeGate(Protocol):
    """The gate as the node uses it. Made when the node starts; shared by all jobs."""

    @property
    def audit(self) -> Auditing: ...

    @property
    def vetoes(self) -> CountVetoes: ...

    @property
    def spending(self) -> KeepEvents: ...

    def seeds(self, rows: Digest) -> Gate:
        """For the exact rows of a job's data versions, named by their digest. Raises ``IntegrityFailure`` for a noise
        key that is gone though answers were given with it."""
        ...

    def state_digest(self, connection: Connection) -> Digest:
        """Of all that is remembered of all unit domains."""
        ...

    def check(self, connection: Connection, said: Digest) -> None:
        """Raise ``IntegrityFailure`` unless all is there, and goes on from what an earlier message ``said``."""
        ...

    def renew_key(self, connection: Connection) -> None:
        """After the owner has acknowledged that its noise key is lost: make another."""
        ...

    def standing(self, connection: Connection, unit_domain: str) -> list[dict[str, Any]]:
        """For the owner: per system the highest leverage and the jobs behind it, never whose it is."""
        ...


@dataclass(frozen=True)
class Answer:
    """The gate's verdict on one ``Ask``. ``store`` belongs into the transaction that queues what the party says."""

    verdict: Verdict
    store: Callable[[Connection], None] = field(repr=False)


class Asking:
    """One job's way to its node's gate."""

    def __init__(self, gate: NodeGate, state: NodeState, accepted: Accepted) -> None:
        self._gate, self._state, self._accepted = gate, state, accepted

    @contextmanager
    def answered(self, ask: Ask) -> Iterator[Answer]:
        """Holds the gate's lock; leaving it well adopts what was stored. If the block raises, nothing was asked; only
        vetoes stay counted."""
        profile, job = self._accepted.profile, self._accepted.checked.permit.document.job
        domains = sorted({question.unit_domain for question in ask.questions})
        with self._gate.audit as audit:
            for domain in domains:
                self._gate.vetoes.add(domain, job, ask.vetoes, profile.secret_vetoes)
            if profile.leverage_cap_percent == 0:
                passing = [_all_pass(question) for question in ask.questions]
                yield Answer(passing, partial(self._gate.spending.store, job=job, spends=self._accepted.spends))
                return
            with self._state.write() as connection:
                audit.ready(connection, domains)
            verdict, judgement = _judged(audit, job, ask, profile, self._accepted.inputs)
            yield Answer(verdict, partial(_store, audit, judgement))
            audit.adopt(judgement)


@dataclass(frozen=True)
class Foreseen:
    """What the gate would say to an ``Ask``, and what would stand then. ``before`` and ``after``: per unit domain, per
    system, as ``Auditing.standing``; both empty where nothing is audited. ``vetoes``: how many stand now."""

    verdict: Verdict
    before: Mapping[str, Sequence[Any]]
    after: Mapping[str, Sequence[Any]]
    vetoes: Mapping[str, int]


def foresee(gate: NodeGate, state: NodeState, ask: Ask, profile: Profile, inputs: Mapping[str, Held]) -> Foreseen:
    """Judge as for a job, and forget it: nothing is stored, counted or adopted. Raises as judging for a job does."""
    domains = sorted({question.unit_domain for question in ask.questions})
    with gate.audit as audit:
        with state.read() as connection:
            vetoes = {domain: gate.vetoes.total(connection, domain) for domain in domains}
        if profile.leverage_cap_percent == 0:
            return Foreseen([_all_pass(question) for question in ask.questions], {}, {}, vetoes)
        with state.write() as connection:  # the keys of the units, if none was ever asked about
            audit.ready(connection, domains)
        verdict, judgement = _judged(audit, "dry-run", ask, profile, inputs)
        with state.read() as connection:
            before = {domain: audit.standing(connection, domain) for domain in domains}
        return Foreseen(verdict, before, audit.foreseen(judgement), vetoes)


def _judged(
    audit: Auditing, job: str, ask: Ask, profile: Profile, inputs: Mapping[str, Held]
) -> tuple[Verdict, Judgement]:
    rooted = [_rooted(question.inquiries, inputs) for question in ask.questions]
    pairs = zip(ask.questions, rooted, strict=True)
    questions = [replace(question, inquiries=inquiries) for question, (inquiries, _) in pairs]
    judgement: Judgement = audit.judge(job, questions, profile.leverage_cap_percent / _PERCENT)
    verdict = [
        [_all_of([found[place] for place in group]) for group in places]
        for found, (_, places) in zip(judgement.verdict, rooted, strict=True)
    ]
    return verdict, judgement


def _store(audit: Auditing, judgement: Judgement, connection: Connection) -> None:
    audit.store(connection, judgement)


def _all_pass(question: Question) -> Sequence[Bits]:
    return [np.ones(len(inquiry.bases), np.bool_) for inquiry in question.inquiries]


def rows_digest(connection: Connection, inputs: Mapping[str, Held]) -> Digest:
    """The exact rows that a job reads: content of files, whatever they are called, and who is left out. Not salted, so
    that the same rows registered anew under the same name have the same one; it never leaves the node."""
    return json_digest(
        [[name, held.content, excluded_digest(connection, held.unit_domain)] for name, held in sorted(inputs.items())]
    )


def _rooted(
    inquiries: Sequence[Inquiry], inputs: Mapping[str, Held]
) -> tuple[tuple[Inquiry, ...], list[tuple[int, ...]]]:
    """The same inquiries about the names under which a dataset's content was first known here: one file under two names
    is one secret. ``places``: per inquiry, which of the new ones speak for it."""
    found: list[Inquiry] = []
    places: list[tuple[int, ...]] = []
    for inquiry in inquiries:
        subjects: list[tuple[str, str] | None] = [None]
        if inquiry.subject is not None:
            dataset, column = inquiry.subject
            subjects = [(root, column) for root in inputs[dataset].roots]
        places.append(tuple(range(len(found), len(found) + len(subjects))))
        found += [replace(inquiry, subject=subject) for subject in subjects]
    return tuple(found), places


def _all_of(verdicts: Sequence[Bits]) -> Bits:
    found: Bits = np.logical_and.reduce(verdicts)
    return found
