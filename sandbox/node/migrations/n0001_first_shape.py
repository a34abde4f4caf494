"""First shape of a node's database."""

from __future__ import annotations

from itertools import product

import sqlalchemy as sa
from alembic import op

revision = "n0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table("settings", sa.Column("name", sa.String, primary_key=True), sa.Column("value", sa.LargeBinary))
    op.create_table(
        "rosters", sa.Column("version", sa.Integer, primary_key=True), sa.Column("envelope", sa.LargeBinary)
    )
    op.create_table(
        "datasets",
        sa.Column("version", sa.String, primary_key=True),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("document", sa.LargeBinary, nullable=False),
        sa.Column("source", sa.LargeBinary, nullable=False),
        sa.Column("manifest", sa.LargeBinary, nullable=False),
        sa.Column("salt", sa.LargeBinary, nullable=False),
        sa.Column("record", sa.LargeBinary, nullable=False),
        sa.Column("rows_at_most", sa.Integer, nullable=False),
        sa.Column("budgets", sa.LargeBinary, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("snapshot", sa.LargeBinary),
        sa.Column("excluded", sa.Integer, nullable=False),
        sa.Column("changed_rows", sa.Integer),
        sa.UniqueConstraint("name", "sequence"),
    )
    op.create_table(
        "exclusions",
        sa.Column("unit_domain", sa.String, primary_key=True),
        sa.Column("unit_hash", sa.LargeBinary, primary_key=True),
        sa.Column("at", sa.String, nullable=False),
    )
    op.create_table(
        "jobs",
        sa.Column("permit", sa.String, primary_key=True),
        sa.Column("nonce", sa.String, nullable=False, unique=True),
        sa.Column("job", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("order", sa.LargeBinary, nullable=False),
        sa.Column("deadline", sa.String, nullable=False),
        sa.Column("now_used", sa.String, nullable=False),
        sa.Column("code", sa.String),
        sa.Column("checkpoint", sa.LargeBinary),
        sa.Column("seen", sa.Integer, nullable=False),
    )
    op.create_table(
        "ledger",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("permit", sa.String, sa.ForeignKey("jobs.permit"), nullable=False),
        sa.Column("account", sa.String, nullable=False, index=True),
        sa.Column("amount", sa.Integer, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("at", sa.String, nullable=False),
        sa.UniqueConstraint("permit", "account"),
    )
    op.create_table(
        "outbox",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("permit", sa.String, nullable=False),
        sa.Column("round", sa.String, nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("receiver", sa.String, nullable=False),
        sa.Column("envelope", sa.LargeBinary, nullable=False),
        sa.Column("body", sa.LargeBinary),
        sa.Column("digest", sa.String, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("at", sa.String, nullable=False),
        sa.Column("reveals", sa.Boolean, nullable=False),
        sa.Column("binding", sa.Boolean, nullable=False),
        sa.Column("posted", sa.Boolean, nullable=False),
        sa.Column("refused", sa.String),
        sa.Column("proven", sa.Boolean, nullable=False),
        sa.UniqueConstraint("permit", "round", "sequence", "receiver"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "alarms",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("at", sa.String, nullable=False),
        sa.Column("job", sa.String, nullable=False),
        sa.Column("permit", sa.String, nullable=False),
        sa.Column("code", sa.String, nullable=False),
        sa.Column("text", sa.String, nullable=False),
        sa.Column("acknowledged", sa.String),
        sa.UniqueConstraint("permit", "code"),
    )
    op.create_index("outbox_waiting", "outbox", ["posted", "proven"])
    op.create_index("outbox_unproven", "outbox", ["proven"], sqlite_where=sa.text("NOT proven"))
    op.create_index("outbox_digest", "outbox", ["digest"])
    op.create_index("jobs_state", "jobs", ["state"])
    op.create_index("alarms_standing", "alarms", ["id"], sqlite_where=sa.text("acknowledged IS NULL"))
    op.create_table(
        "record",
        sa.Column("sequence", sa.Integer, primary_key=True),
        sa.Column("box", sa.LargeBinary, nullable=False),
        sa.Column("chain", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "audit",
        sa.Column("sequence", sa.Integer, primary_key=True),
        sa.Column("unit_domain", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("box", sa.LargeBinary, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("chain", sa.LargeBinary, nullable=False),
    )
    op.create_index("audit_of", "audit", ["unit_domain", "kind", "sequence"])
    op.create_table("revoked", sa.Column("grant", sa.String, primary_key=True), sa.Column("envelope", sa.LargeBinary))
    for table, verb in product(("record", "audit", "revoked", "exclusions"), ("UPDATE", "DELETE")):
        op.execute(
            f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
            "BEGIN SELECT RAISE(ABORT, 'append only'); END"
        )
