"""Writing snapshots at a node: the keys that they need, and the exclusions that every version of a unit domain carries.

Run by registration, and by a node that finds one damaged. Keys are 32 random bytes in the node's database: one per unit
domain (so that tables of one kind of individual are split alike), one for encryption at rest.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import pyarrow as pa
from sqlalchemy import Connection, insert, select

from adapters.errors import BadSource, SourceChanged
from adapters.open import open_source
from adapters.snapshot.build import Layout, build
from adapters.snapshot.exclusions import Exclusions
from adapters.snapshot.ref import SnapshotRef
from adapters.snapshot.units import KEY_BYTES
from adapters.source import Manifest, check_unchanged
from adapters.text.fold import folded
from jobs.documents import json_digest
from jobs.schema import Dataset, Digest
from jobs.stored import printed_columns, stored_columns
from mpc.party import RandomBytes
from sandbox.node.state import Held, NodeState
from sandbox.node.tables import exclusions

_SEAL: Final = "snapshot_key"


def write_again(state: NodeState, held: Held, lost: SnapshotRef) -> SnapshotRef:
    """The snapshot of a version whose files are still the registered ones; raises ``AdapterError``."""
    source = open_source(held.source)
    check_unchanged(source, held.manifest)
    with state.write() as connection:
        layout = layout_of(state, connection, held.dataset, encrypt=lost.key is not None)
        left_out = known_exclusions(connection, layout.unit_domain)
    if len(left_out.hashes) != held.excluded:
        raise SourceChanged(f"individuals were left out of {held.dataset.name} since this version was written")
    reader = source.read([column.name for column in held.dataset.columns])
    made = build(Path(lost.folder), layout, data_digest(held.manifest, left_out), reader, lost.rows, left_out)
    check_unchanged(source, held.manifest)
    with state.write() as connection:
        state.set_snapshot(connection, held.version, made)
    return made


def data_digest(manifest: Manifest, left_out: Exclusions) -> Digest:
    """What a version is: the content of its files, and who is left out of it."""
    if not left_out:
        return json_digest(manifest.content())
    return json_digest({"files": manifest.content(), "exclusions": left_out.digest()})


def layout_of(
    state: NodeState, connection: Connection, dataset: Dataset, *, encrypt: bool, rng: RandomBytes | None = None
) -> Layout:
    """How this node stores a dataset; makes the keys that are not there yet."""
    domain = str(dataset.column(dataset.unit).unit_domain)
    return Layout(
        dataset=dataset.name,
        dataset_digest=json_digest(dataset.model_dump(mode="json")),
        unit=dataset.unit,
        unit_domain=domain,
        columns=stored_columns(dataset),
        unit_key=_key(state, connection, f"unit_key {domain}", rng),
        seal_key=_key(state, connection, _SEAL, rng) if encrypt else None,
        printed=printed_columns(dataset),
    )


def _key(state: NodeState, connection: Connection, name: str, rng: RandomBytes | None) -> bytes:
    found = state.setting(connection, name)
    if found is None:
        found = (rng or secrets.token_bytes)(KEY_BYTES)
        state.set_setting(connection, name, found)
    return found


def known_exclusions(connection: Connection, domain: str) -> Exclusions:
    rows = connection.execute(select(exclusions.c.unit_hash).where(exclusions.c.unit_domain == domain))
    return Exclusions.from_bytes(bytes(row.unit_hash) for row in rows)


def add_exclusions(connection: Connection, domain: str, found: Exclusions, at: str) -> Exclusions:
    """Grow the domain's set; returns all of it. The table refuses to forget."""
    known = known_exclusions(connection, domain)
    fresh = [{"unit_domain": domain, "unit_hash": h, "at": at} for h in sorted(found.hashes - known.hashes)]
    if fresh:
        connection.execute(insert(exclusions), fresh)
    return known | found


def hashed(layout: Layout, units: Iterable[str], fold: bool) -> Exclusions:
    """Units as an owner writes them; raises ``BadSource`` for one that the column's type cannot hold.

    ``fold``: as the unit column declares it.
    """
    column = next(column for column in layout.columns if column.name == layout.unit)
    texts = pa.array(list(units), pa.utf8())
    if fold:
        texts = folded(texts).drop_null()
    return Exclusions.of(
        column.store(texts if column.kind == "string" else _parsed(column.type, texts)), layout.unit_key
    )


def _parsed(type_: pa.DataType, texts: pa.Array) -> pa.Array:
    try:
        return texts.cast(type_)
    except pa.ArrowException:
        raise BadSource(f"a unit here is a {type_}") from None


def remove_old(root: Path, keep: Iterable[str]) -> None:
    """Delete the folders of all versions but these, and what a crash left unfinished."""
    wanted = {version.removeprefix("sha256:") for version in keep}
    for folder in root.iterdir() if root.is_dir() else ():
        if folder.is_dir() and folder.name not in wanted:
            shutil.rmtree(folder, ignore_errors=True)
