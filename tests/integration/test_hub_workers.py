"""Several hub workers behind one PostgreSQL store: whoever answers, the platform is one."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from fastapi.testclient import TestClient

from sandbox.errors import InvalidSpec
from sandbox.hub.api.app import create_app
from sandbox.hub.api.workers import listening
from sandbox.hub.core.config import HubConfig
from sandbox.hub.core.hub import Hub
from sandbox.keys.files import create_key
from sandbox.store.engine import sqlite_url
from sandbox.store.migrate import open_store
from tests.integration.conftest import World
from tests.support.signed import key

SQL = "SELECT carrier, COUNT(*) AS flights, AVG(delay) AS mean FROM flights GROUP BY carrier"


def second_worker(world: Any, url: str) -> TestClient:
    hub = Hub(world.config, open_store(url, world.clock), key("hub"), world.trust)
    return TestClient(create_app(world.config, hub), raise_server_exceptions=False)


@pytest.fixture
def shared(tmp_path: Path, postgresql_url: str) -> Iterator[tuple[Any, TestClient]]:
    """A world on PostgreSQL and a second worker behind the same database."""
    world = World(tmp_path, database=postgresql_url).start()
    with second_worker(world, postgresql_url) as other:
        yield world, other
        other.app.state.hub.store.close()  # type: ignore[attr-defined]
    world.stop()


def use(world: Any, client: TestClient) -> None:
    world.client = client


def seconds_until_woken(world: Any, other: TestClient, act: Callable[[], object]) -> float:
    """How long a poll of the other worker's inbox waits, of at most 3 s, when ``act`` happens at the first worker."""
    headers = {"Authorization": f"Bearer {world.tokens['node-ewr']}"}
    inbox = "/v1/nodes/node-ewr/inbox"
    read = [item["seq"] for item in other.get(inbox, headers=headers).json()["items"]]
    started, ended = threading.Event(), []

    def poll() -> None:
        started.set()
        other.get(f"{inbox}?after={max(read, default=0)}&wait=3", headers=headers)
        ended.append(time.monotonic())

    thread = threading.Thread(target=poll)
    thread.start()
    started.wait(10)
    time.sleep(0.5)  # it waits by now
    acted = time.monotonic()
    act()
    thread.join(20)
    return ended[0] - acted


def test_a_commit_at_one_worker_ends_the_long_poll_at_another(shared: tuple[Any, TestClient]) -> None:
    world, other = shared
    world.register_all()
    job = world.submit()["id"]
    for owner in ("jfk", "lga"):
        world.grant(owner, job)
    request = world.requests("ewr")[0]
    body = world.signed_grant("ewr", request)
    waited = seconds_until_woken(world, other, lambda: world.call("POST", "/grants", "ewr", json=body, status=201))
    assert waited < 2
    assert world.state(job) == "running"


def test_without_notices_the_other_worker_sleeps_through(world: Any) -> None:
    """Control: on a SQLite file, which tells nobody, the same poll waits to its end."""
    with second_worker(world, sqlite_url(world.folder / "hub.sqlite")) as other:
        world.register_all()
        job = world.submit()["id"]
        assert seconds_until_woken(world, other, lambda: world.grant_all(job)) > 2
        other.app.state.hub.store.close()  # type: ignore[attr-defined]


def test_a_roster_accepted_at_one_worker_is_in_force_at_the_other(shared: tuple[Any, TestClient]) -> None:
    world, other = shared
    hub: Hub = other.app.state.hub  # type: ignore[attr-defined]
    assert hub.roster().document.version == 1
    world.call("POST", "/roster", "authority", json=world.roster_envelope(2).to_json(), status=201)
    assert hub.roster().document.version == 2  # at once: it may have removed a key
    assert hub.roster_of(world.hub.roster().digest).document.version == 2


def test_a_job_walks_over_both_workers(shared: tuple[Any, TestClient]) -> None:
    """Every call goes to the worker that did not take the last one, up to the receipt."""
    world, other = shared
    clients = [world.client, other]
    plainly = world.call

    def turn_about(*arguments: Any, **options: Any) -> Any:
        clients.reverse()
        use(world, clients[0])
        return plainly(*arguments, **options)

    world.call = turn_about
    job = world.released_job()
    world.cosign_all()
    turn_about("GET", f"/jobs/{job}/receipt", "acme")
    entries = turn_about("GET", "/log/entries?limit=1000", "auditor")["items"]
    assert [item["entry"]["event"] for item in entries].count("job.released") == 1
    use(world, clients[0] if clients[0] is not other else clients[1])


def test_the_same_key_at_both_workers_makes_one_job(shared: tuple[Any, TestClient]) -> None:
    world, other = shared
    world.register_all()
    body = {"request": {"sql": SQL}, "commitment": world.commitment().to_json()}
    headers = {"Authorization": f"Bearer {world.tokens['acme']}", "Idempotency-Key": "one"}

    def submit(number: int) -> tuple[int, str]:
        response = (world.client, other)[number % 2].post("/v1/jobs", json=body, headers=headers)
        return response.status_code, response.json()["id"]

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(submit, range(12)))
    assert len({job for _, job in answers}) == 1
    assert [status for status, _ in answers].count(201) == 1


def test_several_workers_on_a_file_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "hub.yaml"
    file.write_text("state: .\ntrust: trust.json\nworkers: 2\n")
    with pytest.raises(InvalidSpec, match="workers need `database"):
        HubConfig.load(file)
    file.write_text("state: .\ntrust: trust.json\nworkers: 2\ndatabase: postgresql://hub@/u?host=/run/postgresql\n")
    assert HubConfig.load(file).workers == 2


START = """
import sys
from pathlib import Path
from sandbox.hub.api.app import serve
from sandbox.hub.core.config import HubConfig
if __name__ == "__main__":
    serve(HubConfig.load(Path(sys.argv[1])))
"""


@pytest.fixture
def process(shared: tuple[Any, TestClient]) -> Iterator[tuple[psutil.Process, str]]:
    """Two workers as real processes over the world's database."""
    world, _ = shared
    (world.folder / "trust.json").write_bytes(world.trust.encode())
    create_key(world.folder / "hub.key", lambda _: hashlib.sha256(b"hub").digest())
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    file, program = world.folder / "hub.yaml", world.folder / "start.py"
    file.write_text(f"state: .\ntrust: trust.json\nport: {port}\nworkers: 2\ndatabase: '{world.database}'\n")
    program.write_text(START)
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": root}
    started = subprocess.Popen([sys.executable, str(program), str(file)], cwd=root, env=environment)
    children: list[psutil.Process] = []
    try:
        url = f"http://127.0.0.1:{port}/v1"
        assert answers(url, within=60)
        children = workers(psutil.Process(started.pid))
        yield psutil.Process(started.pid), url
    finally:
        children += workers(psutil.Process(started.pid)) if started.poll() is None else []
        started.kill()
        started.wait(20)
        for child in children:
            if child.is_running():
                child.kill()


def workers(parent: psutil.Process) -> list[psutil.Process]:
    return [child for child in parent.children() if "spawn_main" in " ".join(child.cmdline())]


def answers(url: str, within: float) -> bool:
    end = time.monotonic() + within
    while time.monotonic() < end:
        try:
            if httpx.get(f"{url}/health", timeout=5).status_code == 200:
                return True
        except httpx.TransportError:
            time.sleep(0.1)
    return False


@pytest.mark.slow
def test_a_killed_worker_is_replaced_and_a_stop_ends_all(process: tuple[psutil.Process, str]) -> None:
    parent, url = process
    first = workers(parent)
    assert len(first) == 2
    first[0].kill()
    assert answers(url, within=30)
    end = time.monotonic() + 30
    while len([w for w in workers(parent) if w.is_running() and w not in first[:1]]) < 2:
        assert time.monotonic() < end
        time.sleep(0.1)
    assert answers(url, within=60)
    second = workers(parent)
    parent.send_signal(signal.SIGTERM)
    psutil.wait_procs([parent, *second], timeout=30)
    assert not answers(url, within=1)
    assert not any(worker.is_running() for worker in second)


@pytest.mark.slow
def test_workers_do_not_outlive_their_supervisor(process: tuple[psutil.Process, str]) -> None:
    parent, url = process
    children = workers(parent)
    parent.kill()
    _, alive = psutil.wait_procs(children, timeout=30)
    assert alive == []
    assert not answers(url, within=1)


def test_answers_of_a_shared_socket_do_not_wait_for_acknowledgements() -> None:
    """asyncio switches Nagle's algorithm off only for sockets that say they are TCP."""
    with listening("127.0.0.1", 0) as shared:
        assert shared.proto == socket.IPPROTO_TCP
