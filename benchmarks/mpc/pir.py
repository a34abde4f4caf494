"""Private lookup over 1 GiB: how close the server's scan comes to this machine's memory bandwidth, and what it costs.

Run: ``python -m benchmarks.mpc.pir [--mib 1024] [--rounds 15] [--keys 1000000]``. Needs about 2.5 times the table in
memory and a minute. The peer is a plain read of the same bytes with the same threads: no scan of a table that does
not fit a cache can be faster.
"""

from __future__ import annotations

import argparse
import math
import os
import resource
import secrets
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
import numpy as np

from benchmarks import report
from mpc.party import PartyName
from mpc.pir import Client, Hint, Keys, Prepared, Server, failure_log2, index_table, keyword_table, prepare
from mpc.pir.matrix import scan

RECORD = 64
SESSION = bytes(16)
CLIENT, SERVER = PartyName("client"), PartyName("server")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args(argv)
    load = os.getloadavg()[0]
    rows, notes = index_rows(options.mib, options.rounds, options.threads)
    rows += keyword_rows(options.keys, options.threads)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    rows.append(report.row("peak memory of this benchmark, both parties and the source data", peak, "GiB"))
    after = os.getloadavg()[0]
    notes.append(f"Load average {load:.1f} before and {after:.1f} after the run (its own threads: {options.threads}).")
    report.write("pir", rows, notes)
    return 0


def index_rows(mib: int, rounds: int, threads: int) -> tuple[list[dict[str, Any]], list[str]]:
    number = mib * 2**20 // RECORD
    side = 1 << math.ceil(math.log2(math.isqrt(mib * 2**20)))
    records = np.frombuffer(secrets.token_bytes(number * RECORD), np.uint8).reshape(number, RECORD)
    building, table = timed(lambda: index_table(records, secrets.token_bytes, columns=side))
    hinting, prepared = timed(lambda: prepare(table, threads))
    layout = prepared.layout
    size = prepared.cells.nbytes

    vectors = np.frombuffer(secrets.token_bytes(16 * 4 * layout.columns), np.uint32).reshape(16, layout.columns)
    read = reader(prepared.cells, threads)
    times = report.alternate(
        {
            "read": read,
            "scan": lambda: scan(prepared.cells, vectors[:1], threads),
            "four": lambda: scan(prepared.cells, vectors[:4], threads),
            "sixteen": lambda: scan(prepared.cells, vectors, threads),
        },
        rounds,
    )
    speed = {name: size / 1e9 / statistics.median(seconds) for name, seconds in times.items()}
    peer = f"memory read, {threads} threads"
    shape = f"{size / 2**30:.3g} GiB as {layout.rows} x {layout.columns}"
    rows = [
        report.row(
            f"server scan, one lookup, {shape}",
            speed["scan"],
            "GB/s",
            peer,
            speed["read"],
            report.median_ratio(times["read"], times["scan"]),
            at_least=0.6,
        )
    ]
    for name, count in (("four", 4), ("sixteen", 16)):
        ratio = count * report.median_ratio(times["read"], times[name])
        rows.append(
            report.row(
                f"server scan, {count} lookups in one pass, table bytes x lookups",
                count * speed[name],
                "GB/s",
                peer,
                speed["read"],
                ratio,
            )
        )
    online = session(prepared, rounds, threads, records)
    rows += [
        report.row("setup: lay out and seal the table", building, "s"),
        report.row("setup: hint", hinting, "s"),
        report.row("setup: hint", size / 1e6 / hinting, "MB/s"),
        report.row("hint, downloaded once per table version", prepared.hint.nbytes / 1e6, "MB"),
        report.row("upload per lookup", online["upload"] / 1e3, "kB"),
        report.row("download per lookup", online["download"] / 1e3, "kB"),
        report.row("client: make a query", online["query"] * 1e3, "ms"),
        report.row("server: answer it, message to message", online["answer"] * 1e3, "ms"),
        report.row("client: recover the record", online["recover"] * 1e3, "ms"),
        report.row("log2 of the failure bound per record", failure_log2(layout.columns, layout.item_bytes), "bits"),
    ]
    profile = layout.profile
    notes = [
        f"{profile.name}: n = {profile.dimension}, q = 2^32, sigma = 6.4, p = 256; primal attack"
        f" {profile.security_core_svp} bits (core-SVP), {profile.security_sieve} bits (sieve model), see docs/adr",
        f"Records of {RECORD} bytes; medians of {rounds} alternating rounds; ratio = median of the rounds' ratios.",
    ]
    return rows, notes


def session(prepared: Prepared, rounds: int, threads: int, records: np.ndarray) -> dict[str, float]:
    """Medians over whole online sessions (the hint is kept), each checked against the record itself."""
    taken: dict[str, list[float]] = {name: [] for name in ("query", "answer", "recover", "upload", "download")}
    hint = Hint(SESSION, prepared.layout, prepared.hint)
    for _ in range(rounds):
        wanted = secrets.randbelow(len(records))
        client = Client(CLIENT, SERVER, SESSION, [wanted], secrets.token_bytes, hint=hint, threads=threads)
        server = Server(SERVER, CLIENT, SESSION, prepared, at_most=2, threads=threads)
        seconds, (query,) = timed(client.start)
        taken["query"].append(seconds)
        seconds, (answer,) = timed(lambda s=server, q=query: s.receive(CLIENT, q.message))
        taken["answer"].append(seconds)
        seconds, _ = timed(lambda c=client, a=answer: c.receive(SERVER, a.message))
        taken["recover"].append(seconds)
        taken["upload"].append(len(query.message))
        taken["download"].append(len(answer.message))
        if list(client.result) != [records[wanted].tobytes()]:
            raise SystemExit("a lookup gave the wrong record: the figures would be worthless")
    return {name: statistics.median(values) for name, values in taken.items()}


def keyword_rows(keys: int, threads: int) -> list[dict[str, Any]]:
    values = {i.to_bytes(8, "big"): secrets.token_bytes(32) for i in range(keys)}
    building, table = timed(lambda: keyword_table(values, Keys.OPEN, secrets.token_bytes))
    hinting, prepared = timed(lambda: prepare(table, threads))
    wanted = [(keys // 2).to_bytes(8, "big"), b"absent"]
    client = Client(
        CLIENT,
        SERVER,
        SESSION,
        wanted,
        secrets.token_bytes,
        hint=Hint(SESSION, table.layout, prepared.hint),
        threads=threads,
    )
    server = Server(SERVER, CLIENT, SESSION, prepared, at_most=2, threads=threads)
    online, _ = timed(lambda: client.receive(SERVER, server.receive(CLIENT, client.start()[0].message)[0].message))
    if list(client.result) != [values[wanted[0]], None]:
        raise SystemExit("a keyword lookup gave the wrong value: the figures would be worthless")
    work = f"keyword table of {keys:,} keys with 32-byte values"
    return [
        report.row(f"{work}: build the filter", building, "s"),
        report.row(f"{work}: hint", hinting, "s"),
        report.row(f"{work}: table bytes per byte of values", table.cells.nbytes / (32 * keys), "times"),
        report.row(f"{work}: two lookups, online, all parties", online * 1e3, "ms"),
    ]


def reader(cells: np.ndarray, threads: int) -> Callable[[], None]:
    """A plain read of the same memory: 64-bit words added up, rows split over the threads as the scan does."""
    words = cells.view(np.uint64)
    sums = np.empty(len(words), np.uint64)
    edges = [len(words) * part // threads for part in range(threads + 1)]

    def read() -> None:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda first, last: _read(words, sums, first, last), edges[:-1], edges[1:]))

    return read


@numba.njit(nogil=True, cache=True)
def _read(words: Any, sums: Any, first: int, last: int) -> None:
    for i in range(first, last):
        total = np.uint64(0)
        for j in range(words.shape[1]):
            total += words[i, j]
        sums[i] = total


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    out = work()
    return time.perf_counter() - start, out


if __name__ == "__main__":
    sys.exit(main())
