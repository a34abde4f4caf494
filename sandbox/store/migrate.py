"""Brings a database to the current shape when a hub starts. Alembic keeps the history under ``migrations/``."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine

from sandbox.store.engine import open_engine
from sandbox.store.postgresql import migrating
from sandbox.store.store import Clock, Store


def open_store(url: str, clock: Clock) -> Store:
    """Open the database, migrate it if it is older, refuse it (``CommandError``) if it is newer than this code."""
    engine = open_engine(url)
    migrate(engine)
    return Store(engine, clock)


def migrate(engine: Engine) -> None:
    """Run what is missing. Each step is one transaction; of several workers that start at once, one does it."""
    with engine.connect() as connection, migrating(connection):
        command.upgrade(alembic_config(connection), "head")


def alembic_config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", "sandbox.store:migrations")
    config.attributes["connection"] = connection
    return config
