"""The small file that names, sizes and digests every other file of a snapshot. Whoever knows its digest knows them all.

The node keeps the digest; the file itself lies with the data. Nothing in it is a value, but texts of declared domains.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from adapters.errors import SnapshotDamaged
from adapters.snapshot.columns import StoredColumn

FILE: Final = "index.json"
BATCH_ROWS: Final = 1 << 20
"""Rows of one record batch of a column file."""
MAX_RUNS: Final = 8
"""Sorted runs of one part before they are made one."""
_MAX_BYTES: Final = 64 << 20


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StoredFile(_Model):
    size: int
    sha256: str


class Run(_Model):
    """Rows of one part, sorted by unit: one file per column, and ``units`` (hashes, row counts and the unit itself)."""

    part: Annotated[int, Field(ge=0)]
    name: Annotated[str, Field(pattern=r"^p\d{4}-[0-9a-f]{16}$")]
    rows: int
    units: int
    files: dict[str, StoredFile]


class Index(_Model):
    """A version's snapshot. ``parts`` is a power of two; a part's units have its number as leading bits of their hash.

    ``rows``: kept rows; ``unitless``: rows without a unit, which are left out by the dataset's rule.
    ``columns``: the declared ones and ``prints.PRINT``, by which a record is known. ``runs``: of one part in the order
    in which they came.
    """

    format: Literal[2] = 2
    dataset: str
    dataset_digest: str
    """Of the declared ``Dataset``: another declaration is another snapshot."""
    data_digest: str
    """Of the manifest's content and the exclusions: what the snapshot was made of."""
    unit: str
    unit_domain: str
    columns: tuple[StoredColumn, ...]
    parts: Annotated[int, Field(ge=1, le=256)]
    rows: int
    unitless: int
    runs: tuple[Run, ...]
    sealed: bool = False
    exclusions: StoredFile | None = None

    def column(self, name: str) -> StoredColumn:
        """The stored column of that name; raises ``KeyError``."""
        return next(column for column in self.columns if column.name == name) if name in self.names else _missing(name)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    def runs_of(self, part: int) -> tuple[Run, ...]:
        return tuple(run for run in self.runs if run.part == part)

    def rows_of(self, part: int) -> int:
        return sum(run.rows for run in self.runs_of(part))


def write_index(folder: Path, index: Index) -> str:
    """Write it and return its digest."""
    data = index.model_dump_json().encode()
    (folder / FILE).write_bytes(data)
    return digest_of(data)


def read_index(folder: Path, digest: str) -> Index:
    """The index of this digest; raises ``SnapshotDamaged`` for any other bytes, or none."""
    try:
        if (folder / FILE).stat().st_size > _MAX_BYTES:
            raise SnapshotDamaged("the snapshot's index is not the one that was written")
        data = (folder / FILE).read_bytes()
    except OSError:
        raise SnapshotDamaged("the snapshot's index is gone or cannot be read") from None
    if digest_of(data) != digest:
        raise SnapshotDamaged("the snapshot's index is not the one that was written")
    return _parsed(data)


def digest_of(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


@lru_cache(maxsize=64)
def _parsed(data: bytes) -> Index:
    try:
        return Index.model_validate_json(data)
    except ValidationError:
        raise SnapshotDamaged("the snapshot's index has another format: register the data again") from None


def _missing(name: str) -> StoredColumn:
    raise KeyError(name)
