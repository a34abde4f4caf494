"""Three airports with real flights, one shared Ray, every process a real one: a federation for each file of tests.

Its nodes remember all that was ever asked, and withhold what would tell too much together: files do not share one.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from examples.prepare_flights import AIRPORTS, prepare, prepare_planes
from sandbox.client import Job
from sandbox.client.client import Finished
from sandbox.local.federation import Federation, parquet, read_dataset, read_job
from sandbox.local.layout import lay_out
from sandbox.local.processes import Processes, SharedRay
from tests.support.cli import Person, auditor, operator, owner

EXAMPLES = Path(__file__).parents[2] / "examples"


@dataclass
class Airports:
    """LGA is an office where two of three people must sign."""

    federation: Federation
    processes: Processes
    flights: dict[str, Path]
    planes: Path
    jobs: Path
    """A folder for job files."""
    _numbers: list[int] = field(default_factory=list)

    @property
    def places(self) -> Any:
        return self.federation.places

    @property
    def operator(self) -> Person:
        return operator(self.places)

    @property
    def auditor(self) -> Person:
        return auditor(self.places)

    def owner(self, name: str) -> Person:
        return owner(self.places, name)

    def node(self, name: str) -> Path:
        """The node's configuration file."""
        return self.federation.places.node(name) / "node.yaml"

    def example(self, name: str) -> dict[str, Any]:
        return read_job(EXAMPLES / "jobs" / f"{name}.yaml")

    def submit(self, spec: dict[str, Any], **options: Any) -> Job:
        return self.federation.submit(spec, **options)

    def finish(self, job: Job) -> Finished:
        with self.federation.operator() as client:
            return client.wait(job, 120)

    def released(self, spec: dict[str, Any], runs: int = 1) -> Finished:
        """Submitted, approved by everybody, waited for."""
        job = self.submit(spec)
        self.federation.approve_all(job.id, runs)
        done = self.finish(job)
        assert done.job.state == "released", done.job.failure
        return done

    def parts(self) -> dict[str, list[Path]]:
        """All owners' files, as the union that nobody has."""
        return {"flights": list(self.flights.values()), "planes": [self.planes]}


@pytest.fixture(scope="module")
def airports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airports]:
    root = tmp_path_factory.mktemp("airports")
    flights, planes = prepare(root / "data"), prepare_planes(root / "data")
    ray = SharedRay(root / "ray")
    ray.start()
    places = lay_out(
        root / "places",
        AIRPORTS,
        ("acme", "rival"),
        ray_address=ray.address,
        ray_token_file=ray.token_file,
        signers={"LGA": (2, 3)},
    )
    jobs = root / "jobs"
    jobs.mkdir()
    made = Airports(Federation(places), Processes(places), flights, planes, jobs)
    try:
        made.processes.start_all()
        for name in AIRPORTS:
            register(made, name)
        yield made
    finally:
        made.processes.stop_all()
        ray.stop()
        shutil.rmtree(root, ignore_errors=True)


def register(airports: Airports, name: str) -> None:
    datasets = EXAMPLES / "datasets"
    for dataset, file, rows in (("flights", airports.flights[name], 200_000), ("planes", airports.planes, 5_000)):
        airports.federation.register(name, read_dataset(datasets / f"{dataset}.yaml"), parquet(file), rows_at_most=rows)
