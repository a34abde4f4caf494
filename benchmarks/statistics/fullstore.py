"""What a full store costs: list, read and submit with 100,000 jobs and 1,000,000 log entries, against an empty one.

Run: ``python -m benchmarks.statistics.fullstore [--jobs N] [--entries N] [--database postgresql] [--rounds N]``.
Two hubs run side by side and get every call in turn, one over a store with a few jobs, the other over a filled one;
the ratio is the median over rounds. No node takes part: what is measured is the hub and its database.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final

import httpx

from benchmarks import report
from benchmarks.statistics._fill import fill
from benchmarks.statistics._flights import small
from benchmarks.statistics._stage import flights
from benchmarks.statistics._trial import JOB, load_note
from examples.prepare_flights import AIRPORTS
from jobs.documents import Envelope
from sandbox.keys import read_private
from sandbox.local.federation import Federation
from sandbox.local.layout import lay_out
from sandbox.local.postgres import server
from sandbox.local.processes import Processes
from sandbox.store.engine import sqlite_url

OFTEN: Final = tuple(f"often-{number:02}" for number in range(20))
RARE: Final = "rare"
"""An operator with a few jobs among many; the last owner takes part in one of a thousand."""
PAGE: Final = 10
AT_MOST: Final = 1.2


@dataclass
class Side:
    """One federation of which only the hub runs."""

    federation: Federation
    commitments: dict[str, Envelope]
    clients: dict[str, httpx.Client]
    jobs: dict[str, str]
    after: int = -1
    filled: float = 0.0
    """Seconds that the filling took."""

    def get(self, who: str, path: str) -> Any:
        answer = self.clients[who].get(f"/v1{path}")
        answer.raise_for_status()
        return answer.json()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    options = parser.parse_args(arguments)
    with ExitStack() as stack:
        empty, full = stack.enter_context(databases(options.database))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="unseen-bench-")))
        sides = [
            stack.enter_context(side(folder / "empty", empty, 0, 0)),
            stack.enter_context(side(folder / "full", full, options.jobs, options.entries)),
        ]
        before = load_note("before the calls")
        found = list(rows(sides, options.rounds, f"{options.jobs:,} jobs, {options.entries:,} entries"))
        after = load_note("after them")
    found.append(report.row("stage: filling the store, bulk inserts", sides[1].filled, "s"))
    report.write(f"statistics_fullstore_{options.database}", found, [before, after, *NOTES])


@contextmanager
def databases(kind: str) -> Iterator[tuple[str | None, str | None]]:
    """URLs for both stores, ``None`` for each hub's own file."""
    if kind == "sqlite":
        yield None, None
        return
    with server() as running:
        yield running.create("empty"), running.create("filled")


@contextmanager
def side(root: Path, database: str | None, jobs: int, entries: int) -> Iterator[Side]:
    """Lay out a federation, register the flights, submit a page of jobs for each operator, fill, start the hub."""
    door = {"people": {"per_second": 100_000, "burst": 100_000}}
    options = {"front_door": door} | ({"database": database} if database else {})
    places = lay_out(root, AIRPORTS, (*OFTEN, RARE), hub_options=options)
    processes, federation = Processes(places), Federation(places)
    try:
        processes.start_hub()
        for owner, source in small().items():
            federation.register(owner, flights(), source, rows_at_most=200_000)
        made = Side(federation, {}, {}, {})
        for name in (OFTEN[0], RARE):
            made.commitments[name] = federation.commitment(JOB, name)
            for least in range(PAGE):
                with federation.operator(name) as client:
                    job = client.submit(JOB["sql"], {"least": least}, commitment=made.commitments[name])
                made.jobs[name] = job.id
        federation.approve(AIRPORTS[0], made.jobs[RARE])  # one grant of three: it goes on waiting
        if jobs:
            processes.stop("hub")
            url = database or sqlite_url(places.hub / "state" / "hub.sqlite")
            start = time.perf_counter()
            fill(url, made.jobs[OFTEN[0]], OFTEN, AIRPORTS[-1], jobs, entries)
            made.filled = time.perf_counter() - start
            made.after = jobs * 9 // 10
            processes.start_hub()
        for name, folder in (
            (OFTEN[0], places.operator(OFTEN[0])),
            (RARE, places.operator(RARE)),
            ("owner", places.owner(AIRPORTS[0])),
            ("rare owner", places.owner(AIRPORTS[-1])),
            ("auditor", places.auditor),
        ):
            token = read_private(folder / "token").decode().strip()
            headers = {"Authorization": f"Bearer {token}"}
            made.clients[name] = httpx.Client(base_url=places.url, headers=headers, timeout=120)
        yield made
    finally:
        for client in made.clients.values():
            client.close()
        processes.stop_all()


def rows(sides: Sequence[Side], rounds: int, work: str) -> Iterator[dict[str, Any]]:
    """One row for each call: seconds with the full store, with the empty one, and their ratio."""
    numbers = count(10_000)
    for name, call in CALLS.items():
        times = report.alternate({str(index): _bound(call, one, numbers) for index, one in enumerate(sides)}, rounds)
        ratio = report.median_ratio(times["1"], times["0"])
        middle = [sorted(times[key])[rounds // 2] for key in ("1", "0")]
        yield report.row(f"{name}; {work}", middle[0], "s", "an empty store", middle[1], ratio, at_most=AT_MOST)


def _bound(call: Callable[[Side, int], object], one: Side, numbers: Iterator[int]) -> Callable[[], object]:
    return lambda: call(one, next(numbers))


def _submit(one: Side, name: str, number: int) -> None:
    body = {"request": _request(number), "commitment": one.commitments[name].to_json()}
    one.clients[name].post("/v1/jobs", json=body, headers={"Idempotency-Key": str(number)}).raise_for_status()


def _preview(one: Side, number: int) -> None:
    one.clients[RARE].post("/v1/plans", json={"request": _request(number)}).raise_for_status()


def _request(number: int) -> dict[str, Any]:
    return {"sql": JOB["sql"], "parameters": {"least": number}}


CALLS: Final[dict[str, Callable[[Side, int], object]]] = {
    "list the first jobs": lambda one, _: one.get(OFTEN[0], f"/jobs?limit={PAGE}"),
    "list jobs far behind": lambda one, _: one.get(OFTEN[0], f"/jobs?limit={PAGE}&after={one.after}"),
    "list a rare operator's jobs": lambda one, _: one.get(RARE, f"/jobs?limit={PAGE}"),
    "list behind a rare operator's jobs": lambda one, _: one.get(RARE, f"/jobs?limit={PAGE}&after={2 * PAGE}"),
    "list a rare operator's waiting jobs": lambda one, _: one.get(RARE, f"/jobs?limit={PAGE}&state=needs_approval"),
    "list an owner's jobs": lambda one, _: one.get("owner", f"/jobs?limit={PAGE}&after={one.after}"),
    "list a rare owner's jobs": lambda one, _: one.get("rare owner", f"/jobs?limit={PAGE}&after={one.after}"),
    "list failed jobs, of which there are none": lambda one, _: one.get("auditor", "/jobs?state=failed"),
    "read a job": lambda one, _: one.get(RARE, f"/jobs/{one.jobs[RARE]}"),
    "preview": _preview,
    "submit": lambda one, number: _submit(one, OFTEN[0], number),
    "submit, a rare operator": lambda one, number: _submit(one, RARE, number),
    "read a rare owner's next request": lambda one, _: one.get("rare owner", "/requests?limit=1"),
    "list grants far behind": lambda one, _: one.get("auditor", f"/grants?limit=1&after={max(0, one.after // 10)}"),
    "read log entries of a kind": lambda one, _: one.get("auditor", f"/log/entries?limit={PAGE}&kind=token.issued"),
    "read the checkpoint": lambda one, _: one.get("auditor", "/log/checkpoint"),
}

NOTES: Final = (
    "Both hubs and both databases run on the same cores. Pages hold ten rows at both. The filled jobs are clones of",
    "one that was submitted: 999 of 1,000 are over, one waits. Their messages and releases are found by key: left out.",
)


if __name__ == "__main__":
    main()
