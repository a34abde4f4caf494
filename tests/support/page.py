"""Follows a page of the documentation: its own blocks, each run on the machine that the block names, a folder here.

A block opens with ```sh MACHINE (run there by bash, every command must succeed) or ```yaml MACHINE/FILE (written there).
``scp`` copies between the folders, ``$EDITOR`` is a program of the test's; nothing else is replaced but names and ports.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_BLOCK: Final = re.compile(r"^```(sh|yaml) (\S+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_SCP: Final = """\
#!{python}
import pathlib, shutil, sys
root = pathlib.Path({root!r})
*files, target = [a for a in sys.argv[1:] if not a.startswith("-")]
host, _, place = target.partition(":")
(root / host).mkdir(exist_ok=True)
for file in files:
    to = root / host / place
    shutil.copy2(file, to / pathlib.Path(file).name if to.is_dir() else to)
"""
_UNSEEN: Final = '#!/bin/sh\nexec {python} -m sandbox.cli "$@"\n'
READY_S: Final = 120.0


@dataclass(frozen=True)
class Block:
    """One fenced block: ``place`` is a machine, or a file on one."""

    language: str
    place: str
    text: str

    @property
    def commands(self) -> list[str]:
        """Its ``unseen`` commands."""
        return [line for line in self.text.splitlines() if line.startswith("unseen ")]

    @property
    def serves(self) -> bool:
        return any(re.match(r"unseen \w+ serve", line) for line in self.commands)


def blocks(text: str) -> list[Block]:
    return [Block(*found) for found in _BLOCK.findall(text)]


def section(text: str, title: str) -> str:
    """From the heading that begins so to the next of the same level."""
    found = re.search(rf"^## {re.escape(title)}.*?(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, title
    return found[0]


@dataclass
class Walker:
    """Runs blocks under ``root``, one folder a machine; ``replaced`` stands for what the page can only name.

    ``prefix``: of a machine's every command, such as ``ip netns exec NAME``.
    """

    root: Path
    replaced: dict[str, str]
    editor: str
    prefix: Mapping[str, Sequence[str]] = field(default_factory=dict)
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        tools = self.root / "bin"
        tools.mkdir(parents=True)
        python = sys.executable
        texts = {"scp": _SCP.format(python=python, root=str(self.root)), "unseen": _UNSEEN.format(python=python)}
        for name, text in {**texts, "edit": f"#!{python}\n{self.editor}"}.items():
            (tools / name).write_text(text)
            (tools / name).chmod(0o755)

    def follow(self, blocks: Iterator[Block] | Sequence[Block], typed: str = "y\n" * 9) -> list[str]:
        """Run them in order; returns what each said. A block that serves stays running."""
        return [said for block in blocks for said in self._block(block, typed)]

    def _block(self, block: Block, typed: str) -> Iterator[str]:
        text = block.text
        for name, value in self.replaced.items():
            text = text.replace(name, value)
        if block.language == "yaml":
            (self.root / block.place.partition("/")[0]).mkdir(exist_ok=True)
            (self.root / block.place).write_text(text)
        elif block.serves:
            self.start(block.place, text)
        else:
            yield self.run(block.place, text, typed)

    def run(self, machine: str, text: str, typed: str = "") -> str:
        """What the commands said; every one of them must succeed."""
        done = subprocess.run(
            [*self.prefix.get(machine, ()), "bash", "-euo", "pipefail", "-c", text],
            cwd=self._home(machine),
            env=self._environment(machine),
            input=typed,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, (machine, text, done.stdout, done.stderr, self.logs())
        return done.stdout

    def start(self, machine: str, text: str) -> None:
        """Start a service and wait until it says that it is ready. It takes the shell's place, as a unit's would."""
        text = re.sub(r"^(unseen \w+ serve)", r"exec \1", text, flags=re.MULTILINE)
        log = self.log(machine)
        before = len(log.read_text().splitlines()) if log.exists() else 0
        with log.open("ab") as stream:
            self.running[machine] = subprocess.Popen(
                [*self.prefix.get(machine, ()), "bash", "-euo", "pipefail", "-c", text],
                cwd=self._home(machine),
                env=self._environment(machine),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )
        end = time.monotonic() + READY_S
        while not re.search(r"is ready|follows the log", "\n".join(log.read_text().splitlines()[before:])):
            assert self.running[machine].poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.1)

    def stop(self, machine: str) -> None:
        """As systemd does with ``KillMode=mixed``: SIGTERM to the service, SIGKILL to all that is left of it."""
        process = self.running.pop(machine)
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(30)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def stop_all(self) -> None:
        for machine in sorted(self.running, key=lambda name: name == "hub"):  # its end answers their long polls
            self.stop(machine)

    def log(self, machine: str) -> Path:
        return self.root / f"{machine}.log"

    def logs(self) -> str:
        return "\n".join(file.read_text()[-3000:] for file in sorted(self.root.glob("*.log")))

    def _home(self, machine: str) -> Path:
        home = self.root / machine
        home.mkdir(exist_ok=True)
        return home

    def _environment(self, machine: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("UNSEEN_", "RAY_"))}
        tools = self.root / "bin"
        path = f"{tools}:{kept.get('PATH', '/usr/bin:/bin')}"
        own = {"PATH": path, "HOME": str(self._home(machine)), "EDITOR": shlex.quote(str(tools / "edit"))}
        return {**kept, **own, "PYTHONUNBUFFERED": "1", "COLUMNS": "200"}
