"""Brings a node's database to the current shape when it starts; alembic keeps the history in ``migrations``."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine


def migrate(engine: Engine) -> None:
    """Run what is missing, each step one transaction; a database newer than this code is refused (``CommandError``)."""
    with engine.connect() as connection:
        config = Config()
        config.set_main_option("script_location", "sandbox.store:migrations")
        config.set_main_option("version_locations", "sandbox.node:migrations")
        config.set_main_option("path_separator", "newline")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
