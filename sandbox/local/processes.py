"""Starts and ends real processes: hub, nodes, witness and, for small machines, one shared Ray runtime."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import httpx

from jobs.errors import JobError
from sandbox.client import Client
from sandbox.errors import Unavailable
from sandbox.hub_http import HubFailure
from sandbox.keys import Trust
from sandbox.linear_algebra import one_thread_a_product
from sandbox.local.layout import Places, free_port
from sandbox.node.control import ask

_READY_S: Final = 90.0
_UNSEEN: Final = "sandbox.cli"


class Processes:
    """Everything that this object started, by name. ``stop`` and ``kill`` touch nothing else.

    ``node_module``: what answers ``node serve --config FILE`` for the nodes; tests name a node without Ray here.
    """

    def __init__(self, places: Places, node_module: str = _UNSEEN) -> None:
        self._places = places
        self._node_module = node_module
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start_all(self) -> None:
        """Hub, then witness and all nodes at once; returns when all answer."""
        self.start_hub()
        self.start_witness()
        for owner in self._places.owners:
            self.start_node(owner, wait=False)
        for owner in self._places.owners:
            self.wait_for_node(owner)

    def start_hub(self, folder: Path | None = None, name: str = "hub", port: int | None = None) -> None:
        """The federation's hub, or another one from another folder and port.

        Raises ``Unavailable`` if what answers there is another federation's.
        """
        self._start(name, ["hub", "serve", "--config", str((folder or self._places.hub) / "hub.yaml")])
        self._wait(name, lambda: self._hub_answers(port or self._places.port))
        self._check_own(port or self._places.port)

    def start_node(self, owner: str, *, wait: bool = True) -> None:
        folder = self._places.node(owner)
        self._start(f"node-{owner}", ["node", "serve", "--config", str(folder / "node.yaml")], self._node_module)
        if wait:
            self.wait_for_node(owner)

    def wait_for_node(self, owner: str) -> None:
        self._wait(f"node-{owner}", lambda: self._node_answers(owner))

    def start_witness(self) -> None:
        folder = self._places.witness
        arguments = ["witness", "serve", "--hub", self._places.url, "--folder", str(folder), "--name", "witness"]
        self._start("witness", [*arguments, "--trust", str(self._places.trust)])

    def pid(self, name: str) -> int:
        return self._running[name].pid

    def is_alive(self, name: str) -> bool:
        process = self._running.get(name)
        return process is not None and process.poll() is None

    def stop(self, name: str) -> None:
        """Ask it to end (SIGTERM); after ten seconds insist."""
        process = self._running.pop(name, None)
        if process is None:
            return
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def kill(self, name: str) -> None:
        """SIGKILL: the crash of the fault table. The process's own children (a node's Ray) are left to notice."""
        process = self._running.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def stop_all(self) -> None:
        for name in [name for name in self._running if name != "hub"]:
            self._running[name].terminate()
        for name in sorted(self._running, key=lambda name: name != "hub"):  # its end answers their long polls
            self.stop(name)

    def log_of(self, name: str) -> str:
        """The last lines that a process wrote, for messages about its failure."""
        file = self._log_file(name)
        return "\n".join(file.read_text(errors="replace").splitlines()[-15:]) if file.exists() else ""

    def _start(self, name: str, arguments: Sequence[str], module: str = _UNSEEN) -> None:
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        one_thread_a_product(environment)
        with self._log_file(name).open("ab") as log:
            self._running[name] = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=environment,
                start_new_session=True,
            )

    def _log_file(self, name: str) -> Path:
        folder = self._places.root / "logs"
        folder.mkdir(exist_ok=True)
        return folder / f"{name}.log"

    def _wait(self, name: str, ready: Callable[[], bool]) -> None:
        end = time.monotonic() + _READY_S
        while time.monotonic() < end:
            if not self.is_alive(name):
                raise Unavailable(f"{name} ended while starting:\n{self.log_of(name)}")
            if ready():
                return
            time.sleep(0.05)
        raise Unavailable(f"{name} was not ready after {_READY_S:.0f} s:\n{self.log_of(name)}")

    def _hub_answers(self, port: int) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/v1/health", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False

    def _check_own(self, port: int) -> None:
        """Before anybody sends it a token: another hub may have listened there first."""
        url = f"http://127.0.0.1:{port}"
        rosters = Trust.load(self._places.trust).rosters()
        try:
            with Client(url, "") as client:
                for envelope in client.rosters():
                    rosters.update(envelope)
        except (JobError, HubFailure) as error:
            raise Unavailable(f"the hub that answers at {url} is not this federation's: {error}") from None

    def _node_answers(self, owner: str) -> bool:
        try:
            return "node" in ask(self._places.node(owner) / "state", {"do": "status"}, timeout=5)
        except (Unavailable, OSError):
            return False


class SharedRay:
    """One Ray runtime for several nodes on one machine. Never in production: a runtime is one trust domain."""

    def __init__(self, folder: Path, cpus: int = 2) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.token_file = folder / "ray.token"
        self._cpus = cpus
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._log = folder / "ray.log"

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        if self._process is None:
            raise Unavailable("the Ray runtime does not run")
        return self._process.pid

    def start(self) -> None:
        """Return when nodes can join: they would give up on a runtime that is still starting."""
        if not self.token_file.exists():
            descriptor = os.open(self.token_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as stream:
                stream.write(secrets.token_hex(32))
        environment = {
            **os.environ,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(self.token_file),
            "RAY_USAGE_STATS_ENABLED": "0",
        }
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block"]
        command += [f"--port={self._port}", "--node-ip-address=127.0.0.1", "--include-dashboard=false"]
        command += [f"--num-cpus={self._cpus}", "--object-store-memory=200000000", "--disable-usage-stats"]
        before = self._log.stat().st_size if self._log.exists() else 0
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, env=environment, start_new_session=True
            )
        self._wait_until_started(before)

    def _wait_until_started(self, before: int) -> None:
        end = time.monotonic() + _READY_S
        while b"Ray runtime started" not in (said := self._log.read_bytes()[before:]):
            if self._process is None or self._process.poll() is not None or time.monotonic() > end:
                raise Unavailable(f"Ray did not start:\n{said.decode(errors='replace')[-1000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        """End the runtime's own process group: it was started as a session of its own."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._process = None
