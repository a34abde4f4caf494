"""The bench over the public API: hub, witness and three nodes as real processes, asked through the SDK."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq

from jobs.errors import JobError
from jobs.schema import Dataset
from sandbox.client import Job
from sandbox.errors import SandboxError
from sandbox.hub_http import HubRefused
from sandbox.local.federation import Federation, parquet
from sandbox.local.layout import lay_out
from sandbox.local.processes import Processes
from tests.attacks.disclosure import people as made
from tests.attacks.disclosure.bench import Answer, Refused, named
from tests.attacks.disclosure.people import People
from tests.attacks.disclosure.simulated import read_table
from tests.support.ground import PLAIN_NODE

OWNERS: Final = ("A", "B", "C")
OPERATORS: Final = ("acme", "rival")
PATIENCE_S: Final = 120.0


@dataclass
class Live:
    """A bench of one profile on a federation that several benches share."""

    federation: Federation
    processes: Processes
    folder: Path
    declared: str
    numbers: Any
    rows_are_units: bool = False

    def of(self, declared: str, *, rows_are_units: bool = False) -> Live:
        return Live(self.federation, self.processes, self.folder, declared, self.numbers, rows_are_units)

    def open(self, people: People, *, owners: int = 1, disjoint: bool = True, said: Sequence[str] = ()) -> LiveData:
        name = f"people{next(self.numbers)}"
        data = LiveData(self, made.dataset(name, self.declared, disjoint=disjoint, said=said), OWNERS[:owners])
        data.change(people)
        return data

    def again(self, data: Any, *, owners: int = 1) -> LiveData:
        name = f"people{next(self.numbers)}"
        dataset = made.dataset(name, self.declared, domain=data.dataset.column("person").unit_domain)
        found = LiveData(self, dataset, data.owners[:owners])
        for owner in found.owners:
            found.register(owner, data.files[owner])
        return found

    def beside(self, data: Any, people: People) -> str:
        name = f"beside{next(self.numbers)}"
        dataset = made.beside(name, self.declared, data.dataset.column("person").unit_domain)
        found = LiveData(self, dataset, data.owners)
        for owner in data.owners:
            file = self.folder / f"{name}-{owner}.parquet"
            pq.write_table(made.register_of(people), file)
            found.register(owner, file)
        data.joined.append(name)
        return name


@dataclass
class LiveData:
    bench: Live
    dataset: Dataset
    owners: tuple[str, ...]
    files: dict[str, Path] = field(default_factory=dict)
    joined: list[str] = field(default_factory=list)

    def change(self, people: People) -> None:
        version = next(self.bench.numbers)
        for owner, part in zip(self.owners, people.parts(len(self.owners)), strict=True):
            self.register(owner, part.write(self.bench.folder / f"{self.dataset.name}-{owner}-{version}.parquet"))

    def register(self, owner: str, file: Path) -> None:
        self.files[owner] = file
        label = f"v{next(self.bench.numbers)}"
        self.bench.federation.register(owner, self.dataset, parquet(file), rows_at_most=4096, label=label)

    def ask(self, sql: str, *, operator: int = 0) -> Answer:
        job = self.submit(sql, OPERATORS[operator])
        if job.state == "needs_approval":
            for owner in self.owners:
                self.bench.federation.approve(owner, job.id)
        with self.bench.federation.operator(OPERATORS[operator]) as client:
            done = client.wait(job, PATIENCE_S)
        if done.table is None:
            raise Refused(repr((done.job.state, done.job.failure)))
        return read_table(done.table)

    def submit(self, sql: str, operator: str = OPERATORS[0]) -> Job:
        text = named(sql, self.dataset.name)
        datasets = [self.dataset.name, *(name for name in self.joined if name in text)]
        job = {"sql": text, "scenario": "test", "purpose": "testing", "datasets": datasets}
        try:
            return self.bench.federation.submit(job, operator=operator)
        except HubRefused as refused:
            raise Refused(f"{refused.code}|{refused}") from None
        except (JobError, SandboxError) as error:  # the SDK compiles it again
            raise Refused(f"{type(error).__name__}|{error}") from None


@contextmanager
def open_live(root: Path) -> Iterator[Live]:
    """Start a federation; ends everything that it started."""
    places = lay_out(root / "places", OWNERS, OPERATORS)
    processes = Processes(places, PLAIN_NODE)
    (root / "data").mkdir()
    try:
        processes.start_all()
        yield Live(Federation(places), processes, root / "data", "standard@2", itertools.count(1))
    finally:
        processes.stop_all()
