"""Fills a hub's database as years of work would: jobs cloned from one that was submitted, a log whose tree holds.

Rows are written past the store, so the hub must not run meanwhile; what it does afterwards is real.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Table, func, insert, select, text, update

from sandbox.audit.merkle import leaf_hash, node_hash
from sandbox.policy.states import State
from sandbox.store.engine import open_engine
from sandbox.store.tables import grants, job_nodes, jobs, log_digests, log_entries, log_head, log_nodes
from sandbox.store.tree import read_size

BATCH: Final = 20_000
RARE: Final = 1000
"""One job in so many is the rare owner's too, and waits for approval; all others are over."""


def fill(url: str, template: str, operators: Sequence[str], rare_owner: str, count: int, entries: int) -> None:
    """Add ``count`` jobs like ``template``, in turn of the ``operators``, and log entries up to ``entries`` in all."""
    engine = open_engine(url)
    with engine.begin() as connection:
        names = _add_jobs(connection, template, operators, rare_owner, count)
        _add_grants(connection, operators, count // 10)
        _add_entries(connection, template, names, entries)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))  # a server does so by itself, in time
    engine.dispose()


def _add_jobs(
    connection: Connection, template: str, operators: Sequence[str], rare_owner: str, count: int
) -> list[str]:
    row = connection.execute(select(jobs).where(jobs.c.id == template)).one()._asdict()
    nodes = [n._asdict() for n in connection.execute(select(job_nodes).where(job_nodes.c.job == template))]
    first = (connection.execute(select(func.max(jobs.c.serial))).scalar() or 0) + 1
    names = [f"job-{number:016x}" for number in range(count)]
    rare = [number % RARE == 0 for number in range(count)]
    cloned = (
        {
            **row,
            "id": name,
            "serial": first + number,
            "operator": operators[number % len(operators)],
            "plan_digest": _digest(f"plan/{number % 5000}"),
            "state": State.NEEDS_APPROVAL if rare[number] else State.RELEASED,
            "release_of": None if rare[number] else name,
        }
        for number, name in enumerate(names)
    )
    _insert(connection, jobs, cloned)
    taking_part = (
        {**node, "job": name, **({"serial": first + number} if "serial" in node else {})}
        for number, name in enumerate(names)
        for node in nodes
        if rare[number] or node["owner"] != rare_owner
    )
    _insert(connection, job_nodes, taking_part)
    return names


def _add_grants(connection: Connection, operators: Sequence[str], count: int) -> None:
    row = connection.execute(select(grants).limit(1)).one()._asdict()
    first = (connection.execute(select(func.max(grants.c.serial))).scalar() or 0) + 1
    cloned = (
        {
            **row,
            "digest": _digest(f"grant/{number}"),
            "id": f"grant-{number}",
            "serial": first + number,
            "operator": operators[number % len(operators)],
            "plan_digest": _digest(f"plan/{number % 5000}"),
        }
        for number in range(count)
    )
    _insert(connection, grants, cloned)


def _add_entries(connection: Connection, template: str, names: Sequence[str], entries: int) -> None:
    """Entries like those of the template's job; nodes of the tree level by level, then the head."""
    like = connection.execute(
        select(log_entries).where(log_entries.c.job == template).order_by(log_entries.c.index)
    ).all()
    size = read_size(connection)
    leaves = [(leaf_hash(bytes(item.leaf)), item._asdict()) for item in like]
    made = (
        {
            **leaves[i % len(leaves)][1],
            "index": i,
            "job": names[i % len(names)],
            "origin": None,
        }  # a box fits its own index
        for i in range(size, entries)
    )
    _insert(connection, log_entries, made)
    _insert(connection, log_digests, ({"digest": _digest(f"entry/{i}"), "index": i} for i in range(size, entries)))
    level = [bytes(h) for h in connection.execute(_hashes(0)).scalars()]
    level += [leaves[i % len(leaves)][0] for i in range(size, entries)]
    height, stored = 0, size
    while level:
        fresh = ({"level": height, "index": i, "hash": level[i]} for i in range(stored, len(level)))
        _insert(connection, log_nodes, fresh)
        level = [node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        height, stored = height + 1, stored // 2
    connection.execute(update(log_head).values(size=max(size, entries)))


def _hashes(level: int) -> Any:
    return select(log_nodes.c.hash).where(log_nodes.c.level == level).order_by(log_nodes.c.index)


def _insert(connection: Connection, table: Table, rows: Iterator[Mapping[str, Any]]) -> None:
    batch: list[Mapping[str, Any]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == BATCH:
            connection.execute(insert(table), batch)
            batch = []
    if batch:
        connection.execute(insert(table), batch)


def _digest(name: str) -> str:
    return "sha256:" + hashlib.sha256(name.encode()).hexdigest()
