"""100 operators at once, submitting and reading, for a bounded time: throughput, p95, errors, lost and doubled jobs.

Run: ``python -m benchmarks.statistics.load [--operators 100] [--seconds 40] [--database postgresql [--workers 2]]``,
the latter on a server of its own. Every operator is a thread with its own
token and key. Each round it submits a statistic that the owners have not granted, repeats the call with the same
Idempotency-Key (as after a lost answer), and reads its jobs. Ten of them hold grants and run real joint jobs over the
three nodes as well. Afterwards the hub's list must hold exactly the jobs that were submitted, each once.
"""

from __future__ import annotations

import argparse
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from benchmarks import report
from benchmarks.statistics._flights import small
from benchmarks.statistics._stage import Stage, federation, granted
from benchmarks.statistics._trial import JOB, load_note, peak_mib
from jobs.documents import Envelope
from sandbox.client import Client, HubRefused
from sandbox.local.postgres import server

RUNNING = 10
"""Operators that hold grants; the others only ask."""


@dataclass
class Seen:
    """What one operator experienced."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    errors: Counter[str] = field(default_factory=Counter)
    jobs: list[str] = field(default_factory=list)
    doubled: int = 0
    ends: Counter[str] = field(default_factory=Counter)

    def call(self, name: str, work: Callable[[], Any]) -> Any:
        """The answer, or None for an error, which is counted by its code."""
        start = time.perf_counter()
        try:
            return work()
        except HubRefused as refused:
            self.errors[f"{name}: {refused.code}"] += 1
        except Exception as error:
            self.errors[f"{name}: {type(error).__name__}"] += 1
        finally:
            self.seconds.setdefault(name, []).append(time.perf_counter() - start)
        return None


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--operators", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--workers", type=int, default=1, help="Hub processes; more than one needs PostgreSQL.")
    options = parser.parse_args(arguments)
    names = [f"operator-{number:03}" for number in range(options.operators)]
    with (
        store(options.database, options.workers) as hub_options,
        federation(small(), 200_000, names, hub_options=hub_options) as stage,
    ):
        signed = prepared(stage, names)
        start = time.perf_counter()
        seen = hammered(stage, names, signed, options.seconds)
        lasted = time.perf_counter() - start
        lost, extra = reconciled(stage, names, seen)
        memory = peak_mib(stage.processes.pid("hub"))
    name = "statistics_load" if options.database == "sqlite" else f"statistics_load_postgresql_{options.workers}"
    report.write(name, rows(seen, lasted, lost, extra, memory), [load_note(), *NOTES])


@contextmanager
def store(database: str, workers: int) -> Iterator[dict[str, Any]]:
    """What the hub's configuration says about its store."""
    if database == "sqlite":
        yield {"workers": workers}
        return
    with server() as running:
        yield {"database": running.create("hub"), "workers": workers}


def prepared(stage: Stage, names: Sequence[str]) -> dict[str, Envelope]:
    """Every operator's commitment; the first ``RUNNING`` get grants and run once."""
    signed = {}
    for number, name in enumerate(names):
        if number < RUNNING:
            first = granted(stage, JOB, {"least": list(range(1000))}, name)
            signed[name] = stage.federation.commitments[-1]
            with stage.operator(name) as client:
                client.wait(first, 120)
        else:
            signed[name] = stage.federation.commitment(JOB, name)
    return signed


def hammered(stage: Stage, names: Sequence[str], signed: dict[str, Envelope], seconds: float) -> dict[str, Seen]:
    seen = {name: Seen() for name in names}
    end = time.monotonic() + seconds
    threads = [
        threading.Thread(target=operate, args=(stage.operator(name), signed[name], seen[name], end, number < RUNNING))
        for number, name in enumerate(names)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return seen


def operate(client: Client, commitment: Envelope, seen: Seen, end: float, runs: bool) -> None:
    """One operator's rounds until the time is over."""
    least = 0
    with client:
        while time.monotonic() < end:
            least += 1
            key = f"{threading.get_ident()}-{least}"

            def submit(least: int = least, key: str = key) -> Any:
                return client.submit(JOB["sql"], {"least": least}, commitment=commitment, idempotency_key=key)

            first, again = seen.call("submit", submit), seen.call("submit again", submit)
            found = {job.id for job in (first, again) if job is not None}
            seen.jobs += sorted(found)
            seen.doubled += len(found) > 1
            for job in found:
                seen.call("read a job", partial(client.job, job))
                if runs:
                    done = seen.call("submit to end", partial(client.wait, job, 120))
                    seen.ends[done.job.state if done else "not seen"] += 1
            seen.call("list jobs", lambda: list(client.jobs()))


def reconciled(stage: Stage, names: Sequence[str], seen: dict[str, Seen]) -> tuple[int, int]:
    """Jobs that an operator was told of and the hub does not hold; jobs that the hub holds and nobody was told of."""
    lost = extra = 0
    for number, name in enumerate(names):
        with stage.operator(name) as client:
            held = {job.id for job in client.jobs()}
        told = set(seen[name].jobs)
        lost += len(told - held)
        extra += len(held - told) - (number < RUNNING)  # its first job came before
    return lost, extra


def rows(seen: dict[str, Seen], lasted: float, lost: int, extra: int, memory: float) -> list[dict[str, Any]]:
    times: dict[str, list[float]] = {}
    for one in seen.values():
        for name, values in one.seconds.items():
            times.setdefault(name, []).extend(values)
    errors = sum((one.errors for one in seen.values()), Counter[str]())
    ends = sum((one.ends for one in seen.values()), Counter[str]())
    jobs = sum(len(one.jobs) for one in seen.values())
    calls = sum(len(values) for name, values in times.items() if name != "submit to end")
    work = f"{len(seen)} operators at once, {lasted:.0f} s"
    found = [
        report.row(f"{work}: calls answered", calls / lasted, "calls/s"),
        report.row(f"{work}: jobs stored", jobs / lasted, "jobs/s"),
    ]
    for name, values in sorted(times.items()):
        values.sort()
        found.append(report.row(f"{name}: median", statistics.median(values), "s"))
        found.append(report.row(f"{name}: p95", values[int(0.95 * (len(values) - 1))], "s"))
    found += [report.row(f"joint jobs that ended {state}", number, "jobs") for state, number in sorted(ends.items())]
    found += [report.row(f"error {name}", number, "calls") for name, number in sorted(errors.items())]
    doubled = sum(one.doubled for one in seen.values())
    for name, number in (("lost", lost), ("doubled by a repeated call", doubled), ("nobody was told of", extra)):
        found.append(report.row(f"jobs {name}, of {jobs}", number, "jobs", at_most=0))
    found.append(report.row("calls that ended in an error", sum(errors.values()), "calls", at_most=0))
    found.append(report.row("peak memory of the hub", memory, "MiB"))
    return found


NOTES = (
    "The operators' threads run on the same cores as hub, nodes and workers; every submission is compiled, decided and",
    "committed with its log entries before it is answered. Job lists grow during the run.",
)


if __name__ == "__main__":
    main()
