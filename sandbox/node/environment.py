"""What software this node runs: every installed package with its version and the digest of its own list of files."""

from __future__ import annotations

import platform
from functools import lru_cache
from importlib.metadata import distributions

from jobs.documents import digest, json_digest
from jobs.schema import Digest


@lru_cache(maxsize=1)
def environment() -> Digest:
    """Digest over interpreter, machine type and packages; equal for equal installations. Read once per process."""
    packages = {
        str(found.name).lower(): [found.version, digest((found.read_text("RECORD") or "").encode())]
        for found in distributions()
    }
    machine = [platform.python_implementation(), platform.python_version(), platform.system(), platform.machine()]
    return json_digest({"machine": machine, "packages": packages})
