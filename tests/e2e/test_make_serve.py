"""``make serve`` in a terminal of its own: it keeps what it holds, outlives the terminal, and touches nobody else's."""

from __future__ import annotations

import os
import pty
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from sandbox.local.layout import free_port

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
CHECKOUT = Path(__file__).parents[2]
READY = b"the next make serve goes on"


@dataclass
class Terminal:
    """What ``make serve`` runs, in a pseudo-terminal whose other end this is."""

    folder: Path
    pid: int = 0
    end: int = -1

    def serve(self, *options: str) -> bytes:
        """Start, and read until it serves or has ended."""
        self.pid, self.end = pty.fork()
        if self.pid == 0:
            os.chdir(self.folder)
            os.environ["PYTHONPATH"] = str(CHECKOUT)
            os.execv(sys.executable, [sys.executable, "-m", "examples.serve", *options])  # noqa: S606
        said = b""
        while READY not in b" ".join(said.split()):
            try:
                said += os.read(self.end, 65536)
            except OSError:  # it has ended
                break
        return said

    def close(self) -> None:
        os.close(self.end)

    def command(self, *options: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
        program = [sys.executable, "-m", "examples.serve", *options]
        return subprocess.run(
            program, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=120, check=False
        )


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    found = Terminal(tmp_path)
    yield found
    found.command("--stop")


def datasets(folder: Path, port: int) -> set[str]:
    token = (folder / ".demo" / "federation" / "operators" / "acme" / "token").read_text()
    answer = httpx.get(f"http://127.0.0.1:{port}/v1/datasets", headers={"Authorization": f"Bearer {token}"})
    return {item["name"] for item in answer.json()["items"]}


def answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/v1/health").status_code == 200
    except httpx.HTTPError:
        return False


def test_it_outlives_its_terminal_keeps_its_state_and_is_stopped(terminal: Terminal) -> None:
    first, second = free_port(), free_port()
    said = terminal.serve("--port", str(first))
    assert READY in b" ".join(said.split()), said.decode(errors="replace")
    root = terminal.folder / ".demo" / "federation"
    trust, log = (root / "trust.json").read_bytes(), httpx.get(f"http://127.0.0.1:{first}/v1/health").json()
    again = terminal.command("--port", str(second))
    assert again.returncode == 1
    assert "make stop" in again.stderr

    terminal.close()
    time.sleep(2)
    assert answers(first)
    assert "goes on" in terminal.command("--stop").stdout
    assert not answers(first)
    os.waitpid(terminal.pid, 0)
    assert "no federation" in terminal.command("--stop").stdout

    assert READY in b" ".join(terminal.serve("--port", str(second)).split())
    assert (root / "trust.json").read_bytes() == trust
    assert datasets(terminal.folder, second) == {"flights", "planes"}
    now = httpx.get(f"http://127.0.0.1:{second}/v1/health").json()
    assert now["log_size"] >= log["log_size"]
    settings = (terminal.folder / ".demo" / "acme.env").read_text()
    assert f"UNSEEN_HUB=http://127.0.0.1:{second}" in settings
    terminal.command("--stop")
    terminal.close()
    os.waitpid(terminal.pid, 0)


def test_a_port_that_is_taken_is_refused_before_anything_is_touched(terminal: Terminal) -> None:
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        port = stranger.getsockname()[1]
        refused = terminal.command("--port", str(port))
    assert refused.returncode == 1
    assert f"port {port}" in refused.stderr
    assert "make serve PORT=" in refused.stderr
    assert [item.name for item in (terminal.folder / ".demo").iterdir()] == ["lock"]
