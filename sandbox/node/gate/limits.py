"""How much the audit holds. Importing it loads no kernels: the node's configuration names these numbers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What the audit holds at most: rows of one system, records of one unit domain."""

    rows: int = 20_000
    records: int = 20_000_000
