"""One file under two names is one thing: it has one budget, and its secret columns are one system of the audit.

What counts is the content of files, byte by byte; names of files and datasets, declarations and salts do not. A file
that was written anew from the same rows is another one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, select

from adapters.source import Manifest
from jobs.documents import DatasetRecord, Envelope, canonical, json_digest, parse_json
from jobs.schema import Digest
from sandbox.node.tables import datasets, settings

ROOTS: Final = "dataset_roots"
"""Setting: canonical JSON of what ``roots`` returns."""


@dataclass(frozen=True)
class Version:
    """What every version that was ever registered here is known by, active or not."""

    name: str
    lineage: str
    files: frozenset[str]
    """Content digests of its files; those without a byte tell nothing."""


class Versions:
    """All of them. A version never changes, so each is read from the table once."""

    def __init__(self) -> None:
        self._known: dict[str, Version] = {}

    def all(self, connection: Connection) -> Mapping[str, Version]:
        there = set(connection.execute(select(datasets.c.version)).scalars())
        columns = (datasets.c.version, datasets.c.name, datasets.c.manifest, datasets.c.record)
        for row in connection.execute(select(*columns).where(datasets.c.version.in_(there - self._known.keys()))):
            lineage = DatasetRecord.open(Envelope.parse(row.record)).lineage
            files = files_of(Manifest.model_validate_json(row.manifest))
            self._known[row.version] = Version(row.name, lineage, files)
        return {version: self._known[version] for version in there}


def files_of(manifest: Manifest) -> frozenset[str]:
    return frozenset(file.sha256 for file in manifest.files if file.size)


def content_digest(manifest: Manifest) -> Digest:
    """Of the files' bytes, whatever the files are called."""
    return json_digest(sorted([file.sha256, file.size] for file in manifest.files))


def lineages_of(versions: Iterable[Version], files: frozenset[str], own: str) -> tuple[str, ...]:
    """Whose charges count against a version of these files: its own lineage, and all that ever had the same files."""
    same = {version.lineage for version in versions if files and version.files == files}
    return (own, *sorted(same - {own}))


def roots(connection: Connection) -> dict[str, tuple[str, ...]]:
    """Per dataset the names that its secret columns go by in the audit; of a dataset that is not in it, its own."""
    stored = connection.execute(select(settings.c.value).where(settings.c.name == ROOTS)).scalar()
    return {} if stored is None else {name: tuple(found) for name, found in parse_json(bytes(stored)).items()}


def linked(connection: Connection, versions: Iterable[Version], name: str, files: frozenset[str]) -> bytes:
    """The table of roots, as it is to be stored, once ``name`` has a version of these files too.

    A dataset keeps every root that it had, so that no answer is forgotten: who first registered a file is asked about
    it ever after, whatever other name it comes under.
    """
    known = roots(connection)
    found = dict.fromkeys(known.get(name, ()))
    for version in versions:
        if version.name != name and version.files & files:
            found |= dict.fromkeys(known.get(version.name, (version.name,)))
    was_here = any(version.name == name for version in versions)
    own = {name: None} if (was_here and name not in known) or not found else {}
    return canonical({**{key: list(value) for key, value in known.items()}, name: list(own | found)})
