"""Start-up check: all five packages come from one folder. A foreign ``jobs`` or ``mpc`` would silently win."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Final

from sandbox.errors import IntegrityFailure

PACKAGES: Final = ("sandbox", "jobs", "federated", "adapters", "mpc")


def check_one_origin(packages: tuple[str, ...] = PACKAGES) -> Path:
    """Return the folder; raises ``IntegrityFailure`` naming the package that comes from elsewhere."""
    origins = {name: _origin(name) for name in packages}
    first = origins["sandbox"]
    for name, origin in origins.items():
        if origin != first:
            raise IntegrityFailure(
                f"package {name!r} is not this project's: another distribution of that name is installed; "
                "use an environment of its own"
            )
    return first


def _origin(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise IntegrityFailure(f"package {name!r} is missing: install the whole distribution")
    return Path(spec.origin).resolve().parent.parent
