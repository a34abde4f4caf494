"""The one place that knows which kinds there are. A kind is a folder and one line here; hub and node import none.

Modules are loaded by name when they are asked for: a client that reads a plan loads neither parties nor engines. An
owner or a platform adds a kind of its own by naming its package in the configuration (``kinds:``); whoever verifies
its receipts calls ``add`` too.
"""

from __future__ import annotations

import importlib
from typing import Final

from jobs.documents import json_digest
from jobs.errors import OutOfScope
from jobs.kinds.base import Kind, MakeParty, Referee
from jobs.schema import Digest

_PACKAGES: Final[dict[str, str]] = {
    "statistics": "jobs.kinds.statistics",
}


def add(package: str) -> Kind:
    """Make the kind in ``package`` known to this process; raises ``ValueError`` if its name is taken by another."""
    found: Kind = importlib.import_module(f"{package}.kind").KIND
    if _PACKAGES.setdefault(found.name, package) != package:
        raise ValueError(f"there is another kind of job named {found.name}")
    return found


def names() -> tuple[str, ...]:
    return tuple(sorted(_PACKAGES))


def kind_of(name: str) -> Kind:
    """The kind of that name; raises ``OutOfScope``."""
    if name not in _PACKAGES:
        raise OutOfScope("algorithm", f"there is no kind of job {name[:64]!r} here; known: {', '.join(names())}")
    found: Kind = importlib.import_module(f"{_PACKAGES[name]}.kind").KIND
    return found


def algorithm_of(kind: Kind) -> Digest:
    """What grants and permits name a kind and its version by."""
    return json_digest({"kind": kind.name, "version": kind.version})


def kind_by(algorithm: str) -> Kind:
    """The kind that a permit or grant names; raises ``OutOfScope`` for one, or a version, that is unknown here."""
    for name in _PACKAGES:
        if algorithm_of(kind := kind_of(name)) == algorithm:
            return kind
    raise OutOfScope("algorithm", f"this is a kind of job, or a version, unknown here; known: {', '.join(names())}")


def make_party(kind: Kind) -> MakeParty:
    """The constructor of the kind's party; loads what a node needs."""
    found: MakeParty = importlib.import_module(f"{_PACKAGES[kind.name]}.party").make_party
    return found


def referee_of(kind: Kind) -> Referee:
    found: Referee = importlib.import_module(f"{_PACKAGES[kind.name]}.referee").REFEREE
    return found
