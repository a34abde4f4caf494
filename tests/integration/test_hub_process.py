"""The hub as a real process on loopback: it starts from its files, and stops without cutting anybody off."""

from __future__ import annotations

import hashlib
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.errors import InvalidSpec
from sandbox.hub.api.app import serve
from sandbox.hub.core.config import HubConfig
from sandbox.keys.files import create_key

START = """
import sys
from pathlib import Path
from sandbox.hub.api.app import serve
from sandbox.hub.core.config import HubConfig
serve(HubConfig.load(Path(sys.argv[1])))
"""


@pytest.fixture
def process(world: Any) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """The world's hub again, as a process of its own over the same state folder."""
    world.client.__exit__(None, None, None)
    (world.folder / "trust.json").write_bytes(world.trust.encode())
    create_key(world.folder / "hub.key", lambda _: hashlib.sha256(b"hub").digest())
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    file = world.folder / "hub.yaml"
    file.write_text(f"state: .\ntrust: trust.json\nport: {port}\n")
    started = subprocess.Popen([sys.executable, "-c", START, str(file)], cwd=Path(__file__).parents[2])
    url = f"http://127.0.0.1:{port}/v1"
    try:
        for _ in range(200):
            try:
                httpx.get(f"{url}/health")
                break
            except httpx.ConnectError:
                time.sleep(0.1)
        yield started, url
    finally:
        if started.poll() is None:
            started.kill()
        started.wait(20)
        world.client.__enter__()


def test_it_serves_and_answers_long_polls_when_told_to_stop(
    process: tuple[subprocess.Popen[bytes], str], world: Any
) -> None:
    started, url = process
    assert httpx.get(f"{url}/health").json()["name"] == world.trust.origin
    answers: list[httpx.Response] = []
    at = f"{url}/nodes/node-ewr/inbox"
    headers = {"Authorization": f"Bearer {world.tokens['node-ewr']}"}

    (status,) = httpx.get(f"{at}?after=0", headers=headers).json()["items"]  # the list that was published at the start

    def poll() -> None:
        answers.append(httpx.get(f"{at}?after={status['seq']}&wait=30", headers=headers, timeout=40))

    thread = threading.Thread(target=poll)
    thread.start()
    time.sleep(1)
    started.send_signal(signal.SIGTERM)
    thread.join(20)
    started.wait(20)
    assert [(answer.status_code, answer.json()) for answer in answers] == [(200, {"items": []})]


def test_it_refuses_to_listen_beyond_loopback_without_tls(tmp_path: Path) -> None:
    config = HubConfig(state=tmp_path / "state", trust=tmp_path / "trust.json", host="192.0.2.1")
    with pytest.raises(InvalidSpec, match="TLS"):
        serve(config)
    assert not (tmp_path / "state").exists()
