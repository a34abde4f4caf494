"""Registration at the owner's node: check the data, take its manifest, write the snapshot, commit to it, sign, keep."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from adapters.errors import SnapshotDamaged
from adapters.open import open_source
from adapters.snapshot.build import Layout, build, exclude
from adapters.snapshot.changed import changed_rows, units_here
from adapters.snapshot.exclusions import Exclusions
from adapters.snapshot.index import read_index
from adapters.snapshot.present import check_present
from adapters.snapshot.ref import SnapshotRef
from adapters.source import Manifest, SourceSpec, check_unchanged, take_manifest
from jobs.disclosure.number_class import below
from jobs.disclosure.profile import load_profile
from jobs.documents import (
    SALT_BYTES,
    DatasetRecord,
    SigningKey,
    json_digest,
    moment_text,
    salted_commitment,
)
from jobs.schema import Dataset, Digest
from mpc.party import RandomBytes
from sandbox.catalogue.check import CheckedData, check_data
from sandbox.catalogue.reading import Reading, read_as
from sandbox.errors import InvalidSpec, Unavailable
from sandbox.node.snapshots import SnapshotPlace
from sandbox.node.state import Held, NodeState
from sandbox.node.storing import add_exclusions, data_digest, hashed, known_exclusions, layout_of, remove_old
from sandbox.node.tables import datasets


def register(
    state: NodeState,
    dataset: Dataset,
    spec: SourceSpec,
    owner: str,
    node: str,
    keys: Sequence[SigningKey],
    now: datetime,
    *,
    rows_at_most: int,
    label: str,
    data_until: datetime,
    reading: Reading | None = None,
    budgets: Mapping[str, int] = {"cells": 1_000_000},
    place: SnapshotPlace = SnapshotPlace(),
    rng: RandomBytes = secrets.token_bytes,
) -> tuple[Held, CheckedData]:
    """Make this the active version of the dataset at this node; earlier grants over one version are void then.

    ``reading``: how the files are read (encoding, headers, dates); without it as the source says, headers being names.
    Files that only add to those of the version before add sorted runs to its snapshot; nothing else is written again.
    Raises ``DataRefused`` with every violation, ``SourceChanged`` if the files change meanwhile, ``OutOfDisk``,
    ``InvalidSpec`` if there are more rows than ``rows_at_most``, and
    ``AdapterError``. The manifest and the salt stay here; the signed record holds a commitment only.
    """
    spec = read_as(dataset, spec, reading or Reading(encoding=spec.encoding, delimiter=spec.delimiter))
    source = open_source(spec)
    with state.write() as connection:
        before = state.held(connection).get(dataset.name)
        layout = layout_of(state, connection, dataset, encrypt=place.encrypt, rng=rng)
        left_out = known_exclusions(connection, layout.unit_domain)
    manifest = take_manifest(source, before.manifest if before and before.source == spec else None)
    base = _base(before, dataset, spec, manifest, layout)
    fresh = open_source(spec, base.fresh) if base else source
    checked = check_data(dataset, source, fresh)
    check_unchanged(source, manifest)
    if base:
        checked = CheckedData(checked.rows + base.rows, checked.null_units + base.unitless)
    if not checked.rows:
        raise InvalidSpec("the data has no row: nothing was registered; is it the right file?")
    if checked.rows > rows_at_most:
        raise InvalidSpec("the data has more rows than the declared bound: raise it, range proofs rest on it")
    salt, digest = rng(SALT_BYTES), data_digest(manifest, left_out)
    version = salted_commitment(salt, digest)
    reader = fresh.read([column.name for column in dataset.columns])
    earlier = base.ref if base else None
    with _removed_on_error(place.of(state, version)) as folder:
        snapshot = build(folder, layout, digest, reader, checked.rows, left_out, earlier)
        check_unchanged(source, manifest)
        details: dict[str, Any] = {"label": label, "data_until": data_until, "rows_at_most": rows_at_most}
        details |= {"lineage": version, "changed_below": None}
        record = _record(state, dataset, owner, node, version, now, details)
        envelope = record.sign(*keys)
        held = Held(
            dataset, spec, manifest, version, record.sequence, envelope, rows_at_most, budgets, snapshot,
            excluded=len(left_out.hashes),
        )  # fmt: skip
        with state.write() as connection:
            state.add_dataset(connection, held, salt)
    _tidy(state, place)
    return held, checked


@dataclass(frozen=True)
class LeftOut:
    """The versions to announce, and how many of the named individuals have rows here: told to the owner alone."""

    held: list[Held]
    here: int


def leave_out(
    state: NodeState,
    domain: str,
    units: Sequence[str],
    owner: str,
    node: str,
    keys: Sequence[SigningKey],
    now: datetime,
    place: SnapshotPlace = SnapshotPlace(),
    rng: RandomBytes = secrets.token_bytes,
) -> LeftOut:
    """No scan sees these individuals any more: a new version of every dataset of the unit domain, without new files.

    The set only grows, and grows with all its versions in one transaction: a node never has one without the others.
    Grants stay good, for they name the version's lineage; jobs whose numbers have not left end. Whoever was excluded
    before changes nothing: then the active versions are returned as they are, to be announced again.
    Raises ``InvalidSpec`` if no dataset here has units of that domain, ``Unavailable`` if the set grew meanwhile.
    """
    with state.write() as connection:
        held = [item for item in state.held(connection).values() if item.unit_domain == domain]
        if not held or any(item.snapshot is None for item in held):
            raise InvalidSpec(
                f"no dataset of this node has {domain} as its unit domain: name the domain of a unit column"
            )
        layouts = [layout_of(state, connection, h.dataset, encrypt=place.encrypt, rng=rng) for h in held]
        known = known_exclusions(connection, domain)
    found = Exclusions()
    for item, layout in zip(held, layouts, strict=True):
        found |= hashed(layout, units, item.dataset.column(item.dataset.unit).fold)
    here = len(frozenset[bytes]().union(*(units_here(_ref(item), found) for item in held)))
    left_out = known | found
    if all(item.excluded == len(left_out.hashes) for item in held):
        return LeftOut(held, here)
    with ExitStack() as stack:
        made = []
        for item in held:
            salt, digest = rng(SALT_BYTES), data_digest(item.manifest, left_out)
            version = salted_commitment(salt, digest)
            folder = stack.enter_context(_removed_on_error(place.of(state, version)))
            snapshot = exclude(folder, _ref(item), digest, left_out)
            made.append((_excluded(state, item, version, snapshot, left_out, (owner, node, keys, now)), salt))
        with state.write() as connection:
            if known_exclusions(connection, domain) != known:
                raise Unavailable("others were left out at this very moment: give the same command again")
            add_exclusions(connection, domain, found, moment_text(now))
            for new, salt in made:
                state.add_dataset(connection, new, salt)
    _tidy(state, place)
    return LeftOut([new for new, _ in made], here)


def _excluded(
    state: NodeState,
    old: Held,
    version: Digest,
    snapshot: SnapshotRef,
    left_out: Exclusions,
    signer: tuple[str, str, Sequence[SigningKey], datetime],
) -> Held:
    """The same version with fewer rows: its record says so in a class of numbers, the node keeps the number."""
    owner, node, keys, now = signer
    changed = changed_rows(_ref(old), left_out)
    before = DatasetRecord.parse(old.record.payload)
    details = {
        "label": before.label,
        "data_until": before.data_until,
        "rows_at_most": before.rows_at_most,
        "lineage": before.lineage,
        "changed_below": below(changed, load_profile(old.dataset.profile).min_group),
    }
    record = _record(state, old.dataset, owner, node, version, now, details)
    return replace(
        old,
        version=version,
        sequence=record.sequence,
        record=record.sign(*keys),
        snapshot=snapshot,
        excluded=len(left_out.hashes),
        changed_rows=changed,
    )


def schema_digest(dataset: Dataset) -> Digest:
    """Names and types of the columns alone: what a grant over a series of versions binds."""
    return json_digest([[column.name, column.type.value, column.decimals] for column in dataset.columns])


@dataclass(frozen=True)
class _Base:
    """The version before, all of whose files are still among this one's. ``fresh``: names of those that came."""

    ref: SnapshotRef
    fresh: frozenset[str]
    rows: int
    unitless: int


def _base(before: Held | None, dataset: Dataset, spec: SourceSpec, manifest: Manifest, layout: Layout) -> _Base | None:
    if before is None or before.snapshot is None or spec.kind == "duckdb":
        return None
    old = {(file.name, file.size, file.sha256) for file in before.manifest.files}
    new = {(file.name, file.size, file.sha256) for file in manifest.files}
    same = before.dataset == dataset and before.source == spec and before.snapshot.key == layout.seal_key
    if not same or not old < new:
        return None
    try:
        check_present(before.snapshot)
        index = read_index(Path(before.snapshot.folder), before.snapshot.digest)
    except SnapshotDamaged:
        return None  # everything is written anew
    return _Base(
        before.snapshot, frozenset(name for name, _, _ in new - old), index.rows + index.unitless, index.unitless
    )


def _record(
    state: NodeState,
    dataset: Dataset,
    owner: str,
    node: str,
    version: Digest,
    now: datetime,
    details: Mapping[str, Any],
) -> DatasetRecord:
    with state.read() as connection:
        last = connection.execute(select(func.max(datasets.c.sequence)).where(datasets.c.name == dataset.name)).scalar()
    return DatasetRecord(
        owner=owner,
        node=node,
        dataset=dataset.name,
        dataset_digest=json_digest(dataset.model_dump(mode="json")),
        schema_digest=schema_digest(dataset),
        sequence=(last or 0) + 1,
        version=version,
        frequency=dataset.update_frequency,
        legal_basis=dataset.legal_basis,
        issued=now,
        **details,
    )


@contextmanager
def _removed_on_error(folder: Path) -> Iterator[Path]:
    try:
        yield folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _tidy(state: NodeState, place: SnapshotPlace) -> None:
    """Keep the snapshots of each dataset's last two versions: a job that has begun may still read the one before."""
    with state.read() as connection:
        rows = list(
            connection.execute(select(datasets.c.name, datasets.c.version).order_by(datasets.c.sequence.desc()))
        )
    keep: dict[str, list[str]] = {}
    for row in rows:
        keep.setdefault(row.name, []).append(row.version)
    remove_old(place.root(state), [version for versions in keep.values() for version in versions[:2]])


def _ref(held: Held) -> SnapshotRef:
    if held.snapshot is None:
        raise InvalidSpec(f"{held.dataset.name} has no snapshot: register it again")
    return held.snapshot
