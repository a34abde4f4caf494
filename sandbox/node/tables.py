"""The node's own database: what it may do, what it did, and what left it. One SQLite file in the owner's domain.

``record``, ``audit``, ``revoked`` and ``exclusions`` are append-only by triggers (see ``migrations``): the database
itself refuses to forget.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)

metadata: Final = MetaData()

settings = Table("settings", metadata, Column("name", String, primary_key=True), Column("value", LargeBinary))

rosters = Table("rosters", metadata, Column("version", Integer, primary_key=True), Column("envelope", LargeBinary))

datasets = Table(
    "datasets",
    metadata,
    Column("version", String, primary_key=True),  # the salted commitment
    Column("name", String, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("document", LargeBinary, nullable=False),  # canonical JSON of jobs.schema.Dataset
    Column("source", LargeBinary, nullable=False),  # canonical JSON of the adapter's source description
    Column("manifest", LargeBinary, nullable=False),
    Column("salt", LargeBinary, nullable=False),
    Column("record", LargeBinary, nullable=False),  # the owner's DatasetRecord envelope
    Column("rows_at_most", Integer, nullable=False),
    Column("budgets", LargeBinary, nullable=False),  # canonical JSON: metered unit -> amount
    Column("active", Boolean, nullable=False),
    Column("snapshot", LargeBinary),  # JSON: folder, digest of its index, rows, sealed
    Column("excluded", Integer, nullable=False),  # entries of the unit domain in exclusions when it was written
    Column("changed_rows", Integer),  # of an exclusion: rows that it took out
    UniqueConstraint("name", "sequence"),
)

exclusions = Table(
    "exclusions",
    metadata,
    Column("unit_domain", String, primary_key=True),
    Column("unit_hash", LargeBinary, primary_key=True),  # under the domain's key: no unit is told by it
    Column("at", String, nullable=False),
)

jobs = Table(
    "jobs",
    metadata,
    Column("permit", String, primary_key=True),  # digest
    Column("nonce", String, nullable=False, unique=True),
    Column("job", String, nullable=False),
    Column("state", String, nullable=False),  # open, finished, failed
    Column("order", LargeBinary, nullable=False),  # JSON of everything that came with the permit
    Column("deadline", String, nullable=False),
    Column("now_used", String, nullable=False),
    Column("code", String),
    Column("checkpoint", LargeBinary),  # encrypted; gone when the job ends
    Column("seen", Integer, nullable=False),  # the inbox item that the checkpoint has taken last
)

ledger = Table(
    "ledger",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("permit", String, ForeignKey("jobs.permit"), nullable=False),
    Column("account", String, nullable=False),  # "grant G", "<unit> grant G", "<unit> <lineage>", "rho <unit domain>"
    Column("amount", Integer, nullable=False),
    Column("state", String, nullable=False),  # reserved, committed, refunded
    Column("at", String, nullable=False),
    UniqueConstraint("permit", "account"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("permit", String, nullable=False),
    Column("round", String, nullable=False),  # of the kind; or sent, stop, destroyed, vouch
    Column("sequence", Integer, nullable=False),
    Column("receiver", String, nullable=False),
    Column("envelope", LargeBinary, nullable=False),
    Column("body", LargeBinary),  # masked or sealed, as it travels; gone when the hub has it
    Column("digest", String, nullable=False),  # over the DSSE payload
    Column("size", Integer, nullable=False),
    Column("at", String, nullable=False),
    Column("reveals", Boolean, nullable=False),  # says something about the data: no charge is given back after it
    Column("binding", Boolean, nullable=False),  # the point of no return
    Column("posted", Boolean, nullable=False),
    Column("refused", String),  # the hub's code, if it did not take the message
    Column("proven", Boolean, nullable=False),  # its inclusion in the hub's log was verified
    UniqueConstraint("permit", "round", "sequence", "receiver"),
    sqlite_autoincrement=True,
)

alarms = Table(  # what an owner must look at before the next job
    "alarms",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", String, nullable=False),
    Column("job", String, nullable=False),
    Column("permit", String, nullable=False),
    Column("code", String, nullable=False),
    Column("text", String, nullable=False),
    Column("acknowledged", String),
    UniqueConstraint("permit", "code"),
)

record = Table(
    "record",
    metadata,
    Column("sequence", Integer, primary_key=True),
    Column("box", LargeBinary, nullable=False),
    Column("chain", LargeBinary, nullable=False),
)

audit = Table(  # what all answers together tell about units (see sandbox.node.gate.pieces)
    "audit",
    metadata,
    Column("sequence", Integer, primary_key=True),
    Column("unit_domain", String, nullable=False),
    Column("kind", String, nullable=False),  # rows, vetoes, events
    Column("box", LargeBinary, nullable=False),
    Column("digest", LargeBinary, nullable=False),  # of the box, so that the chain is checked without reading boxes
    Column("chain", LargeBinary, nullable=False),
)

revoked = Table("revoked", metadata, Column("grant", String, primary_key=True), Column("envelope", LargeBinary))
