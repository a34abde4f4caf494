"""The demo's stage: the federation of three airports, laid out, started, and its datasets registered."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from examples.prepare_flights import AIRPORTS, prepare, prepare_planes
from sandbox.local.federation import Federation, parquet, read_dataset
from sandbox.local.layout import Places, configure, found, lay_out
from sandbox.local.processes import Processes, SharedRay

HERE: Final = Path(__file__).parent
DATA: Final = Path("demo-data")
PORT: Final = 8440
_READY: Final = "ready"
"""Stands in a folder whose federation was laid out and registered to the end."""
_LOCK: Final = "lock"
ROWS_AT_MOST: Final = 200_000


@dataclass
class Stage:
    places: Places
    processes: Processes
    federation: Federation
    ray: SharedRay
    lock: IO[bytes]

    def close(self) -> None:
        self.processes.stop_all()
        self.ray.stop()
        self.lock.close()


class StageTaken(SystemExit):
    """A federation runs in this folder already; ends the program with a line that says what to do."""


def raise_curtain(say: Callable[[str], None], root: Path) -> Stage:
    """A new federation in place of whatever was in ``root``; raises ``StageTaken`` while something runs there."""
    lock = replaced(root)
    return _started(say, root, None, lock)


def keep_stage(say: Callable[[str], None], root: Path, port: int | None) -> Stage:
    """The federation of ``root`` as it was left, or a new one if it was never finished.

    ``port``: the hub's; ``None`` for the one of last time. A port that is taken is refused before anything is touched.
    """
    places = kept(root)
    port = port or (places.port if places else PORT)
    lock = held(root)
    try:
        check_port(port)
    except StageTaken:
        lock.close()
        raise
    if places is None:
        _empty(root)
        stage = _started(say, root, port, lock)
        try:
            register_all(stage, say)
        except BaseException:
            stage.close()
            raise
        (root / _READY).touch()
        return stage
    say(f"going on with what {root} holds; 'make stop' and 'rm -r {root}' begin anew")
    stage = _started(say, root, port, lock)
    stage.federation.refresh_status()  # the last one may have run out meanwhile
    return stage


def kept(root: Path) -> Places | None:
    """The federation that a stage before has finished in ``root``."""
    return found(root / "federation", AIRPORTS) if (root / _READY).exists() else None


def check_port(port: int) -> None:
    """Raise ``StageTaken`` unless this program may listen there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise StageTaken(
                f"port {port} of this machine is another program's, perhaps another hub's; nothing was changed. "
                f"End that program, or choose another port: make serve PORT={port + 10}"
            ) from None


def held(root: Path) -> IO[bytes]:
    """The lock of a folder, with this program's id in it: held until the stage closes or its program ends, however."""
    root.mkdir(mode=0o700, exist_ok=True)
    lock = (root / _LOCK).open("a+b")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise StageTaken(f"a federation runs in {root}: end it first (make stop, or Ctrl-C in its terminal)") from None
    lock.truncate(0)
    lock.write(str(os.getpid()).encode())
    lock.flush()
    return lock


def replaced(root: Path) -> IO[bytes]:
    """A fresh, empty folder, and its lock."""
    lock = held(root)
    _empty(root)
    return lock


def stop(root: Path) -> bool:
    """End the stage that runs in ``root`` and wait until it has; returns whether one did."""
    if not (root / _LOCK).exists():
        return False
    with (root / _LOCK).open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.kill(int(lock.read()), signal.SIGTERM)  # who holds the lock, and nobody else
            fcntl.flock(lock, fcntl.LOCK_EX)
            return True
    return False


def register_all(stage: Stage, say: Callable[[str], None]) -> None:
    """Each owner registers its own flights, and its copy of the aircraft register."""
    flights, planes = (read_dataset(HERE / "datasets" / f"{name}.yaml") for name in ("flights", "planes"))
    files, register_of_planes = prepare(DATA), prepare_planes(DATA)
    for owner in stage.places.owners:
        checked = stage.federation.register(owner, flights, parquet(files[owner]), rows_at_most=ROWS_AT_MOST)
        stage.federation.register(owner, planes, parquet(register_of_planes), rows_at_most=5_000)
        say(f"{owner}: {checked.rows:,} flights checked, {checked.null_units} without a tail number left out")


def _started(say: Callable[[str], None], root: Path, port: int | None, lock: IO[bytes]) -> Stage:
    """Ray, hub, three nodes and the witness; keys and folders too where there are none yet."""
    ray = SharedRay(root / "ray")
    try:
        ray.start()
        folder = root / "federation"
        if folder.exists():
            places = found(folder, AIRPORTS, port)
            configure(places, ray.address)
        else:
            say("laying out keys, trust and configuration: one folder per party")
            token = ray.token_file.resolve()
            places = lay_out(folder, AIRPORTS, ray_address=ray.address, ray_token_file=token, port=port)
    except BaseException:
        ray.stop()
        lock.close()
        raise
    stage = Stage(places, Processes(places), Federation(places), ray, lock)
    try:
        say("starting hub, witness and three nodes as separate processes (Ray takes a few seconds)")
        stage.processes.start_all()
    except BaseException:
        stage.close()
        raise
    return stage


def _empty(root: Path) -> None:
    """Remove all but the lock that this program holds."""
    for item in root.iterdir():
        if item.is_dir():
            shutil.rmtree(item)
        elif item.name != _LOCK:
            item.unlink()
