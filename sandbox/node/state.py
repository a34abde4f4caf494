"""Everything durable about a node, behind short transactions: roster, datasets, jobs, outbox, the log as seen."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from adapters.snapshot.ref import SnapshotRef
from adapters.source import Manifest, SourceSpec
from jobs.documents import (
    DatasetRecord,
    Envelope,
    PublicKey,
    Roster,
    StatusList,
    TrustedRoster,
    Verified,
    VerifiedOnce,
    canonical,
    check_numbers,
    digest,
    parse_json,
)
from jobs.schema import Dataset, Digest
from sandbox.audit import SeenLog
from sandbox.keys import Trust
from sandbox.keys.chain import current_roster
from sandbox.node.kinship import ROOTS, Versions, content_digest, files_of, lineages_of, linked, roots
from sandbox.node.migrate import migrate
from sandbox.node.tables import datasets, jobs, outbox, revoked, rosters, settings
from sandbox.store.engine import open_engine, reading, sqlite_url, writing

LOG_FAILURE = "log_failure"
"""Setting that holds the first evidence against the hub's log; while it is there nothing new leaves the node."""
STATUS = "status"
"""Setting that holds the newest status list that this node has taken."""
OPEN = "open"


@dataclass(frozen=True)
class Held:
    """One registered dataset version of this node."""

    dataset: Dataset
    source: SourceSpec
    manifest: Manifest
    version: str
    sequence: int
    record: Envelope
    rows_at_most: int
    budgets: Mapping[str, int]
    """Metered unit -> how much may ever be charged for this version, over all grants and exclusions."""
    snapshot: SnapshotRef | None = None
    excluded: int = 0
    """How many individuals of the unit domain were left out when this version was written: all that were then."""
    changed_rows: int | None = None
    """Of an exclusion: how many rows it took out of the version before. Stays at the node; the record says a class."""
    kin: tuple[str, ...] = field(default=(), compare=False)
    """Further lineages of the same files at this node, under whatever name: their charges count against this budget."""
    roots: tuple[str, ...] = field(default=(), compare=False)
    """The names under which its secret columns are audited; see ``sandbox.node.kinship``."""

    @property
    def unit_domain(self) -> str:
        return str(self.dataset.column(self.dataset.unit).unit_domain)

    @cached_property
    def lineage(self) -> str:
        """What budgets are charged to: leaving individuals out gives none back."""
        return DatasetRecord.open(self.record).lineage

    @cached_property
    def content(self) -> Digest:
        """Of the files' bytes alone, not salted: stays at the node."""
        return content_digest(self.manifest)


@dataclass(frozen=True)
class _Later:
    write: Callable[[Connection], object]
    done: Callable[[], object]


class NodeState:
    """One SQLite file. ``write`` is the only way to change it; it holds the write lock from its first moment.

    Every transaction is a wait for the disk. What a crash may lose, because it is then only done again, is left to the
    next transaction (``later``).
    """

    def __init__(self, folder: Path, trust: Trust) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.folder = folder
        self._engine = open_engine(sqlite_url(folder / "node.sqlite"))
        migrate(self._engine)
        self._trust = trust
        self._trusted = TrustedRoster(trust.root)
        self._kept_roster = b""
        """The bytes of the last roster that was verified and stored."""
        self.once = VerifiedOnce()
        self._versions = Versions()
        self._due: list[_Later] = []
        self._lock = threading.Lock()
        with self.read() as connection:
            for row in connection.execute(select(rosters).order_by(rosters.c.version)):
                self._kept_roster = self._trusted.update(row.envelope).envelope.encode()

    @contextmanager
    def write(self) -> Iterator[Connection]:
        with self._lock:
            due, self._due = self._due, []
        try:
            with writing(self._engine) as connection:
                for item in due:
                    item.write(connection)
                yield connection
        except BaseException:
            with self._lock:
                self._due = [*due, *self._due]
            raise
        for item in due:
            item.done()

    def later(self, write: Callable[[Connection], object], done: Callable[[], object]) -> None:
        """Let ``write`` be part of the next transaction, before all else in it; ``done`` follows its commit.

        For what is only repeated if a crash comes first: the hub takes the same message twice, and an inbox item that
        is read again is answered by what is stored.
        """
        with self._lock:
            self._due.append(_Later(write, done))

    @property
    def behind(self) -> bool:
        """Whether something waits for a transaction."""
        return bool(self._due)

    def catch_up(self) -> None:
        """Write now what waits for the next transaction."""
        if self.behind:
            with self.write():
                pass

    @contextmanager
    def read(self) -> Iterator[Connection]:
        with reading(self._engine) as connection:
            yield connection

    def close(self) -> None:
        self.catch_up()
        self._engine.dispose()

    # roster -----------------------------------------------------------------------------------------------------

    def trust_roster(self, data: bytes | Envelope) -> Verified[Roster]:
        """Accept a newer roster (or the same again) and keep it; raises a ``JobError`` and changes nothing."""
        envelope = data if isinstance(data, Envelope) else Envelope.parse(data)
        encoded = envelope.encode()
        if encoded == self._kept_roster and encoded == self._trusted.last.envelope.encode():  # every order brings it
            return self._trusted.last
        verified = self._trusted.update(envelope)
        row = {"version": verified.document.version, "envelope": encoded}
        with self.write() as connection:
            known = select(rosters.c.version).where(rosters.c.version == verified.document.version)
            if connection.execute(known).first() is None:
                connection.execute(insert(rosters).values(row))
        self._kept_roster = encoded
        return verified

    def take_status(self, data: Envelope, now: datetime) -> Verified[StatusList]:
        """Accept the authority's status list if it is fresh, about the trusted roster, and no step back; keep it.

        Raises ``Expired`` or ``RosterRollback`` (a lower number, another list of the same, a roster that is not the
        latest), or what a bad list is refused for; then nothing changed.
        """
        verified = self.once.status(data, self.roster(now), now)
        encoded = data.encode()
        with self.read() as connection:
            if self.setting(connection, STATUS) == encoded:  # the list that is kept: nothing to compare or store
                return verified
        with self.write() as connection:
            seen = self.setting(connection, STATUS)
            if seen is not None:
                last = Envelope.parse(seen)
                check_numbers(verified, StatusList.open(last).number, last.digest)
            self.set_setting(connection, STATUS, encoded)
        return verified

    @property
    def trusted(self) -> TrustedRoster:
        return self._trusted

    def roster(self, now: datetime) -> Verified[Roster]:
        """The roster that orders are checked against; raises a ``JobError`` if expired or below the pinned version."""
        return current_roster(self._trusted, now, self._trust.oldest_roster)

    @property
    def origin(self) -> str:
        return self._trust.origin

    def hub_key(self) -> PublicKey:
        return self._trusted.last.document.hub_key()

    # datasets ---------------------------------------------------------------------------------------------------

    def held(self, connection: Connection) -> dict[str, Held]:
        """The active version of every dataset, by name."""
        rows = connection.execute(select(datasets).where(datasets.c.active)).all()
        key, known = self.setting(connection, "snapshot_key"), roots(connection)
        versions = self._versions.all(connection)
        found = {}
        for row in rows:
            held, own = _held(row, key), versions[row.version]
            _, *kin = lineages_of(versions.values(), own.files, own.lineage)
            found[row.name] = replace(held, kin=tuple(kin), roots=known.get(row.name, (row.name,)))
        return found

    def add_dataset(self, connection: Connection, held: Held, salt: bytes) -> None:
        """Make this the active version; earlier ones stay, inactive, so that no version label is used twice.

        Files that another dataset of this node ever had go on with its budget and with what was asked about them.
        """
        versions = self._versions.all(connection).values()
        table = linked(connection, versions, held.dataset.name, files_of(held.manifest))
        self.set_setting(connection, ROOTS, table)
        connection.execute(update(datasets).where(datasets.c.name == held.dataset.name).values(active=False))
        row = {
            "version": held.version,
            "name": held.dataset.name,
            "sequence": held.sequence,
            "document": canonical(held.dataset.model_dump(mode="json")),
            "source": canonical(held.source.model_dump(mode="json")),
            "manifest": held.manifest.model_dump_json().encode(),
            "salt": salt,
            "record": held.record.encode(),
            "rows_at_most": held.rows_at_most,
            "budgets": canonical(dict(held.budgets)),
            "active": True,
            "snapshot": _snapshot_row(held.snapshot),
            "excluded": held.excluded,
            "changed_rows": held.changed_rows,
        }
        connection.execute(insert(datasets).values(row))

    def snapshot(self, connection: Connection, version: str) -> SnapshotRef | None:
        """A version's snapshot as it was last written."""
        row = connection.execute(select(datasets.c.snapshot).where(datasets.c.version == version)).one()
        return _snapshot(row.snapshot, self.setting(connection, "snapshot_key"))

    def set_snapshot(self, connection: Connection, version: str, snapshot: SnapshotRef) -> None:
        """The same version's snapshot, written anew."""
        values = {"snapshot": _snapshot_row(snapshot)}
        connection.execute(update(datasets).where(datasets.c.version == version).values(values))

    # outbox -----------------------------------------------------------------------------------------------------

    def queue(
        self,
        connection: Connection,
        *,
        permit: str,
        round: str,
        sequence: int,
        receiver: str,
        envelope: Envelope,
        body: bytes | None,
        at: str,
        reveals: bool,
        binding: bool,
    ) -> None:
        """Store outgoing bytes before they are sent. A second message for a place violates the table's key."""
        row = {
            "permit": permit,
            "round": round,
            "sequence": sequence,
            "receiver": receiver,
            "envelope": envelope.encode(),
            "body": body,
            "digest": digest(envelope.payload),
            "size": len(envelope.payload) if body is None else len(body),
            "at": at,
            "reveals": reveals,
            "binding": binding,
            "posted": False,
            "refused": None,
            "proven": False,
        }
        connection.execute(insert(outbox).values(row))

    def sent_rows(self, connection: Connection, permit: str) -> list[Row[Any]]:
        """Everything that was queued for a job, in order."""
        return list(connection.execute(select(outbox).where(outbox.c.permit == permit).order_by(outbox.c.number)))

    def sent(
        self, connection: Connection, permit: str, round: str, sequence: int, receiver: str | None = None
    ) -> Row[Any] | None:
        """One message of a round, to one receiver if there are several."""
        where = (outbox.c.permit == permit) & (outbox.c.round == round) & (outbox.c.sequence == sequence)
        if receiver is not None:
            where &= outbox.c.receiver == receiver
        return connection.execute(select(outbox).where(where)).first()

    # jobs -------------------------------------------------------------------------------------------------------

    def job(self, connection: Connection, permit: str) -> Row[Any] | None:
        return connection.execute(select(jobs).where(jobs.c.permit == permit)).first()

    def close_job(self, connection: Connection, permit: str, state: str, code: str | None) -> None:
        """The final state; what was needed to go on is destroyed."""
        values = {"state": state, "code": code, "checkpoint": None}
        connection.execute(update(jobs).where(jobs.c.permit == permit).values(values))

    def keep(self, connection: Connection, permit: str, box: bytes | None) -> None:
        """Store what a party needs to go on after a crash, as the vault encrypted it; ``None``: it writes none."""
        connection.execute(update(jobs).where(jobs.c.permit == permit).values(checkpoint=box))

    def set_seen(self, connection: Connection, permit: str, seen: int) -> None:
        connection.execute(update(jobs).where(jobs.c.permit == permit).values(seen=seen))

    def open_jobs(self, connection: Connection) -> list[Row[Any]]:
        return list(connection.execute(select(jobs).where(jobs.c.state == OPEN)))

    def is_revoked(self, connection: Connection, grant: str) -> bool:
        return connection.execute(select(revoked.c.grant).where(revoked.c.grant == grant)).first() is not None

    # what was seen ----------------------------------------------------------------------------------------------

    def setting(self, connection: Connection, name: str) -> bytes | None:
        row = connection.execute(select(settings.c.value).where(settings.c.name == name)).first()
        return None if row is None else bytes(row.value)

    def set_setting(self, connection: Connection, name: str, value: bytes) -> None:
        changed = connection.execute(update(settings).where(settings.c.name == name).values(value=value))
        if not changed.rowcount:
            connection.execute(insert(settings).values(name=name, value=value))

    def seen_log(self, connection: Connection) -> SeenLog:
        """The largest checkpoint that this node cosigned."""
        stored = self.setting(connection, "seen_log")
        if stored is None:
            return SeenLog.nothing(self.origin)
        value = parse_json(stored)
        return SeenLog(value["origin"], value["size"], bytes.fromhex(value["root"]))

    def set_seen_log(self, connection: Connection, seen: SeenLog) -> None:
        value = {"origin": seen.origin, "size": seen.size, "root": seen.root.hex()}
        self.set_setting(connection, "seen_log", canonical(value))


def _snapshot_row(ref: SnapshotRef | None) -> bytes | None:
    if ref is None:
        return None
    return canonical({"folder": ref.folder, "digest": ref.digest, "rows": ref.rows, "sealed": ref.key is not None})


def _snapshot(stored: bytes | None, key: bytes | None) -> SnapshotRef | None:
    if stored is None:
        return None
    value = parse_json(stored)
    return SnapshotRef(value["folder"], value["digest"], value["rows"], key if value["sealed"] else None)


def _held(row: Row[Any], key: bytes | None) -> Held:
    return Held(
        Dataset.model_validate_json(row.document),
        SourceSpec.model_validate_json(row.source),
        Manifest.model_validate_json(row.manifest),
        row.version,
        row.sequence,
        Envelope.parse(row.record),
        row.rows_at_most,
        parse_json(bytes(row.budgets)),
        _snapshot(row.snapshot, key),
        row.excluded,
        row.changed_rows,
    )
