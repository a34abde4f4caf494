"""The negative list at the hub: published by the authority, versioned, read by everyone."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, insert, select

from jobs.documents import canonical
from jobs.documents.base import faults
from sandbox.errors import InvalidSpec
from sandbox.hub.core.errors import Conflicting
from sandbox.hub.core.hub import Hub
from sandbox.hub.people.tokens import Caller
from sandbox.policy.negative import NO_ENTRIES, NegativeList
from sandbox.store.event import Event
from sandbox.store.tables import negative_lists


def publish_list(hub: Hub, caller: Caller, value: dict[str, Any]) -> NegativeList:
    """Put a newer version in force; raises ``InvalidSpec``, or ``Conflicting`` for one that is not newer."""
    listed = _read(value)
    facts = {"version": listed.version, "entries": len(listed.entries)}
    digests = (listed.digest,)
    with hub.store.read() as connection:
        current = current_list(connection)
        if (current.version, current.digest) == (listed.version, listed.digest):
            return listed
    event = Event("negative-list.published", caller.actor, subject="negative-list", digests=digests, facts=facts)
    with hub.store.change(event) as change:
        last = current_list(change.connection)
        if last is not NO_ENTRIES and listed.version <= last.version:
            raise Conflicting(f"the negative list in force is version {last.version}: publish a higher one")
        row = {"version": listed.version, "digest": listed.digest, "document": listed.model_dump_json()}
        change.execute(insert(negative_lists).values(row))
    return listed


def current_list(connection: Connection) -> NegativeList:
    """The version in force; an empty version 1 before the first."""
    query = select(negative_lists.c.document).order_by(negative_lists.c.version.desc()).limit(1)
    document = connection.execute(query).scalar()
    return NO_ENTRIES if document is None else NegativeList.model_validate_json(document)


def _read(value: dict[str, Any]) -> NegativeList:
    try:
        return NegativeList.model_validate_json(canonical(value))
    except ValidationError as error:
        raise InvalidSpec(f"not a valid negative list: {faults(error)}") from None
