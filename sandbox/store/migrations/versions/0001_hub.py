"""First shape of the hub's database"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from sandbox.store.append_only import append_only_ddl

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "checkpoints",
        sa.Column("size", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("at", sa.String(length=27), nullable=False),
        sa.PrimaryKeyConstraint("size", name="pk_checkpoints"),
    )
    op.create_table(
        "content_keys",
        sa.Column("scope", sa.String(length=160), nullable=False),
        sa.Column("key", sa.LargeBinary(length=32), nullable=True),
        sa.Column("destroyed", sa.String(length=27), nullable=True),
        sa.PrimaryKeyConstraint("scope", name="pk_content_keys"),
    )
    op.create_table(
        "datasets",
        sa.Column("name", sa.String(length=160), nullable=False),
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("at", sa.String(length=27), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_datasets"),
    )
    op.create_table(
        "grants",
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("id", sa.String(length=160), nullable=False),
        sa.Column("owner", sa.String(length=160), nullable=False),
        sa.Column("operator", sa.String(length=160), nullable=False),
        sa.Column("plan_digest", sa.String(length=71), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.Column("runs", sa.Integer(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.Column("revoked", sa.String(length=27), nullable=True),
        sa.Column("revocation", sa.LargeBinary(), nullable=True),
        sa.Column("at", sa.String(length=27), nullable=False),
        sa.Column("serial", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_grants"),
        sa.UniqueConstraint("serial", name="uq_grants_serial"),
    )
    op.create_index("ix_grants_operator_plan_digest", "grants", ["operator", "plan_digest"], unique=False)
    op.create_index("ix_grants_operator_serial", "grants", ["operator", "serial"], unique=False)
    op.create_index("ix_grants_owner_serial", "grants", ["owner", "serial"], unique=False)
    op.create_table(
        "inbox",
        sa.Column("node", sa.String(length=160), nullable=False),
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=160), nullable=False),
        sa.Column("job", sa.String(length=160), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("unread", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("node", "seq", name="pk_inbox"),
    )
    op.create_index("ix_inbox_node_unread", "inbox", ["node", "unread"], unique=False)
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(length=160), nullable=False),
        sa.Column("state", sa.String(length=160), nullable=False),
        sa.Column("progress", sa.String(length=160), nullable=False),
        sa.Column("operator", sa.String(length=160), nullable=False),
        sa.Column("kind", sa.String(length=160), nullable=False),
        sa.Column("spec", sa.String(length=71), nullable=False),
        sa.Column("plan_digest", sa.String(length=71), nullable=False),
        sa.Column("commitment", sa.String(length=71), nullable=False),
        sa.Column("roster", sa.String(length=71), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("commitment_envelope", sa.LargeBinary(), nullable=False),
        sa.Column("reasons", sa.Text(), nullable=False),
        sa.Column("transcript", sa.String(length=71), nullable=True),
        sa.Column("referee", sa.String(length=160), nullable=True),
        sa.Column("draft", sa.LargeBinary(), nullable=True),
        sa.Column("draft_digest", sa.String(length=71), nullable=True),
        sa.Column("permit", sa.String(length=71), nullable=True),
        sa.Column("permit_envelope", sa.LargeBinary(), nullable=True),
        sa.Column("replay_key", sa.String(length=71), nullable=False),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("release_of", sa.String(length=160), nullable=True),
        sa.Column("created", sa.String(length=27), nullable=False),
        sa.Column("changed", sa.String(length=27), nullable=False),
        sa.Column("deadline", sa.String(length=27), nullable=True),
        sa.Column("serial", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
        sa.UniqueConstraint("permit", name="uq_jobs_permit"),
        sa.UniqueConstraint("serial", name="uq_jobs_serial"),
    )
    op.create_index("ix_jobs_operator_plan_digest_serial", "jobs", ["operator", "plan_digest", "serial"], unique=False)
    op.create_index("ix_jobs_operator_serial", "jobs", ["operator", "serial"], unique=False)
    op.create_index("ix_jobs_operator_state_serial", "jobs", ["operator", "state", "serial"], unique=False)
    op.create_index("ix_jobs_state_serial", "jobs", ["state", "serial"], unique=False)
    op.create_table(
        "log_digests",
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("index", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("digest", "index", name="pk_log_digests"),
    )
    op.create_table(
        "log_entries",
        sa.Column("index", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("leaf", sa.LargeBinary(), nullable=False),
        sa.Column("origin", sa.LargeBinary(), nullable=True),
        sa.Column("at", sa.String(length=27), nullable=False),
        sa.Column("kind", sa.String(length=160), nullable=False),
        sa.Column("actor", sa.String(length=160), nullable=False),
        sa.Column("job", sa.String(length=160), nullable=True),
        sa.Column("subject", sa.String(length=160), nullable=True),
        sa.PrimaryKeyConstraint("index", name="pk_log_entries"),
    )
    op.create_index("ix_log_entries_actor_index", "log_entries", ["actor", "index"], unique=False)
    op.create_index("ix_log_entries_job_index", "log_entries", ["job", "index"], unique=False)
    op.create_index("ix_log_entries_kind_index", "log_entries", ["kind", "index"], unique=False)
    op.create_table(
        "log_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_log_head"),
    )
    op.create_table(
        "log_nodes",
        sa.Column("level", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("index", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("level", "index", name="pk_log_nodes"),
    )
    op.create_table(
        "rosters",
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("version", name="pk_rosters"),
    )
    op.create_table(
        "status_lists",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.String(length=27), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_status_lists"),
    )
    op.create_table(
        "tokens",
        sa.Column("hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("id", sa.String(length=160), nullable=False),
        sa.Column("role", sa.String(length=160), nullable=False),
        sa.Column("subject", sa.String(length=160), nullable=False),
        sa.Column("expires", sa.String(length=27), nullable=True),
        sa.Column("revoked", sa.String(length=27), nullable=True),
        sa.PrimaryKeyConstraint("hash", name="pk_tokens"),
        sa.UniqueConstraint("id", name="uq_tokens_id"),
    )
    op.create_table(
        "conflicts",
        sa.Column("job", sa.String(length=160), nullable=False),
        sa.Column("sender", sa.String(length=160), nullable=False),
        sa.Column("round", sa.String(length=160), nullable=False),
        sa.Column("sequence", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("receiver", sa.String(length=160), nullable=False),
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["job"], ["jobs.id"], name="fk_conflicts_job_jobs"),
        sa.PrimaryKeyConstraint("job", "sender", "round", "sequence", "receiver", "digest", name="pk_conflicts"),
    )
    op.create_table(
        "contents",
        sa.Column("scope", sa.String(length=160), nullable=False),
        sa.Column("name", sa.String(length=160), nullable=False),
        sa.Column("box", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["scope"], ["content_keys.scope"], name="fk_contents_scope_content_keys"),
        sa.PrimaryKeyConstraint("scope", "name", name="pk_contents"),
    )
    op.create_table(
        "cosignatures",
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=160), nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["size"], ["checkpoints.size"], name="fk_cosignatures_size_checkpoints"),
        sa.PrimaryKeyConstraint("size", "name", name="pk_cosignatures"),
    )
    op.create_index("ix_cosignatures_name_size", "cosignatures", ["name", "size"], unique=False)
    op.create_table(
        "deliveries",
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("job", sa.String(length=160), nullable=False),
        sa.Column("receiver", sa.String(length=160), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.Column("salt", sa.LargeBinary(length=32), nullable=False),
        sa.ForeignKeyConstraint(["job"], ["jobs.id"], name="fk_deliveries_job_jobs"),
        sa.PrimaryKeyConstraint("digest", name="pk_deliveries"),
    )
    op.create_index("ix_deliveries_job_receiver", "deliveries", ["job", "receiver"], unique=False)
    op.create_table(
        "job_grants",
        sa.Column("job", sa.String(length=160), nullable=False),
        sa.Column("grant", sa.String(length=71), nullable=False),
        sa.ForeignKeyConstraint(["grant"], ["grants.digest"], name="fk_job_grants_grant_grants"),
        sa.ForeignKeyConstraint(["job"], ["jobs.id"], name="fk_job_grants_job_jobs"),
        sa.PrimaryKeyConstraint("job", "grant", name="pk_job_grants"),
    )
    op.create_index("ix_job_grants_grant", "job_grants", ["grant"], unique=False)
    op.create_table(
        "job_nodes",
        sa.Column("job", sa.String(length=160), nullable=False),
        sa.Column("node", sa.String(length=160), nullable=False),
        sa.Column("owner", sa.String(length=160), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("serial", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["job"], ["jobs.id"], name="fk_job_nodes_job_jobs"),
        sa.PrimaryKeyConstraint("job", "node", name="pk_job_nodes"),
    )
    op.create_index("ix_job_nodes_owner_serial", "job_nodes", ["owner", "serial"], unique=False)
    op.create_table(
        "messages",
        sa.Column("job", sa.String(length=160), nullable=False),
        sa.Column("sender", sa.String(length=160), nullable=False),
        sa.Column("round", sa.String(length=160), nullable=False),
        sa.Column("sequence", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("receiver", sa.String(length=160), nullable=False),
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("entry", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.String(length=27), nullable=False),
        sa.ForeignKeyConstraint(["job"], ["jobs.id"], name="fk_messages_job_jobs"),
        sa.PrimaryKeyConstraint("job", "sender", "round", "sequence", "receiver", name="pk_messages"),
    )
    op.create_table(
        "receipts",
        sa.Column("job", sa.String(length=160), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["job"], ["jobs.id"], name="fk_receipts_job_jobs"),
        sa.PrimaryKeyConstraint("job", name="pk_receipts"),
    )
    op.create_table(
        "records",
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("dataset", sa.String(length=160), nullable=False),
        sa.Column("node", sa.String(length=160), nullable=False),
        sa.Column("owner", sa.String(length=160), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("version", sa.String(length=71), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["dataset"], ["datasets.name"], name="fk_records_dataset_datasets"),
        sa.PrimaryKeyConstraint("digest", name="pk_records"),
        sa.UniqueConstraint("dataset", "node", "sequence", name="uq_records_dataset_node_sequence"),
    )
    op.create_table(
        "releases",
        sa.Column("job", sa.String(length=160), nullable=False),
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("replay_key", sa.String(length=71), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.Column("salt", sa.LargeBinary(length=32), nullable=False),
        sa.Column("entry", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["job"], ["jobs.id"], name="fk_releases_job_jobs"),
        sa.PrimaryKeyConstraint("job", name="pk_releases"),
    )
    op.create_index("ix_releases_replay_key", "releases", ["replay_key"], unique=False)
    op.create_table(
        "scans",
        sa.Column("job", sa.String(length=160), nullable=False),
        sa.Column("node", sa.String(length=160), nullable=False),
        sa.Column("percent", sa.Integer(), nullable=False),
        sa.Column("seconds_left", sa.Integer(), nullable=False),
        sa.Column("at", sa.String(length=27), nullable=False),
        sa.ForeignKeyConstraint(["job"], ["jobs.id"], name="fk_scans_job_jobs"),
        sa.PrimaryKeyConstraint("job", "node", name="pk_scans"),
    )
    op.create_table(
        "submissions",
        sa.Column("operator", sa.String(length=160), nullable=False),
        sa.Column("key", sa.String(length=160), nullable=False),
        sa.Column("body", sa.String(length=71), nullable=False),
        sa.Column("job", sa.String(length=160), nullable=False),
        sa.ForeignKeyConstraint(["job"], ["jobs.id"], name="fk_submissions_job_jobs"),
        sa.PrimaryKeyConstraint("operator", "key", name="pk_submissions"),
    )
    op.create_table(
        "usage",
        sa.Column("job", sa.String(length=160), nullable=False),
        sa.Column("owner", sa.String(length=160), nullable=False),
        sa.Column("dataset", sa.String(length=160), nullable=False),
        sa.Column("operator", sa.String(length=160), nullable=False),
        sa.Column("unit", sa.String(length=160), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.String(length=27), nullable=False),
        sa.ForeignKeyConstraint(["job"], ["jobs.id"], name="fk_usage_job_jobs"),
        sa.PrimaryKeyConstraint("job", "owner", "dataset", "unit", name="pk_usage"),
    )
    op.create_index("ix_usage_operator", "usage", ["operator"], unique=False)
    op.execute("INSERT INTO log_head (id, size) VALUES (1, 0)")
    tables = (
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
    for statement in append_only_ddl(op.get_bind().dialect.name, *tables):
        op.execute(statement)
