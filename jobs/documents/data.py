"""What an owner signs when it registers a data version: declarations and commitments, never a digest of data."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from jobs.documents.base import Count, DigestText, Document, Id, Label, Moment, Version


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
    """Salted commitment to the manifest of file digests."""
    label: Label
    frequency: Label
    data_until: Moment
    """Latest date that this version covers."""
    rows_at_most: Annotated[Count, Field(ge=1)]
    """A declared bound that range proofs use, not the number of rows."""
    legal_basis: Label
    issued: Moment
