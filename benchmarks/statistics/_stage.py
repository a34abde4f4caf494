"""A whole federation for a benchmark: hub, three nodes, witness and one Ray runtime as real processes, then gone.

The three nodes share one Ray runtime, as in the demo: on two cores three runtimes would measure themselves.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil

from adapters.source import SourceSpec
from jobs.schema import Dataset
from sandbox.client import Client, Job
from sandbox.local.federation import Federation, read_dataset
from sandbox.local.layout import Places, lay_out
from sandbox.local.processes import Processes, SharedRay

HERE: Final = Path(__file__).resolve().parent
EXAMPLES: Final = HERE.parent.parent / "examples"
RUNS: Final = 400
"""What every grant here allows."""
JOB_S: Final = 90
"""A job that a benchmark waits for has ended by then."""


@dataclass(frozen=True)
class Stage:
    """One running federation whose flights are registered."""

    places: Places
    processes: Processes
    federation: Federation
    ray: SharedRay

    def ray_process(self) -> psutil.Process:
        return psutil.Process(self.ray.pid)

    def operator(self, name: str | None = None) -> Client:
        return self.federation.operator(name)


@contextmanager
def federation(
    sources: Mapping[str, SourceSpec],
    rows_at_most: int,
    operators: Sequence[str] = ("acme",),
    node_options: Mapping[str, Any] | None = None,
    hub_options: Mapping[str, Any] | None = None,
) -> Iterator[Stage]:
    """Start everything in a new temporary folder, register the flights, hand over, end what was started."""
    with tempfile.TemporaryDirectory(prefix="unseen-bench-") as name:
        folder = Path(name)
        ray = SharedRay(folder / "ray")
        ray.start()
        try:
            places = lay_out(
                folder / "federation",
                tuple(sources),
                operators,
                ray_address=ray.address,
                ray_token_file=ray.token_file.resolve(),
                node_options=dict(node_options or {}),
                hub_options={"job_seconds": JOB_S, **(hub_options or {})},
            )
            processes = Processes(places)
            try:
                processes.start_all()
                stage = Stage(places, processes, Federation(places), ray)
                for owner, source in sources.items():
                    stage.federation.register(owner, flights(), source, rows_at_most=rows_at_most)
                yield stage
            finally:
                processes.stop_all()
        finally:
            ray.stop()


def flights() -> Dataset:
    return read_dataset(EXAMPLES / "datasets" / "flights.yaml")


def granted(stage: Stage, job: Mapping[str, Any], allowed: Mapping[str, Sequence[Any]], operator: str = "acme") -> Job:
    """Submit the first run and let every owner grant it for all ``allowed`` values; returns the job, now running."""
    first = stage.federation.submit(job, operator=operator)
    for owner in stage.places.owners:
        stage.federation.approve(owner, first.id, RUNS, allowed)
    return first
