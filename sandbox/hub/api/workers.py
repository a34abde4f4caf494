"""Several hub processes behind one store and one socket: the parent listens and supervises, each worker serves.

    database: postgresql://hub@/unseen?host=/run/postgresql
    workers: 4

Each worker is a whole hub. What it keeps in memory is rebuilt from the store or told by it (``sandbox.store.notices``);
limits that count in memory, such as quotas, hold for each worker by itself.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from typing import Final

from sandbox.errors import Unavailable
from sandbox.hub.core.config import HubConfig
from sandbox.logs import facts

_YOUNG_S: Final = 10.0
_MOST_YOUNG_DEATHS: Final = 5
_END_S: Final = 15.0
_log = logging.getLogger("unseen.hub")

Work = Callable[[HubConfig, socket.socket], None]
"""What a worker does until it is told to stop. Given by its name in a module: workers are spawned, not forked."""


def serve_workers(config: HubConfig, work: Work) -> None:
    """Run ``config.workers`` processes until SIGTERM or SIGINT; one that ends is started anew.

    Raises ``Unavailable`` if workers keep ending as soon as they start.
    """
    with listening(config.host, config.port) as shared:
        Supervisor(config, shared, work).run()


def listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # said explicitly: asyncio sets TCP_NODELAY on TCP alone, and without it every answer waits 40 ms for an ACK
    shared = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    shared.bind((host.strip("[]"), port))
    return shared


class Supervisor:
    """Starts, watches and ends the workers. ``run`` returns when it was told to stop and all of them have ended."""

    def __init__(self, config: HubConfig, shared: socket.socket, work: Work) -> None:
        self._config, self._shared, self._work = config, shared, work
        self._context = multiprocessing.get_context("spawn")
        self._started: dict[BaseProcess, float] = {}
        self._told_to_stop = False
        self._young_deaths = 0

    def run(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        try:
            for _ in range(self._config.workers):
                self._start()
            while not self._told_to_stop:
                wait([worker.sentinel for worker in self._started], timeout=0.5)
                for worker in [worker for worker in self._started if not worker.is_alive()]:
                    self._replace(worker)
        finally:
            self._end_all()

    def _stop(self, _number: int, _frame: object) -> None:
        self._told_to_stop = True

    def _start(self) -> None:
        worker = self._context.Process(target=_serve, args=(self._config, self._shared, self._work))
        worker.start()
        self._started[worker] = time.monotonic()

    def _replace(self, worker: BaseProcess) -> None:
        lived = time.monotonic() - self._started.pop(worker)
        if self._told_to_stop:
            return
        self._young_deaths = self._young_deaths + 1 if lived < _YOUNG_S else 0
        if self._young_deaths >= _MOST_YOUNG_DEATHS:
            raise Unavailable("the hub's workers end as soon as they start; their own messages say why")
        named = facts(event="worker.ended", worker=worker.pid, status=worker.exitcode)
        _log.error("a worker ended; another takes its place", extra=named)
        self._start()

    def _end_all(self) -> None:
        for worker in self._started:
            worker.terminate()
        end = time.monotonic() + _END_S
        for worker in self._started:
            worker.join(max(0.0, end - time.monotonic()))
            if worker.is_alive():
                worker.kill()
                worker.join()


def _serve(config: HubConfig, shared: socket.socket, work: Work) -> None:
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    work(config, shared)


def _end_with_parent() -> None:
    """A worker without its supervisor would keep the port from the next one."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
