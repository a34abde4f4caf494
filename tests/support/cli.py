"""Runs the ``unseen`` command as a person would: a process of its own, its settings in the environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox.local.layout import Places


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Person:
    """One party at its own terminal."""

    settings: dict[str, str] = field(default_factory=dict)

    def __call__(self, *arguments: str | Path, code: int = 0, typed: str = "") -> Ran:
        """Run, answer questions with what is ``typed``, and insist on the exit code."""
        environment = {**os.environ, **self.settings, "COLUMNS": "200"}
        program = [sys.executable, "-m", "sandbox.cli", *map(str, arguments)]
        done = subprocess.run(
            program, env=environment, capture_output=True, text=True, timeout=180, check=False, input=typed
        )
        assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
        return Ran(done.returncode, done.stdout, done.stderr)

    def json(self, *arguments: str | Path, code: int = 0) -> Any:
        return self(*arguments, "--json", code=code).json


def operator(places: Places, name: str = "acme") -> Person:
    folder = places.operator(name)
    return Person(
        {
            **_everyone(places, folder),
            "UNSEEN_OPERATOR": name,
            "UNSEEN_KEY": str(folder / "operator.key"),
        }
    )


def owner(places: Places, name: str) -> Person:
    folder = places.owner(name)
    return Person({**_everyone(places, folder), "UNSEEN_OWNER": name, "UNSEEN_KEY": str(folder / "owner.key")})


def auditor(places: Places) -> Person:
    return Person(_everyone(places, places.auditor))


def _everyone(places: Places, folder: Path) -> dict[str, str]:
    return {
        "UNSEEN_HUB": places.url,
        "UNSEEN_TRUST": str(places.trust),
        "UNSEEN_TOKEN_FILE": str(folder / "token"),
    }
