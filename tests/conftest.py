"""Hypothesis profiles and the PostgreSQL server that tests share.

Profiles: ``default`` for every run, the same examples each time, so that a change fails for what it changed; ``long`` for
``make fuzz``, which looks for new ones. No deadlines: machines are shared.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from sandbox.local.postgres import Server, server, why_not
from sandbox.store.engine import sqlite_url

settings.register_profile("default", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("long", deadline=None, max_examples=2000, suppress_health_check=list(HealthCheck))
settings.load_profile("default")


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """A server of this session's own; without one installed the test is skipped and says what to install."""
    if (reason := why_not()) is not None:
        pytest.skip(reason)
    with server(tcp=True) as started:
        yield started


@pytest.fixture
def postgresql_url(postgresql: Server) -> Iterator[str]:
    """A fresh, empty database for a hub's store."""
    name = "t" + secrets.token_hex(6)
    yield postgresql.create(name)
    postgresql.sql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The same test on every database that a hub may keep its state in."""
    if request.param == "sqlite":
        return sqlite_url(tmp_path / "hub.sqlite")
    return str(request.getfixturevalue("postgresql_url"))
