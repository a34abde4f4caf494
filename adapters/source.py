"""The one port to where bytes live: every adapter is a ``Source``, and everything above it sees Arrow only."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Protocol

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, model_validator

from adapters.errors import SourceChanged, SourceNotFound
from adapters.snapshot.ref import SnapshotRef
from adapters.text.dates import Format, check_unambiguous
from adapters.text.encoding import Encoding
from adapters.text.parse import TextType

_CHUNK = 1 << 20


class ReadColumn(BaseModel):
    """One column as it is read: its name in the source, and what its texts stand for.

    ``fold``: texts that differ in case and edge spaces only are one. ``formats``: of dates in texts; ISO without.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    column: str
    type: TextType | None = None
    formats: Annotated[tuple[Format, ...], Field(max_length=8)] = ()
    fold: bool = False

    @model_validator(mode="after")
    def _one_meaning(self) -> ReadColumn:
        check_unambiguous(self.formats)
        return self


class SourceSpec(BaseModel):
    """Where one table is: kind and path (a file or a folder of files), plus the table's name in a database file.

    ``columns``: how they are read; of a CSV all that are, of other kinds those that are not read as they stand.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["parquet", "csv", "arrow", "duckdb"]
    path: str
    table: Annotated[str, Field(max_length=128)] | None = None
    partitioning: Literal["hive"] | None = None
    encoding: Encoding = "utf-8"
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    columns: tuple[ReadColumn, ...] = ()


class Source(Protocol):
    """One table. Reading never changes it; each ``read`` is a fresh pass over the data."""

    @property
    def schema(self) -> pa.Schema: ...

    def read(self, columns: Sequence[str]) -> pa.RecordBatchReader:
        """Stream these columns, in this order; raises ``BadSource`` for an unknown one."""
        ...

    @property
    def folder(self) -> Path:
        """What the names in a manifest are relative to: names of partition folders are data."""
        ...

    def files(self) -> tuple[Path, ...]:
        """Every file that the table's bytes come from, sorted."""
        ...


class FileIdentity(BaseModel):
    """One file of a version: content digest for the manifest, file-system identity for the quick check."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    size: int
    sha256: str
    inode: int
    modified_ns: int
    changed_ns: int


class Manifest(BaseModel):
    """A data version: its files and their digests. Stays in the domain; what leaves is a salted commitment to it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    files: tuple[FileIdentity, ...]

    def content(self) -> list[dict[str, str | int]]:
        """What the version's digest covers: names, sizes and content digests, not the file system's numbers."""
        return [{"name": file.name, "size": file.size, "sha256": file.sha256} for file in self.files]


def take_manifest(source: Source, known: Manifest | None = None) -> Manifest:
    """Read every file once and digest it; raises ``SourceNotFound``.

    ``known``: an earlier manifest; a file that it lists and that is the same by ``check_unchanged`` is not read again.
    """
    before = {file.model_copy(update={"sha256": ""}): file.sha256 for file in known.files} if known else {}
    files = source.files()
    if not files:
        raise SourceNotFound("the source has no file")
    try:
        seen = [_identity(file, source.folder, "") for file in files]
        digests = [before.get(one) or _sha256(file) for one, file in zip(seen, files, strict=True)]
        return Manifest(files=tuple(o.model_copy(update={"sha256": d}) for o, d in zip(seen, digests, strict=True)))
    except FileNotFoundError:
        raise SourceNotFound("a file of the source went away while it was read") from None


def check_unchanged(source: Source, manifest: Manifest) -> None:
    """Raise ``SourceChanged`` unless the files are the manifest's by number, size, inode and both time stamps.

    Run before and after each scan. The change time cannot be set back by an ordinary user, so this is as good as a
    digest against anyone but root; registration reads every byte.
    """
    try:
        now = tuple(_identity(file, source.folder, "") for file in source.files())
    except FileNotFoundError:
        raise SourceChanged("a file of the registered version is gone: register the data anew") from None
    if now != tuple(file.model_copy(update={"sha256": ""}) for file in manifest.files):
        raise SourceChanged("the files are not those of the registered version: register the data anew")


def _identity(file: Path, base: Path, sha256: str) -> FileIdentity:
    status = file.stat()
    return FileIdentity(
        name=file.relative_to(base).as_posix(),
        size=status.st_size,
        sha256=sha256,
        inode=status.st_ino,
        modified_ns=status.st_mtime_ns,
        changed_ns=status.st_ctime_ns,
    )


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


@dataclass(frozen=True)
class Input:
    """One table of a job: where it is, and which version it must still be before and after the scan.

    ``snapshot``: the version's rows as the node wrote them at registration; a scan of it does not touch the files.
    """

    source: SourceSpec
    manifest: Manifest
    snapshot: SnapshotRef | None = None
