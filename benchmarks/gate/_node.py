"""One owner's node without its processes: a statement in, what it would answer, with audit and noise, out."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from jobs.disclosure.gate import Bits
from jobs.disclosure.part import closed_by
from jobs.disclosure.profile import Profile, load_profile
from jobs.kinds.statistics.asking import bases_of, evidence_of, questions_of, refused_by
from jobs.kinds.statistics.noisy import add_noise
from jobs.kinds.statistics.plan.compile import compile_sql
from jobs.kinds.statistics.plan.types import Plan
from jobs.kinds.statistics.release import Shown, shown_numbers
from jobs.kinds.statistics.run import run_local
from jobs.schema import CatalogueView, Dataset, Holding, NodeId, OwnerId
from sandbox.node.gate.audit import Audit
from sandbox.node.gate.pieces import Pieces
from sandbox.node.gate.seeds import Seeds
from sandbox.node.migrate import migrate
from sandbox.store.engine import open_engine, sqlite_url, writing

_PERCENT = 100


@dataclass(frozen=True)
class Answered:
    """``refused``: by the audit, shape (aggregates, cells); ``judged``: cells that had a base to judge."""

    plan: Plan
    shown: Shown
    refused: Bits
    judged: Bits


class OneNode:
    """Remembers what it was asked, as a node does. ``profile`` replaces the numbers of the dataset's own."""

    def __init__(self, folder: Path, dataset: Dataset, table: pa.Table, profile: Profile | None = None) -> None:
        self._dataset, self._table = dataset, table
        self._profile = profile or load_profile(dataset.profile)
        self._engine = open_engine(sqlite_url(folder / f"{secrets.token_hex(8)}.sqlite"))
        migrate(self._engine)
        self._audit = Audit(Pieces(bytes(32)))
        self._gate = Seeds(bytes(32), bytes(32))

    def answer(self, sql: str) -> Answered:
        plan, profile = self.compiled(sql), self._profile
        result = run_local(
            plan, {}, {self._dataset.name: lambda columns: self._table.select(list(columns)).to_reader()}
        )
        noisy = add_noise(plan, {}, profile, self._gate, result)
        bases = bases_of(plan, profile, result)
        evidence = evidence_of(plan, result, noisy, bases)
        failed = np.logical_or.reduce(list(closed_by(evidence, profile).values()))
        questions = questions_of(plan, profile, result, noisy, bases)
        with self._audit as audit:
            with writing(self._engine) as connection:
                audit.ready(connection, {question.unit_domain for question in questions})
            judgement = audit.judge("benchmark", questions, profile.leverage_cap_percent / _PERCENT)
            with writing(self._engine) as connection:
                audit.store(connection, judgement)
            audit.adopt(judgement)
        refused = refused_by(plan, judgement.verdict)
        judged = np.array([np.max([entry.base for entry in entries], axis=0) > 0 for entries in evidence])
        return Answered(plan, shown_numbers(plan, profile, ~(failed | refused), noisy.values), refused, judged)

    def compiled(self, sql: str) -> Plan:
        held = Holding(
            dataset=self._dataset.name, owner=OwnerId("o"), node=NodeId("n"), provider="b", version_commitment="",
            max_rows=max(1, len(self._table)),
        )  # fmt: skip
        return compile_sql(sql, CatalogueView(datasets=(self._dataset,), holdings=(held,)))
