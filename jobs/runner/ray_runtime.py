"""Starts or joins a Ray runtime: loopback, token authentication, no dashboard, no usage data.

A runtime is one trust domain: in production each node owns one (no address given). With an address the node joins a
runtime that somebody else started, which the demo does to fit on a small machine, and says so.
"""

from __future__ import annotations

import os
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from jobs.runner.errors import RunnerLost

_CONNECT_S: Final = 2.0


@dataclass(frozen=True)
class RuntimeOptions:
    """``address`` None: start an own runtime. ``token_file`` holds the token of a joined one."""

    namespace: str
    address: str | None = None
    token_file: Path | None = None
    cpus: int = 2
    object_store_bytes: int = 200_000_000


class RayRuntime:
    """One connection of this process to Ray, made once: a process whose Ray is gone starts anew (``node.serve``)."""

    def __init__(self, options: RuntimeOptions) -> None:
        self._options = options
        self._gcs: tuple[str, int] | None = None
        secure_environment(options.token_file if options.address else None)

    def start(self) -> None:
        """Start or join the runtime; raises ``RunnerLost`` if the one to join is not there."""
        try:
            self._connect()
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            raise RunnerLost(f"Ray cannot be started or joined ({type(error).__name__}): see the node's log") from None

    def answers(self) -> bool:
        """Whether the control process takes connections and an own runtime's raylet lives.

        Ray's client would wait a minute for the first and then end this process; without the second, actors go on for
        a while and new ones never start.
        """
        if self._gcs is None or not _answers(self._gcs):
            return False
        own = {} if self._options.address else getattr(_global_node(), "all_processes", {})
        return all(started.process.poll() is None for started in own.get("raylet", ()))

    def abandon(self) -> None:
        """End what this process started, without waiting for what does not answer. For a runtime that is gone."""
        node = _global_node()
        if node is not None and not self._options.address:
            node.kill_all_processes(check_alive=False, allow_graceful=False)

    def close(self) -> None:
        import ray

        ray.shutdown()

    def _connect(self) -> None:
        import ray

        options = self._options
        common: dict[str, Any] = {
            "namespace": options.namespace,
            "log_to_driver": False,
            "configure_logging": False,
        }
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


def _global_node() -> Any:
    """Ray's record of the processes that it started for this one."""
    import ray

    return getattr(cast(Any, ray)._private.worker, "_global_node", None)


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
        with socket.create_connection(address, timeout=_CONNECT_S):
            return True
    except OSError:
        return False
