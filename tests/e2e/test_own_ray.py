"""Every node with a Ray runtime of its own, as in production; then Ray is killed, piece by piece, and nodes recover."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import suppress

import psutil
import pytest

from sandbox.client import Job
from sandbox.local.federation import Federation, parquet
from sandbox.local.layout import free_port, lay_out
from sandbox.local.processes import Processes
from tests.support import toy
from tests.support.ground import Ground, until
from tests.support.proxy import Proxy

pytestmark = [pytest.mark.e2e, pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(600)]
PIECES = {"gcs_server": "A", "raylet": "B", "worker": "C"}
"""What is killed, and at whose node."""


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    root, port = tmp_path_factory.mktemp("own-ray"), free_port()
    proxy = Proxy(port)
    options = {"hub": proxy.url, "ray": {"cpus": 1, "object_store_bytes": 80_000_000}, "jobs_at_once": 1}
    places = lay_out(root / "places", toy.OWNERS, port=port, node_options=options)
    made = Ground(Federation(places), Processes(places), proxy)
    try:
        made.processes.start_all()
        for owner, file in toy.write(root / "data").items():
            made.federation.register(owner, toy.dataset(), parquet(file), rows_at_most=5000)
        yield made
    finally:
        made.processes.stop_all()
        proxy.close()


def pieces(ground: Ground, owner: str, what: str) -> list[psutil.Process]:
    """Ray's processes below this node's own process, and nobody else's."""
    found = psutil.Process(ground.processes.pid(f"node-{owner}")).children(recursive=True)
    named = {"gcs_server": "gcs_server", "raylet": "raylet", "worker": "ray::"}[what]
    return [process for process in found if named in name_of(process)]


def name_of(process: psutil.Process) -> str:
    """The program's own name; nothing of one that has ended."""
    try:
        return (process.cmdline() or [""])[0]
    except psutil.Error:
        return ""


def test_three_runtimes_and_one_release(ground: Ground) -> None:
    runtimes = {owner: pieces(ground, owner, "gcs_server") for owner in toy.OWNERS}
    assert all(len(found) == 1 for found in runtimes.values())
    assert len({found[0].pid for found in runtimes.values()}) == 3
    ended = ground.ended(ground.run().id)
    assert ended.state == "released"
    ground.check(ended)


def test_ray_listens_for_nobody_without_a_token(ground: Ground) -> None:
    for owner in toy.OWNERS:
        environment = psutil.Process(ground.processes.pid(f"node-{owner}")).children()[0].environ()
        assert environment["RAY_AUTH_MODE"] == "token"
        assert environment["RAY_USAGE_STATS_ENABLED"] == "0"
    tokens = {pieces(ground, owner, "gcs_server")[0].environ().get("RAY_AUTH_TOKEN") for owner in toy.OWNERS}
    assert len(tokens) == 3
    assert None not in tokens


@pytest.mark.parametrize("what", PIECES)
def test_ray_is_killed_before_the_scan(ground: Ground, what: str) -> None:
    """The order waits at the gate while a piece of Ray is killed; the node makes it anew, or fails the job typed."""
    owner = PIECES[what]
    with ground.proxy.gate(f"node-{owner}", "permit", "after") as gate:
        job = ground.run()
        gate.wait()
        found = pieces(ground, owner, what)
        assert sum(killed(process) for process in found) > 0  # each of them, not only the first
    ended = ground.ended(job.id)
    assert ended.state in ("released", "failed")
    if ended.failure is not None:
        assert ended.failure["code"] in ("runner-lost", "node-lost", "unavailable")
    ground.check(ended)
    until(lambda: set(pieces(ground, owner, what)) - set(found), f"a new {what}")
    again = until(lambda: works(ground), "a job after it")
    ground.check(again)


def killed(process: psutil.Process) -> bool:
    """Whether it was there to be killed: Ray ends idle workers itself, and one that dies may take another along."""
    with suppress(psutil.NoSuchProcess):
        process.send_signal(signal.SIGKILL)
        return True
    return False


def works(ground: Ground) -> Job | None:
    """A job that is released; refused ones (Ray is still starting) are asked again."""
    ended = ground.ended(ground.run().id)
    return ended if ended.state == "released" else None
