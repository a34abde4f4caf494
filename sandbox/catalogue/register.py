"""Registration at the owner's node: check the data, take its manifest, commit to it under a fresh salt, sign, keep."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select

from adapters.open import open_source
from adapters.source import SourceSpec, check_unchanged, take_manifest
from jobs.documents import SALT_BYTES, DatasetRecord, SigningKey, json_digest, salted_commitment
from jobs.schema import Dataset, Digest
from mpc.party import RandomBytes
from sandbox.catalogue.check import CheckedData, check_data
from sandbox.errors import InvalidSpec
from sandbox.node.state import Held, NodeState
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
    cell_budget: int = 1_000_000,
    rng: RandomBytes = secrets.token_bytes,
) -> tuple[Held, CheckedData]:
    """Make this the active version of the dataset at this node; earlier grants over an exact version are void then.

    Raises ``DataRefused`` with every violation, ``SourceChanged`` if the files change meanwhile,
    ``InvalidSpec`` if there are more rows than ``rows_at_most``, and
    ``AdapterError``. The manifest and the salt stay here; the signed record holds a commitment only.
    """
    source = open_source(spec)
    manifest = take_manifest(source)
    checked = check_data(dataset, source)
    check_unchanged(source, manifest)
    if checked.rows > rows_at_most:
        raise InvalidSpec("the data has more rows than the declared bound: raise it, range proofs rest on it")
    salt = rng(SALT_BYTES)
    version = salted_commitment(salt, json_digest(manifest.content()))
    with state.read() as connection:
        last = connection.execute(select(func.max(datasets.c.sequence)).where(datasets.c.name == dataset.name)).scalar()
    record = DatasetRecord(
        owner=owner,
        node=node,
        dataset=dataset.name,
        dataset_digest=json_digest(dataset.model_dump(mode="json")),
        schema_digest=schema_digest(dataset),
        sequence=(last or 0) + 1,
        version=version,
        label=label,
        frequency=dataset.update_frequency,
        data_until=data_until,
        rows_at_most=rows_at_most,
        legal_basis=dataset.legal_basis,
        issued=now,
    )
    envelope = record.sign(*keys)
    held = Held(dataset, spec, manifest, version, record.sequence, envelope, rows_at_most, cell_budget)
    with state.write() as connection:
        state.add_dataset(connection, held, salt)
    return held, checked


def schema_digest(dataset: Dataset) -> Digest:
    """Names and types of the columns alone: what a grant over a series of versions binds."""
    return json_digest([[column.name, column.type.value, column.decimals] for column in dataset.columns])
