"""A peer in an environment of its own: a line in, a line that begins with ``=`` out."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
ENVIRONMENTS: Final = HERE.parents[1] / ".env-peers"


class Peer:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, line: str = "") -> str:
        """Raises ``SystemExit`` if the peer has ended."""
        if self._process.stdin is None or self._process.stdout is None:
            raise SystemExit("the peer was started without pipes")
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        for answer in self._process.stdout:
            if answer.startswith("="):
                return answer[1:].strip()
        raise SystemExit(f"the peer ended with {self._process.wait()} before it answered")


@contextmanager
def peer(environment: str, script: str, *arguments: str) -> Iterator[Peer | None]:
    """``None``, said on the output, where the environment is not there."""
    python = ENVIRONMENTS / environment / "bin" / "python"
    if not python.exists():
        sys.stdout.write(f"SKIPPED: rows against {environment}; the script's head says how to make its environment\n")
        yield None
        return
    command = [str(python), str(HERE / "peers" / script), *arguments]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        yield Peer(process)
    finally:
        process.terminate()
        process.wait()
