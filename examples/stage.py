"""The demo's stage: the federation of three airports, laid out, started, and its datasets registered."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from examples.prepare_flights import AIRPORTS, prepare, prepare_planes
from sandbox.local.federation import Federation, parquet, read_dataset
from sandbox.local.layout import Places, lay_out
from sandbox.local.processes import Processes, SharedRay

HERE: Final = Path(__file__).parent
DATA: Final = Path("demo-data")
ROOT: Final = Path(".demo")
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


def raise_curtain(say: Callable[[str], None], root: Path = ROOT, port: int | None = None) -> Stage:
    """Make keys and folders, start Ray, hub, three nodes and the witness.

    Whatever was in ``root`` is replaced, unless it runs: then raises ``StageTaken``.
    """
    lock = replaced(root)
    ray = SharedRay(root / "ray")
    ray.start()
    say("laying out keys, trust and configuration: one folder per party")
    places = lay_out(
        root / "federation",
        AIRPORTS,
        ray_address=ray.address,
        ray_token_file=ray.token_file.resolve(),
        port=port,
    )
    processes = Processes(places)
    stage = Stage(places, processes, Federation(places), ray, lock)
    try:
        say("starting hub, witness and three nodes as separate processes (Ray takes a few seconds)")
        processes.start_all()
    except BaseException:
        stage.close()
        raise
    return stage


def replaced(root: Path) -> IO[bytes]:
    """A fresh, empty folder, and its lock: it is held until the stage closes or its program ends, however it ends."""
    root.mkdir(mode=0o700, exist_ok=True)
    with (root / "lock").open("ab") as before:
        try:
            fcntl.flock(before, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StageTaken(f"a demo or 'make serve' runs in {root}: end it first (Ctrl-C in its terminal)") from None
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir(mode=0o700)
        lock = (root / "lock").open("ab")
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return lock


def register_all(stage: Stage, say: Callable[[str], None]) -> None:
    """Each owner registers its own flights, and its copy of the aircraft register."""
    flights, planes = (read_dataset(HERE / "datasets" / f"{name}.yaml") for name in ("flights", "planes"))
    files, register_of_planes = prepare(DATA), prepare_planes(DATA)
    for owner in stage.places.owners:
        checked = stage.federation.register(owner, flights, parquet(files[owner]), rows_at_most=ROWS_AT_MOST)
        stage.federation.register(owner, planes, parquet(register_of_planes), rows_at_most=5_000)
        say(f"{owner}: {checked.rows:,} flights checked, {checked.null_units} without a tail number left out")
