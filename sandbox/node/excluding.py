"""Withdrawn consent at a node: the set of left-out individuals only grows, and nothing leaves that still counts one.

A version was written under the whole set of its unit domain as it was then. The table of exclusions is append-only (by
triggers), so the number of its entries says whether a version knows them all, also after a crash or a restored folder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, func, select

from adapters.errors import SourceChanged
from sandbox.node.state import Held
from sandbox.node.tables import exclusions


def check_exclusions(connection: Connection, inputs: Mapping[str, Held]) -> None:
    """Raise ``SourceChanged`` if somebody was excluded after one of these versions was written.

    Looked at when an order is accepted and again, in the transaction that stores it, before each message.
    """
    for name, held in inputs.items():
        if excluded_count(connection, held.unit_domain) != held.excluded:
            raise SourceChanged(
                f"individuals were left out of {name} since this version was written: nothing of it leaves any more"
            )


def excluded_count(connection: Connection, domain: str) -> int:
    query = select(func.count()).select_from(exclusions).where(exclusions.c.unit_domain == domain)
    return int(connection.execute(query).scalar_one())


def excluded_digest(connection: Connection, domain: str) -> str:
    """Who is left out, by their keyed hashes."""
    query = select(exclusions.c.unit_hash).where(exclusions.c.unit_domain == domain)
    found = hashlib.sha256()
    for value in sorted(bytes(row.unit_hash) for row in connection.execute(query)):
        found.update(value)
    return found.hexdigest()


def exclusions_shown(connection: Connection, held: Mapping[str, Held]) -> list[dict[str, Any]]:
    """For the owner, at the control socket: per dataset, how many are left out and how many rows that changed last.

    ``complete``: the active version knows them all; if not, no job runs on it until it is written anew.
    """
    found = []
    for name, item in sorted(held.items()):
        count = excluded_count(connection, item.unit_domain)
        found.append(
            {
                "dataset": name,
                "unit_domain": item.unit_domain,
                "version": item.version,
                "excluded": count,
                "changed_rows": item.changed_rows,
                "complete": count == item.excluded,
            }
        )
    return found
