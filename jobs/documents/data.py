"""What an owner signs when it registers a data version: declarations and commitments, never a digest of data."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from jobs.documents.base import Count, DigestText, Document, Id, Label, Moment, Version
from jobs.errors import OutOfScope
from jobs.schema import Holding


class DatasetRecord(Document):
    """One version of one dataset at one node, announced to the hub's catalogue and log."""

    KIND: ClassVar[str] = "dataset-record"
    owner: Id
    node: Id
    dataset: Id
    dataset_digest: DigestText
    """Digest of the logical ``Dataset`` document that all holders share (columns, roles, domains, bounds)."""
    schema_digest: DigestText
    """Digest of names and types of the columns alone: what a grant over a series of versions binds."""
    sequence: Version
    """1 for the owner's first version; never used twice."""
    version: DigestText
    """Salted commitment to the manifest of file digests, and to who is excluded: what a permit names."""
    lineage: DigestText
    """The version that this one began as: the same files before further individuals were excluded. What a grant of one
    version names, so that withdrawn consent voids none; of a version as it was registered, itself."""
    changed_below: Annotated[Count, Field(ge=10)] | None
    """Of an exclusion: it took out fewer rows of the version before than this (``jobs.disclosure.number_class``)."""
    label: Label
    frequency: Label
    data_until: Moment
    """Latest date that this version covers."""
    rows_at_most: Annotated[Count, Field(ge=1)]
    """A declared bound that range proofs use, not the number of rows."""
    legal_basis: Label
    issued: Moment

    def holding(self, provider: str) -> Holding:
        """What a plan knows of this part; ``provider`` is the owner's name in the roster."""
        return Holding(
            dataset=self.dataset,
            owner=self.owner,
            node=self.node,
            provider=provider,
            version_commitment=self.version,
            version_label=self.label,
            max_rows=self.rows_at_most,
        )

    @model_validator(mode="after")
    def _first_or_changed(self) -> DatasetRecord:
        if (self.lineage == self.version) != (self.changed_below is None):
            raise ValueError("a version is the first of its lineage, or says how many rows an exclusion changed")
        return self


def check_follows(record: DatasetRecord, before: DatasetRecord | None) -> None:
    """Raise ``OutOfScope`` unless an exclusion changes nothing of the newest version but who is left out.

    Who runs it: the hub, when a record is announced; ``before`` is the newest of this dataset and node.
    """
    if record.changed_below is None:
        return
    if before is None or before.lineage != record.lineage:
        raise OutOfScope("lineage", f"no version of {record.dataset} that this exclusion follows is the newest here")
    own = {"sequence", "version", "changed_below", "issued"}
    if record.model_dump(exclude=own) != before.model_dump(exclude=own):
        raise OutOfScope("lineage", "an exclusion leaves everything else of its version as it was")
