"""The one place that knows which kinds there are. A kind is a folder and one line here; hub and node import none.

Modules are loaded by name when they are asked for: a client that reads a plan loads neither parties nor engines. An
owner or a platform adds a kind of its own by naming its package in the configuration (``kinds:``); whoever verifies
its receipts calls ``add`` too.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
from functools import cache
from typing import Any, Final

from jobs.documents import json_digest
from jobs.errors import BadKind, OutOfScope
from jobs.kinds.base import RESERVED_ROUNDS, Forecast, Kind, MakeDryRun, MakeParty, Receiver, Referee, Round
from jobs.schema import Digest

_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,63}")
_MOST_MESSAGES: Final = 16384
"""What one signed list of sent messages holds."""
_PACKAGES: Final[dict[str, str]] = {
    "statistics": "jobs.kinds.statistics",
}


def add(package: str) -> Kind:
    """Make the kind in ``package`` known to this process; raises ``BadKind`` if there is none in it, its name is taken
    by another, or its table of rounds cannot be driven."""
    try:
        found = _load(package)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        text = f"{type(error).__name__}: name a package that this Python can import, with a module `kind` that has KIND"
        raise BadKind(package, text) from error
    if _PACKAGES.setdefault(found.name, package) != package:
        raise BadKind(found.name, "there is another one of this name")
    return found


def names() -> tuple[str, ...]:
    return tuple(sorted(_PACKAGES))


def kind_of(name: str) -> Kind:
    """The kind of that name; raises ``OutOfScope``."""
    if name not in _PACKAGES:
        raise OutOfScope("algorithm", f"there is no kind of job {name[:64]!r} here; known: {', '.join(names())}")
    return _load(_PACKAGES[name])


@cache
def _load(package: str) -> Kind:
    """No kind is used whose rounds were not looked at. Raises ``BadKind``."""
    found: Kind = importlib.import_module(f"{package}.kind").KIND
    check_rounds(found)
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


def forecast_of(kind: Kind, plan: Any) -> Forecast:
    """What the plan alone says of a run; raises ``OutOfScope`` for a kind that has no module ``forecast``."""
    found: Forecast = _optional(kind, "forecast").forecast(plan)
    return found


def make_dry_run(kind: Kind) -> MakeDryRun:
    """The constructor of the kind's dry run; loads what a node needs. Raises ``OutOfScope`` if the kind has none."""
    found: MakeDryRun = _optional(kind, "dry_run").make_dry_run
    return found


def _optional(kind: Kind, name: str) -> Any:
    module = f"{_PACKAGES[kind.name]}.{name}"
    if importlib.util.find_spec(module) is None:
        raise OutOfScope("algorithm", f"kind {kind.name} has no dry run: explain says what its plans do")
    return importlib.import_module(module)


def preparations() -> tuple[str, ...]:
    """``module:function`` of each kind with a module ``warm``: what a worker calls before its first local step."""
    named = (f"{package}.warm" for package in _PACKAGES.values())
    return tuple(f"{module}:warm" for module in named if importlib.util.find_spec(module) is not None)


def check_rounds(kind: Kind) -> None:
    """Raise ``BadKind`` unless hub and nodes can drive this table, and a node cannot be bound before it says so."""
    rounds, spoken = kind.rounds, [row for row in kind.rounds if not row.by_hub]
    names = [*(row.name for row in rounds), *kind.metered]
    for name in names:
        if not _NAME.fullmatch(name):
            raise BadKind(kind.name, f"{name[:64]!r} is no name of a round or a unit: lower case letters, digits, -")
    if len(set(kind.metered)) != len(kind.metered):
        raise BadKind(kind.name, "a metered unit is named twice")
    if len({row.name for row in rounds}) != len(rounds):
        raise BadKind(kind.name, "two rounds have one name")
    for row in rounds:
        _check_row(kind, row)
    if not any(row.receiver is Receiver.HUB for row in spoken):
        raise BadKind(kind.name, "no round is for the hub, so its referee never has an output")
    bound = [row.binding for row in spoken]
    if True not in bound:
        raise BadKind(kind.name, "no round is the point of no return, so a charge would never be committed")
    first = bound.index(True)
    if spoken[first].optional:
        raise BadKind(kind.name, f"round {spoken[first].name} is the point of no return and may not be left out")
    if not all(bound[first:]):
        late = next(row.name for row in spoken[first:] if not row.binding)
        raise BadKind(kind.name, f"round {late} comes after the point of no return: it is binding too")
    if sum(row.repeats for row in spoken) > _MOST_MESSAGES:
        raise BadKind(kind.name, f"a node would send more than {_MOST_MESSAGES} messages to one receiver")


def _check_row(kind: Kind, row: Round) -> None:
    if row.name in RESERVED_ROUNDS:
        raise BadKind(kind.name, f"round {row.name}: nodes say something else under this name, in every job")
    if not isinstance(row.receiver, Receiver):
        raise BadKind(kind.name, f"round {row.name} has no known receiver")
    if row.repeats < 1:
        raise BadKind(kind.name, f"round {row.name} has no message: it repeats once at least")
    if row.binding and not row.reveals:
        raise BadKind(kind.name, f"round {row.name} is binding: say that it reveals something, too")
    if row.by_hub and (row.receiver is not Receiver.ALL or row.reveals or row.binding):
        raise BadKind(kind.name, f"round {row.name} is the hub's: it is for all, and holds no part of a node")
