"""A job whose permit is in every inbox, what its nodes would say, and how hub and log tell of it."""

from __future__ import annotations

from typing import Any

from tests.integration.participant import rows_of
from tests.support.signed import OWNERS
from tests.support.statistic import noise_of


def waiting_job(world: Any) -> str:
    world.register_all()
    job = str(world.submit()["id"])
    world.grant_all(job)
    return job


def drive_with_a_restart(world: Any, after: int) -> None:
    """Let all nodes answer until nobody has news. The hub is dropped without a goodbye after so many posts, and opened
    again from its files; the node that heard no answer sends the same bytes again."""
    pending = True
    while pending:
        pending = False
        for node in world.nodes.values():
            for item in node.inbox():
                pending = True
                for post in node.answer(item):
                    node.post(post)
                    if after == 0:
                        world.restart()
                        node.post(post)
                    after -= 1


def said(node: Any) -> Any:
    """What the node would post next; not posted."""
    (post,) = node.answer(node.inbox()[0])
    return post


def log_size(world: Any) -> int:
    return int(world.call("GET", "/health", None)["log_size"])


def entries(world: Any, job: str, kind: str) -> list[dict[str, Any]]:
    found = world.call("GET", f"/log/entries?job={job}&kind={kind}&limit=1000", "auditor")["items"]
    return [item["entry"] for item in found]


def failure(world: Any, job: str) -> tuple[str, list[str]]:
    found = world.call("GET", f"/jobs/{job}", "acme")["failure"]
    return found["code"], found["nodes"]


def to_flags(world: Any) -> Any:
    """All keys posted; the flags of one node are made but not posted."""
    for node in world.nodes.values():
        node.work()
    (flags,) = said(world.nodes["ewr"])
    return flags


def to_values(world: Any) -> dict[str, list[Any]]:
    """Run all nodes up to the values, which are made but not posted."""
    for _ in range(2):
        for node in world.nodes.values():
            node.work()
    return {owner: said(node) for owner, node in world.nodes.items()}


def noisy_totals(case: Any) -> list[list[int]]:
    """What is opened, per channel for AA, then DL (B6 fails): all rows of the three owners, and the noise of every part."""
    delays = {c: [row.delay for owner in OWNERS for row in rows_of(owner) if row.carrier == c] for c in ("AA", "DL")}
    return [
        [
            {"rows": len(delays[carrier]), "sum": sum(delays[carrier])}[channel.kind]
            + sum(noise_of(case, node, number, cell) for node in case.participants)
            for cell, carrier in enumerate(case.plan.dimensions[0].domain)
            if carrier in delays
        ]
        for number, channel in enumerate(case.plan.channels)
    ]
