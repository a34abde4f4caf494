"""The catalogue: one logical dataset, several holders, each part announced by its owner's signed record."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError
from sqlalchemy import Connection, Select, func, insert, select, update

from jobs.documents import (
    DatasetRecord,
    Envelope,
    Roster,
    StatusList,
    Verified,
    json_digest,
    moment_text,
    verify_dataset_record,
)
from jobs.documents.base import faults
from jobs.documents.data import check_follows
from jobs.schema import CatalogueView, Dataset, Digest, Grade
from sandbox.errors import InvalidSpec, NegativeListed, NotFound
from sandbox.hub.core.errors import Conflicting, NotPermitted
from sandbox.hub.core.hub import Hub
from sandbox.hub.people.status import current_status
from sandbox.hub.people.tokens import Caller
from sandbox.store.event import Event
from sandbox.store.tables import datasets, records


def register(hub: Hub, caller: Caller, dataset_json: dict[str, Any], envelope: Envelope) -> Verified[DatasetRecord]:
    """Announce one version of one owner's part. The same record again changes nothing.

    Raises ``InvalidSpec`` (naming the fields that differ from what other holders registered), ``NegativeListed``,
    ``Conflicting`` for an old sequence number, ``OutOfScope`` for an exclusion that changes more than who is left out,
    and what a bad record is refused for.
    """
    roster = hub.roster()
    verified = verify_dataset_record(envelope, roster)
    record, dataset = verified.document, read_dataset(dataset_json)
    if record.owner != caller.subject:
        raise NotPermitted(f"this token is not {record.owner}'s")
    _check_grades(dataset)
    if (record.dataset, record.dataset_digest) != (dataset.name, dataset_digest(dataset)):
        raise InvalidSpec("the signed record names another dataset document than the one sent with it")
    facts = {"node": record.node, "dataset": dataset.name, "sequence": record.sequence}
    kind = "dataset.registered"
    if record.changed_below is not None:
        kind, facts = "dataset.excluded", {**facts, "changed_rows_below": record.changed_below}
    event = Event(kind, caller.actor, subject=dataset.name, digests=(verified.digest,), facts=facts)
    with hub.store.read() as connection:
        if _is_stored(connection, verified):
            return verified
    with hub.store.change(event) as change:
        status = current_status(hub, change.connection, roster, change.now)
        if status is not None:
            _check_not_forbidden(status.document, dataset.name)
        _check_newer(change.connection, record)
        check_follows(record, _newest(change.connection, record))
        _store_dataset(change.connection, dataset, record, moment_text(change.now))
        row = {
            "digest": verified.digest,
            "dataset": dataset.name,
            "node": record.node,
            "owner": record.owner,
            "sequence": record.sequence,
            "version": record.version,
            "envelope": envelope.encode(),
        }
        change.execute(insert(records).values(row))
        change.wake("catalogue")
    return verified


def _check_not_forbidden(status: StatusList, dataset: str) -> None:
    for use in status.forbidden:
        if use.whole_dataset and use.dataset == dataset:
            raise NegativeListed(use.cite(status.number))


@dataclass(frozen=True)
class Catalogue:
    """The datasets at one moment: what the planner sees, and the records that it follows from."""

    key: Digest
    """Of everything that it was made from: roster, datasets, records."""
    view: CatalogueView
    records: tuple[Verified[DatasetRecord], ...]
    """The newest of each dataset and node that the roster still knows, verified under it."""


def catalogue_of(hub: Hub, connection: Connection, roster: Verified[Roster]) -> Catalogue:
    """The catalogue as of this look; the same datasets and records under the same roster are read once a process."""
    known = {node.id for owner in roster.document.owners for node in owner.nodes}
    newest = [row for row in connection.execute(_NEWEST) if row.node in known]
    named = [tuple(row) for row in connection.execute(_NAMED)]
    key = json_digest([roster.digest, [row.digest for row in newest], [list(item) for item in named]])

    def make() -> Catalogue:
        return _catalogue(hub, connection, roster, key, [row.digest for row in newest])

    found: Catalogue = hub.catalogues.of(key, make)
    return found


def _catalogue(
    hub: Hub, connection: Connection, roster: Verified[Roster], key: Digest, newest: Sequence[str]
) -> Catalogue:
    kept = select(records.c.digest, records.c.envelope).where(records.c.digest.in_(newest))
    envelopes = {row.digest: bytes(row.envelope) for row in connection.execute(kept)}
    verified = tuple(hub.verified_once.verified(verify_dataset_record, envelopes[digest], roster) for digest in newest)
    found = {row.name: row for row in connection.execute(select(datasets))}
    held = tuple(
        record.document.holding(roster.document.owner(record.document.owner).name)
        for record in verified
        if found[record.document.dataset].digest == record.document.dataset_digest
    )
    named = tuple(read_dataset(json.loads(row.document)) for name, row in sorted(found.items()))
    return Catalogue(key, CatalogueView(datasets=named, holdings=held), verified)


def _newest_query() -> Select[tuple[str, str]]:
    newest = select(records.c.dataset, records.c.node, func.max(records.c.sequence).label("sequence"))
    latest = newest.group_by(records.c.dataset, records.c.node).subquery()
    same = (records.c.dataset == latest.c.dataset) & (records.c.node == latest.c.node)
    query = select(records.c.digest, records.c.node).join(latest, same & (records.c.sequence == latest.c.sequence))
    return query.order_by(records.c.dataset, records.c.node)


_NEWEST: Final = _newest_query()
_NAMED: Final = select(datasets.c.name, datasets.c.digest).order_by(datasets.c.name)


def describe(hub: Hub, connection: Connection, name: str) -> dict[str, Any]:
    """One logical dataset with its holdings and their signed records, as the API shows it; raises ``NotFound``."""
    catalogue = catalogue_of(hub, connection, hub.roster())
    view = catalogue.view
    try:
        dataset = view.dataset(name)
    except KeyError:
        raise NotFound(f"there is no dataset {name}") from None
    held = [holding.model_dump(mode="json") for holding in view.holdings_of(name)]
    digest = dataset_digest(dataset)
    signed = [
        record.envelope.to_json()
        for record in catalogue.records
        if (record.document.dataset, record.document.dataset_digest) == (name, digest)
    ]
    return {"dataset": dataset.model_dump(mode="json"), "digest": digest, "holdings": held, "records": signed}


def read_dataset(value: dict[str, Any]) -> Dataset:
    """Parse a dataset document; raises ``InvalidSpec`` with the place of each fault."""
    try:
        return Dataset.model_validate(value)
    except ValidationError as error:
        raise InvalidSpec(f"not a valid dataset: {faults(error)}") from None


def dataset_digest(dataset: Dataset) -> str:
    return json_digest(dataset.model_dump(mode="json"))


def _check_grades(dataset: Dataset) -> None:
    if dataset.grade is Grade.CORE:
        raise InvalidSpec(f"{dataset.name} is graded core: core data is not registered here")
    for column in dataset.columns:
        if column.grade is Grade.CORE:
            raise InvalidSpec(f"column {column.name} of {dataset.name} is graded core: leave it out of the dataset")


def _is_stored(connection: Connection, record: Verified[DatasetRecord]) -> bool:
    query = select(records.c.digest).where(records.c.digest == record.digest)
    return connection.execute(query).first() is not None


def _check_newer(connection: Connection, record: DatasetRecord) -> None:
    where = (records.c.dataset == record.dataset) & (records.c.node == record.node)
    last = connection.execute(select(func.max(records.c.sequence)).where(where)).scalar()
    if last is not None and record.sequence <= last:
        raise Conflicting(f"sequence {record.sequence} of {record.dataset} was used: the next one is {last + 1}")


def _newest(connection: Connection, record: DatasetRecord) -> DatasetRecord | None:
    same = (records.c.dataset == record.dataset) & (records.c.node == record.node)
    query = select(records.c.envelope).where(same).order_by(records.c.sequence.desc()).limit(1)
    data = connection.execute(query).scalar()
    return None if data is None else DatasetRecord.open(Envelope.parse(bytes(data)))


def _store_dataset(connection: Connection, dataset: Dataset, record: DatasetRecord, at: str) -> None:
    """The first holder's document is the dataset; others must match it; a sole holder may change it."""
    row = connection.execute(select(datasets).where(datasets.c.name == dataset.name)).first()
    values = {"digest": dataset_digest(dataset), "document": dataset.model_dump_json(), "at": at}
    if row is None:
        connection.execute(insert(datasets).values(name=dataset.name, **values))
    elif row.digest != values["digest"]:
        where = (records.c.dataset == dataset.name) & (records.c.node != record.node)
        if connection.execute(select(records.c.node).where(where)).first() is not None:
            differ = ", ".join(differing_fields(Dataset.model_validate_json(row.document), dataset))
            raise InvalidSpec(
                f"other holders registered {dataset.name} differently in: {differ}; agree on one document"
            )
        connection.execute(update(datasets).where(datasets.c.name == dataset.name).values(values))


def differing_fields(ours: Dataset, theirs: Dataset) -> list[str]:
    """Names of the fields that differ, columns one by one; never their contents."""
    left, right = ours.model_dump(mode="json"), theirs.model_dump(mode="json")
    found = [name for name in left if name != "columns" and left[name] != right[name]]
    a, b = ({column["name"]: column for column in side["columns"]} for side in (left, right))
    for name in dict.fromkeys([*a, *b]):
        if name not in a or name not in b:
            found.append(f"columns.{name}")
        else:
            found += [f"columns.{name}.{field}" for field in a[name] if a[name][field] != b[name][field]]
    return found or ["the order of the columns"]
