"""Starts, joins, watches and restarts a Ray runtime: loopback, token authentication, no dashboard, no usage data.

A runtime is one trust domain: in production each node owns one (no address given). With an address the node joins a
runtime that somebody else started, which the demo does to fit on a small machine, and says so.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

_LOG: Final = logging.getLogger("unseen.ray")
_WATCH_S: Final = 2.0


@dataclass(frozen=True)
class RuntimeOptions:
    """``address`` None: start an own runtime. ``token_file`` holds the token of a joined one."""

    namespace: str
    address: str | None = None
    token_file: Path | None = None
    cpus: int = 2
    object_store_bytes: int = 200_000_000


class RayRuntime:
    """One connection of this process to Ray. ``generation`` grows with every restart, so that actors are made anew."""

    def __init__(self, options: RuntimeOptions) -> None:
        self._options = options
        self._lock = threading.RLock()
        self._closed = threading.Event()
        self._gcs: tuple[str, int] | None = None
        self.generation = 0
        secure_environment(options.token_file if options.address else None)

    def start(self) -> None:
        """Connect and keep watching; raises ``ConnectionError`` if a runtime to join is not there."""
        self._connect()
        threading.Thread(target=self._watch, name="ray watch", daemon=True).start()

    def restart(self, generation: int) -> None:
        """Replace the connection of this generation; a second caller for the same one returns at once."""
        with self._lock:
            if generation != self.generation or self._closed.is_set():
                return
            import ray

            _LOG.warning("the Ray runtime is gone; starting again")
            ray.shutdown()
            self._connect()

    def restart_if_dead(self, generation: int) -> None:
        """Restart after a failed call unless Ray still answers (then only the worker died, and is made anew)."""
        import ray

        try:
            alive = any(node["Alive"] for node in ray.nodes())  # type: ignore[no-untyped-call]
        except Exception:  # whatever Ray raises here, it does not answer
            alive = False
        if not alive:
            self.restart(generation)

    def close(self) -> None:
        import ray

        self._closed.set()
        with self._lock:
            ray.shutdown()

    def _connect(self) -> None:
        import ray

        options = self._options
        common: dict[str, Any] = {
            "namespace": options.namespace,
            "log_to_driver": False,
            "configure_logging": False,
        }
        with self._lock:
            if options.address:
                context = ray.init(address=options.address, **common)
            else:
                context = ray.init(
                    address="local",  # or Ray joins whatever runs on this machine: another trust domain
                    num_cpus=options.cpus,
                    object_store_memory=options.object_store_bytes,
                    include_dashboard=False,
                    _node_ip_address="127.0.0.1",
                    **common,
                )
            address: str = cast(Any, context).address_info["gcs_address"]  # the stubs' base class lacks it
            host, _, port = address.rpartition(":")
            self._gcs = (host, int(port))
            self.generation += 1

    def _watch(self) -> None:
        """Notice a dead control process before Ray's own client gives up and ends this process with it."""
        while not self._closed.wait(_WATCH_S):
            generation, gcs = self.generation, self._gcs
            if gcs is None or _answers(gcs):
                continue
            try:
                self.restart(generation)
            except Exception as error:  # any failure to come back is retried until it does
                _LOG.error("Ray does not come back yet: %s", type(error).__name__)


def secure_environment(token_file: Path | None) -> None:
    """Set, before Ray is imported, what makes a runtime refuse strangers. An own runtime gets a fresh token."""
    os.environ["RAY_AUTH_MODE"] = "token"
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    # a call while the runtime is being restarted must fail, not join another runtime of this machine
    os.environ["RAY_ENABLE_AUTO_CONNECT"] = "0"
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    if token_file is not None:
        os.environ.pop("RAY_AUTH_TOKEN", None)
        os.environ["RAY_AUTH_TOKEN_PATH"] = str(token_file)
    else:
        os.environ.pop("RAY_AUTH_TOKEN_PATH", None)
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)


def _answers(address: tuple[str, int]) -> bool:
    try:
        with socket.create_connection(address, timeout=_WATCH_S):
            return True
    except OSError:
        return False
