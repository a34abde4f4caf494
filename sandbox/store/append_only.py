"""Triggers that let no one alter or remove what is append-only, not even this program."""

from __future__ import annotations

from collections.abc import Iterator

_SQLITE = (
    "CREATE TRIGGER {table}_no_{verb} BEFORE {verb} ON {table} BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
)
_POSTGRESQL_FUNCTION = (
    "CREATE OR REPLACE FUNCTION unseen_append_only() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$"
)
_POSTGRESQL = (
    "CREATE TRIGGER {table}_no_{verb} BEFORE {verb} ON {table} FOR EACH STATEMENT EXECUTE FUNCTION unseen_append_only()"
)


def append_only_ddl(dialect: str, *tables: str) -> Iterator[str]:
    """The statements for these tables; raises ``ValueError`` for a database whose triggers we do not know."""
    if dialect not in ("sqlite", "postgresql"):
        raise ValueError(f"no append-only triggers are written for {dialect}: use SQLite or PostgreSQL")
    if dialect == "postgresql":
        yield _POSTGRESQL_FUNCTION
    template = _SQLITE if dialect == "sqlite" else _POSTGRESQL
    for table in tables:
        for verb in ("UPDATE", "DELETE"):
            yield template.format(table=table, verb=verb)
