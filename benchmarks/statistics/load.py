"""100 operators at once for a bounded time: calls a second, p95 by kind of call, errors, lost and doubled jobs.

Run: ``python -m benchmarks.statistics.load [--operators 100] [--seconds 40] [--database postgresql [--workers 2]]``,
the latter on a server of its own. Every operator is a thread with its own token and key. Of its calls 80% read (its
list, a job), 15% ask for a plan, 5% submit a statistic that the owners have not granted; every fourth submission is
repeated with the same Idempotency-Key, as after a lost answer. Ten of them hold grants and run real joint jobs over
the three nodes as well. Afterwards the hub's list must hold exactly the jobs that were submitted, each once.
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
from itertools import islice
from typing import Any, Final

from benchmarks import report
from benchmarks.statistics._flights import small
from benchmarks.statistics._stage import Stage, federation, granted
from benchmarks.statistics._trial import JOB, load_note, peak_mib, processes, processor_seconds
from jobs.documents import Envelope
from sandbox.client import Client, HubRefused
from sandbox.client.client import Finished
from sandbox.local.postgres import server

RUNNING: Final = 10
"""Operators that hold grants; the others only ask."""
CALLS_A_SECOND: Final = 400.0
SUBMIT_P95_S: Final = 0.5
PAGE: Final = 50
_READS: Final = ("list jobs", *("read a job",) * 4)
MIX: Final = ("submit", *_READS, "plan", *_READS, "plan", *_READS, "plan", "list jobs")
"""Twenty calls of one operator: one submission, three plans, sixteen reads."""


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
        kinds, before = processes(stage), load_note("before the calls")
        spent = {kind: processor_seconds(of) for kind, of in kinds.items()}
        start = time.perf_counter()
        seen = hammered(stage, names, signed, options.seconds)
        lasted = time.perf_counter() - start
        after, count = load_note("after them"), max(1, calls_of(seen))
        used = {kind: (processor_seconds(of) - spent[kind]) / count for kind, of in kinds.items()}
        lost, extra = reconciled(stage, names, seen)
        memory = peak_mib(stage.processes.pid("hub"))
    name = "statistics_load" if options.database == "sqlite" else f"statistics_load_postgresql_{options.workers}"
    found = rows(seen, lasted, lost, extra, memory)
    found += [report.row(f"processor time of a call: {name}", 1000 * value, "ms") for name, value in used.items()]
    report.write(name, found, [before, after, *NOTES])
    failed = sum(sum(one.errors.values()) for one in seen.values()) + lost + extra
    unfinished = sum(number for one in seen.values() for state, number in one.ends.items() if state != "released")
    if failed + unfinished:
        raise SystemExit(f"{failed} calls failed or jobs were lost, {unfinished} joint jobs did not end in a release")


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
        threading.Thread(target=operate, args=(stage.operator(name), signed[name], seen[name], end, number))
        for number, name in enumerate(names)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return seen


def operate(client: Client, commitment: Envelope, seen: Seen, end: float, number: int) -> None:
    """One operator's calls until the time is over, in rounds of ``MIX``, each from another place of it."""
    least, turn, runs = 0, number, number < RUNNING
    latest = ""
    with client:
        while time.monotonic() < end:
            call, turn = MIX[turn % len(MIX)], turn + 1
            if call == "plan":
                seen.call(call, partial(client.preview, JOB["sql"], {"least": least}))
            elif call == "read a job" and latest:
                seen.call(call, partial(client.job, latest))
            elif call == "submit":
                least += 1
                latest = submitted(client, commitment, seen, least) or latest
                if runs and latest:
                    done = seen.call("submit to end", partial(client.wait, latest, 120))
                    seen.ends[ending(done)] += 1
            else:
                seen.call("list jobs", lambda: list(islice(client.jobs(limit=PAGE), PAGE)))


def ending(done: Finished | None) -> str:
    """How a joint job ended, with the code of its failure."""
    if done is None:
        return "not seen"
    failure = done.job.failure
    return done.job.state if failure is None else f"{done.job.state}: {failure['code']}"


def submitted(client: Client, commitment: Envelope, seen: Seen, least: int) -> str:
    """One submission, and its repetition every fourth time; the job's id, or nothing after an error."""
    key = f"{threading.get_ident()}-{least}"

    def submit() -> Any:
        return client.submit(JOB["sql"], {"least": least}, commitment=commitment, idempotency_key=key)

    answers = [seen.call("submit", submit)]
    if least % 4 == 1:
        answers.append(seen.call("submit", submit))
    found = {job.id for job in answers if job is not None}
    seen.jobs += sorted(found)
    seen.doubled += len(found) > 1
    return max(found, default="")


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


def calls_of(seen: dict[str, Seen]) -> int:
    """Answered or refused, but for the waiting."""
    return sum(len(values) for one in seen.values() for name, values in one.seconds.items() if name != "submit to end")


def rows(seen: dict[str, Seen], lasted: float, lost: int, extra: int, memory: float) -> list[dict[str, Any]]:
    times: dict[str, list[float]] = {}
    for one in seen.values():
        for name, values in one.seconds.items():
            times.setdefault(name, []).extend(values)
    errors = sum((one.errors for one in seen.values()), Counter[str]())
    ends = sum((one.ends for one in seen.values()), Counter[str]())
    jobs = sum(len(one.jobs) for one in seen.values())
    calls = calls_of(seen)
    work = f"{len(seen)} operators at once, {lasted:.0f} s"
    found = [
        report.row(f"{work}: calls answered", calls / lasted, "calls/s", at_least=CALLS_A_SECOND),
        report.row(f"{work}: jobs stored", jobs / lasted, "jobs/s"),
    ]
    for name, values in sorted(times.items()):
        values.sort()
        found.append(report.row(f"{name}: median", statistics.median(values), "s"))
        most = SUBMIT_P95_S if name == "submit" else None
        found.append(report.row(f"{name}: p95", values[int(0.95 * (len(values) - 1))], "s", at_most=most))
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
