"""Parts of a step over a cluster of several raylets: spread, merged, repeated when a worker is killed, and for nobody else."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobs.kinds.base import Limits
from jobs.runner.errors import RunnerLost, ScanOutOfMemory
from jobs.runner.port import Progress
from jobs.runner.ray_runner import RayRunner
from jobs.runner.ray_runtime import RayRuntime, RuntimeOptions, secure_environment
from tests.support.steps import Ran, Traced

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(180)]
TOKEN = "0123456789abcdef" * 4
PERMIT: Any = None
"""The runner carries what is permitted; it does not look at the permit."""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    file = tmp_path_factory.mktemp("token") / "ray.token"
    file.write_text(TOKEN)
    before = dict(os.environ)
    secure_environment(file)
    from ray.cluster_utils import Cluster

    size = 80_000_000
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "object_store_memory": size})
    try:
        for _ in range(2):
            cluster.add_node(num_cpus=1, object_store_memory=size)
        yield f"{cluster.address} {file}"
    finally:
        cluster.shutdown()
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture(scope="module")
def runner(address: str) -> Iterator[RayRunner]:
    place, token = address.split(" ", 1)
    runtime = RayRuntime(RuntimeOptions("test", place, Path(token)))
    runtime.start()
    made = RayRunner(runtime, Limits(), at_once=2)
    made.warm()
    yield made
    made.close()


def run(runner: RayRunner, step: Traced, progress: Any = None) -> list[Ran]:
    found: list[Ran] = runner.submit(PERMIT, step, {}, progress).result(timeout=120)
    return found


def test_a_step_of_one_part_takes_one_worker(runner: RayRunner, tmp_path: Path) -> None:
    step = Traced(str(tmp_path), 1, {})
    assert [ran.part for ran in run(runner, step)] == [0]
    assert step.runs() == {0: 1}


def test_parts_run_on_every_machine_and_a_killed_worker_repeats_its_part_only(
    runner: RayRunner, tmp_path: Path
) -> None:
    seen: list[Progress] = []
    step = Traced(str(tmp_path), 40, {3: 1, 17: 2}, seconds=0.25)
    found = run(runner, step, seen.append)
    assert sorted(ran.part for ran in found) == list(range(40))
    assert len({ran.machine for ran in found}) == 3
    assert {ran.threads for ran in found} == {1}
    assert step.runs() == {part: {3: 2, 17: 3}.get(part, 1) for part in range(40)}
    assert [state.parts_done for state in seen] == list(range(1, 41))
    assert seen[-1].seconds_left == 0


def test_a_part_that_kills_every_worker_ends_the_step_typed(runner: RayRunner, tmp_path: Path) -> None:
    step = Traced(str(tmp_path), 4, {2: 99})
    with pytest.raises(RunnerLost):
        run(runner, step)
    assert step.runs()[2] == 3
    (tmp_path / "again").mkdir()
    assert len(run(runner, Traced(str(tmp_path / "again"), 1, {}))) == 1


def test_what_a_part_raises_is_what_the_step_raises(runner: RayRunner, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="wrong"):
        run(runner, Traced(str(tmp_path), 3, {}, fault="wrong"))
    with pytest.raises(ScanOutOfMemory):
        run(runner, Traced(str(tmp_path), 1, {}, fault="memory"))


def test_a_progress_report_that_fails_changes_nothing(runner: RayRunner, tmp_path: Path) -> None:
    def fail(_: Progress) -> None:
        raise ZeroDivisionError

    assert len(run(runner, Traced(str(tmp_path), 3, {}), fail)) == 3


JOIN = """
import sys
from pathlib import Path
from jobs.runner.ray_runtime import RayRuntime, RuntimeOptions
RayRuntime(RuntimeOptions("stranger", sys.argv[1], Path(sys.argv[2]))).start()
import ray
assert ray.get(ray.remote(lambda: 41).remote(), timeout=60) == 41
"""


@pytest.mark.parametrize(("token", "joins"), [(TOKEN, True), ("f" * 64, False)], ids=["the token", "another token"])
def test_nobody_runs_code_in_the_cluster_without_its_token(
    address: str, token: str, joins: bool, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(token)
    command = [sys.executable, "-c", JOIN, address.split()[0], str(tmp_path / "token")]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_AUTH_TOKEN")}
    process = subprocess.run(command, env=environment, capture_output=True, timeout=120, check=False)
    assert (process.returncode == 0) is joins, process.stderr.decode()[-2000:]
