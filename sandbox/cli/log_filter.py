"""Which entries of the log a reader wants, and how they are written to a file."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import typer

from jobs.documents import DatasetRecord, Envelope
from jobs.kinds.registry import kind_of
from sandbox.audit import EVENTS
from sandbox.client import Client
from sandbox.errors import InvalidSpec

_FIELDS = ("event", "at", "actor", "subject")


@dataclass(frozen=True)
class Wanted:
    """What the hub does not filter by itself; ``None`` is anything."""

    operator: str | None = None
    owner: str | None = None
    dataset: str | None = None
    column: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def by_job(self) -> bool:
        return any((self.operator, self.owner, self.dataset, self.column))

    def in_time(self, at: datetime) -> bool:
        return (self.since is None or at >= self.since) and (self.until is None or at < self.until)


def check_kind(kind: str | None) -> None:
    """Raise ``InvalidSpec`` for an event that no hub logs."""
    if kind is not None and kind not in EVENTS:
        near = get_close_matches(kind, EVENTS, 3)
        known = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(EVENTS)}"
        raise InvalidSpec(f"the log has no events of kind {kind!r}: {known}")


def moment_of(text: str | None, *, whole_day: bool = False) -> datetime | None:
    """A UTC day or time; ``whole_day``: a day alone means its end."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("write a time as 2026-12-31 or 2026-12-31T08:00, in UTC") from None
    found = found.replace(tzinfo=found.tzinfo or UTC)
    return found + timedelta(days=1) if whole_day and len(text) == len("2026-12-31") else found


def fitting(client: Client, wanted: Wanted, **filters: Any) -> Iterator[Mapping[str, Any]]:
    """The readable entries that fit, in order."""
    check_column(client, wanted)
    jobs = _jobs(client, wanted) if wanted.by_job else frozenset()
    for item in client.log_entries(**filters):
        entry = item.get("entry")
        if entry is None or not wanted.in_time(datetime.fromisoformat(entry["at"])):
            continue
        if not wanted.by_job or entry["facts"].get("job") in jobs or _own(entry, wanted):
            yield item


def check_column(client: Client, wanted: Wanted) -> None:
    """Raise ``InvalidSpec`` for a column that its dataset does not declare."""
    if wanted.column is None:
        return
    dataset, dot, column = wanted.column.partition(".")
    if not dot:
        raise typer.BadParameter("write a column as DATASET.COLUMN", param_hint="--column")
    names = [item["name"] for item in client.dataset(dataset)["dataset"]["columns"]]
    if column not in names:
        near = get_close_matches(column, names, 3) or names
        raise InvalidSpec(f"{dataset} declares no column {column}: it has {', '.join(near)}")


def write_entries(file: Path, entries: Sequence[Mapping[str, Any]]) -> None:
    """All fields of each entry: as JSON, or as CSV with digests and facts in one cell each."""
    with file.open("x", newline="") as stream:
        if file.suffix == ".json":
            json.dump(list(entries), stream, indent=1)
            return
        rows = csv.writer(stream, lineterminator="\n")
        rows.writerow(("index", *_FIELDS, "digests", "facts"))
        for item in entries:
            entry = item["entry"]
            fields = [_plain(str(entry[name])) for name in _FIELDS]
            rows.writerow((item["index"], *fields, " ".join(entry["digests"]), json.dumps(entry["facts"])))


def _plain(text: str) -> str:
    """Nothing that a spreadsheet would run as a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text


def _own(entry: Mapping[str, Any], wanted: Wanted) -> bool:
    """What is about no job: done by the operator or owner, or about the dataset."""
    if entry["facts"].get("job") is not None or wanted.column is not None:
        return False
    acted = [f"{role}:{name}" for role, name in (("operator", wanted.operator), ("owner", wanted.owner)) if name]
    about = wanted.dataset is None or entry["facts"].get("dataset") == wanted.dataset
    return about and (not acted or entry["actor"] in acted)


def _jobs(client: Client, wanted: Wanted) -> frozenset[str]:
    """The jobs that fit, as the hub shows their plans."""
    owner_of = {}
    if wanted.owner:
        for dataset in client.datasets():
            for item in client.dataset(dataset["name"])["records"]:
                record = DatasetRecord.open(Envelope.from_json(item))
                owner_of[record.node] = record.owner
    return frozenset(line.id for line in client.jobs() if _fits(client, line.id, wanted, owner_of))


def _fits(client: Client, job: str, wanted: Wanted, owner_of: Mapping[str, str]) -> bool:
    shown = client.job(job).raw
    kind = kind_of(str(shown["kind"]))
    touched = kind.touched(kind.read(shown["plan"]))
    dataset, _, column = (wanted.column or "").partition(".")
    return (
        wanted.operator in (None, shown["operator"])
        and (wanted.owner is None or wanted.owner in {owner_of.get(node) for node in shown["participants"]})
        and (wanted.dataset is None or wanted.dataset in touched)
        and (wanted.column is None or column in touched.get(dataset, ()))
    )
