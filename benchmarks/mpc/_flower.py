"""Asks Flower's secure-aggregation functions for a measurement, in their own environment and process.

Create the environment once (its pins need not agree with ours):
``python -m venv .env-peers/flwr && .env-peers/flwr/bin/pip install flwr==1.41.0``.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PYTHON = ROOT / ".env-peers" / "flwr" / "bin" / "python"
WORKER = Path(__file__).with_name("_flower_worker.py")


class Flower:
    """One worker process; a context manager. ``Flower.available`` says whether its environment is there."""

    def __init__(self) -> None:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen([str(PYTHON), str(WORKER)], stdin=pipe, stdout=pipe, text=True)

    @staticmethod
    def available() -> bool:
        if PYTHON.exists():
            return True
        sys.stderr.write(f"SKIPPED the rows against Flower: no {PYTHON.relative_to(ROOT)}. {__doc__}\n")
        return False

    def measure(self, work: str, **request: int) -> dict[str, float]:
        """Seconds (and parts of them) and the worker's peak memory so far in MiB, as measured inside the worker."""
        if self._process.stdin is None or self._process.stdout is None:
            raise SystemExit("the peer's process has no pipes")
        self._process.stdin.write(json.dumps({"work": work, **request}) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise SystemExit(f"the peer failed on {work}")
        measured: dict[str, float] = json.loads(answer)
        return measured

    def __enter__(self) -> Flower:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(timeout=30)
