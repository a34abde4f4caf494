"""The tables of a hub, dialect-neutral. Times are UTC text (RFC 3339), digests ``sha256:...``, JSON canonical text.

``migrations/`` brings a database to exactly this shape; a contract test compares the two.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _digest(name: str, **more: bool) -> Column[str]:
    return Column(name, String(71), nullable=more.get("nullable", False), primary_key=more.get("primary_key", False))


def _id(name: str, **more: bool) -> Column[str]:
    return Column(name, String(160), nullable=more.get("nullable", False), primary_key=more.get("primary_key", False))


def _at(name: str, nullable: bool = False) -> Column[str]:
    return Column(name, String(27), nullable=nullable)


def _key(name: str) -> Column[int]:
    return Column(name, BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False)


# --- the log: append only, triggers refuse UPDATE and DELETE -----------------------------------------------------

log_entries: Final = Table(
    "log_entries",
    metadata,
    _key("index"),
    Column("leaf", LargeBinary, nullable=False),  # the exact bytes that the tree hashes
    Column("origin", LargeBinary, nullable=True),  # the network address that the leaf commits to, encrypted
    _at("at"),
    _id("kind"),
    _id("actor"),
    _id("job", nullable=True),
    _id("subject", nullable=True),
    Index(None, "job", "index"),
    Index(None, "kind", "index"),
    Index(None, "actor", "index"),
)
log_digests: Final = Table(  # which entries name a document or message
    "log_digests",
    metadata,
    _digest("digest", primary_key=True),
    _key("index"),
)
log_nodes: Final = Table(  # roots of complete subtrees of 2^level leaves
    "log_nodes",
    metadata,
    Column("level", Integer, primary_key=True, autoincrement=False),
    _key("index"),
    Column("hash", LargeBinary(32), nullable=False),
)
log_head: Final = Table(  # one row; locking it serialises writers on databases that allow several
    "log_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("size", BigInteger, nullable=False),
)
checkpoints: Final = Table(
    "checkpoints",
    metadata,
    _key("size"),
    Column("note", Text, nullable=False),  # signed by the hub
    _at("at"),
)
cosignatures: Final = Table(
    "cosignatures",
    metadata,
    Column("size", BigInteger, ForeignKey("checkpoints.size"), primary_key=True),
    _id("name", primary_key=True),
    Column("line", Text, nullable=False),
    Index(None, "name", "size"),
)

# --- what can go while the evidence stays: ``sandbox.store.contents`` -----------------------------------------------

content_keys: Final = Table(  # one key for what may be destroyed together: a job, or a month of network addresses
    "content_keys",
    metadata,
    _id("scope", primary_key=True),
    Column("key", LargeBinary(32), nullable=True),  # gone once it was destroyed
    _at("destroyed", nullable=True),
)
contents: Final = Table(
    "contents",
    metadata,
    Column("scope", String(160), ForeignKey("content_keys.scope"), primary_key=True),
    _id("name", primary_key=True),
    Column("box", LargeBinary, nullable=False),  # nonce and ChaCha20-Poly1305 under the scope's key
)

# --- people and documents ----------------------------------------------------------------------------------------

tokens: Final = Table(
    "tokens",
    metadata,
    Column("hash", LargeBinary(32), primary_key=True),  # SHA-256 of the token
    _id("id"),
    _id("role"),
    _id("subject"),  # the operator, owner, node, ... that it stands for
    _at("expires", nullable=True),
    _at("revoked", nullable=True),
    UniqueConstraint("id"),
)
rosters: Final = Table(
    "rosters",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    _digest("digest"),
    Column("envelope", LargeBinary, nullable=False),
)
datasets: Final = Table(
    "datasets",
    metadata,
    _id("name", primary_key=True),
    _digest("digest"),
    Column("document", Text, nullable=False),
    _at("at"),
)
records: Final = Table(  # every data version ever announced, by the owner's signed record
    "records",
    metadata,
    _digest("digest", primary_key=True),
    Column("dataset", String(160), ForeignKey("datasets.name"), nullable=False),
    _id("node"),
    _id("owner"),
    Column("sequence", Integer, nullable=False),
    _digest("version"),
    Column("envelope", LargeBinary, nullable=False),
    UniqueConstraint("dataset", "node", "sequence"),  # the highest sequence is the current version
)
status_lists: Final = Table(
    "status_lists",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    _digest("digest"),
    Column("envelope", LargeBinary, nullable=False),
    _at("at"),
)

# --- jobs --------------------------------------------------------------------------------------------------------

jobs: Final = Table(
    "jobs",
    metadata,
    _id("id", primary_key=True),
    _id("state"),
    _id("progress"),
    _id("operator"),
    _id("kind"),
    _digest("spec"),
    _digest("plan_digest"),
    _digest("commitment"),
    _digest("roster"),
    Column("request", Text, nullable=False),  # sql, parameters, words: ``sandbox.hub.requests.request``
    Column("plan", Text, nullable=False),
    Column("commitment_envelope", LargeBinary, nullable=False),
    Column("reasons", Text, nullable=False),
    _digest("transcript", nullable=True),  # of all that was relayed to all participants, once there is a permit
    _id("referee", nullable=True),  # name of the content that holds the referee's state
    Column("draft", LargeBinary, nullable=True),  # a release that participants recompute before it is one
    _digest("draft_digest", nullable=True),
    _digest("permit", nullable=True),
    Column("permit_envelope", LargeBinary, nullable=True),
    _digest("replay_key"),
    Column("failure", Text, nullable=True),
    _id("release_of", nullable=True),  # the job whose release this one shows: itself, or the one replayed
    _at("created"),
    _at("changed"),
    _at("deadline", nullable=True),
    Column("serial", BigInteger, nullable=False),  # order of submission, for pages
    UniqueConstraint("serial"),
    UniqueConstraint("permit"),
    Index(None, "state", "serial"),
    Index(None, "operator", "serial"),
    Index(None, "operator", "state", "serial"),
    Index(None, "operator", "plan_digest", "serial"),
)
submissions: Final = Table(  # Idempotency-Key
    "submissions",
    metadata,
    _id("operator", primary_key=True),
    _id("key", primary_key=True),
    _digest("body"),
    Column("job", String(160), ForeignKey("jobs.id"), nullable=False),
)
job_nodes: Final = Table(  # who takes part, in order
    "job_nodes",
    metadata,
    Column("job", String(160), ForeignKey("jobs.id"), primary_key=True),
    _id("node", primary_key=True),
    _id("owner"),
    Column("place", Integer, nullable=False),
    Column("serial", BigInteger, nullable=False),  # the job's, so that an owner's pages are found by index
    Index(None, "owner", "serial"),
)
scans: Final = Table(  # how far a node says that it is: unsigned, decides nothing, gone when the job ends
    "scans",
    metadata,
    Column("job", String(160), ForeignKey("jobs.id"), primary_key=True),
    _id("node", primary_key=True),
    Column("percent", Integer, nullable=False),
    Column("seconds_left", Integer, nullable=False),
    _at("at"),
)
grants: Final = Table(
    "grants",
    metadata,
    _digest("digest", primary_key=True),
    _id("id"),
    _id("owner"),
    _id("operator"),
    _digest("plan_digest"),
    Column("envelope", LargeBinary, nullable=False),
    Column("runs", Integer, nullable=False),
    Column("used", Integer, nullable=False),
    _at("revoked", nullable=True),
    Column("revocation", LargeBinary, nullable=True),
    _at("at"),
    Column("serial", BigInteger, nullable=False),  # order of arrival, for pages
    UniqueConstraint("serial"),
    Index(None, "operator", "plan_digest"),
    Index(None, "operator", "serial"),
    Index(None, "owner", "serial"),
)
job_grants: Final = Table(
    "job_grants",
    metadata,
    Column("job", String(160), ForeignKey("jobs.id"), primary_key=True),
    Column("grant", String(71), ForeignKey("grants.digest"), primary_key=True),
    Index(None, "grant"),
)


def _place() -> list[Column[Any]]:
    """Where a message stands in the walk of its job."""
    return [
        Column("job", String(160), ForeignKey("jobs.id"), primary_key=True),
        _id("sender", primary_key=True),
        _id("round", primary_key=True),
        Column("sequence", Integer, primary_key=True, autoincrement=False),
        _id("receiver", primary_key=True),
    ]


messages: Final = Table(  # headers; bodies are contents
    "messages",
    metadata,
    *_place(),
    _digest("digest"),
    Column("envelope", LargeBinary, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("entry", BigInteger, nullable=False),  # index of the log leaf that names this message
    _at("at"),
)
conflicts: Final = Table(  # evidence: a second, different message for one place
    "conflicts",
    metadata,
    *_place(),
    _digest("digest", primary_key=True),
    Column("envelope", LargeBinary, nullable=False),
)
inbox: Final = Table(
    "inbox",
    metadata,
    _id("node", primary_key=True),
    _key("seq"),
    _id("kind"),
    _id("job", nullable=True),
    Column("body", Text, nullable=False),  # of messages: their places
    Column("unread", Integer, nullable=False, server_default="0"),  # bytes that count against the receiver
    Index(None, "node", "unread"),
)
releases: Final = Table(
    "releases",
    metadata,
    Column("job", String(160), ForeignKey("jobs.id"), primary_key=True),
    _digest("digest"),
    _digest("replay_key"),
    Column("envelope", LargeBinary, nullable=False),
    Column("salt", LargeBinary(32), nullable=False),
    Column("entry", BigInteger, nullable=False),  # index of the log leaf that names this release
    Index(None, "replay_key"),
)
deliveries: Final = Table(  # who was given a release, in which forms
    "deliveries",
    metadata,
    _digest("digest", primary_key=True),
    Column("job", String(160), ForeignKey("jobs.id"), nullable=False),
    _id("receiver"),
    Column("envelope", LargeBinary, nullable=False),
    Column("salt", LargeBinary(32), nullable=False),
    Index(None, "job", "receiver"),
)
receipts: Final = Table(
    "receipts",
    metadata,
    Column("job", String(160), ForeignKey("jobs.id"), primary_key=True),
    Column("body", LargeBinary, nullable=False),
)
usage: Final = Table(
    "usage",
    metadata,
    Column("job", String(160), ForeignKey("jobs.id"), primary_key=True),
    _id("owner", primary_key=True),
    _id("dataset", primary_key=True),
    _id("operator"),
    _id("unit", primary_key=True),  # runs, or one of the kind's metered units
    Column("amount", BigInteger, nullable=False),  # 0 for a replay
    _at("at"),
    Index(None, "operator"),
)

APPEND_ONLY: Final = (
    "log_entries",
    "log_digests",
    "log_nodes",
    "checkpoints",
    "cosignatures",
    "records",
    "messages",
    "releases",
    "deliveries",
    "usage",
)
