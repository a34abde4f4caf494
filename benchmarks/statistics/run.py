"""``make bench-statistics``: every benchmark of the statistics job, then its part of ``benchmarks/RESULTS.md``.

Run: ``python -m benchmarks.statistics.run [--only NAME ...] [--render]``. Each runs in a process of its own, one after
the other, on a machine that has come to rest; one that fails is named at the end and the others still run.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from benchmarks import report

REPOSITORY = Path(__file__).resolve().parents[2]
IDLE: Final = 0.7
SETTLE_S: Final = 300.0
NAMES = ("snapshot", "growth", "workers", "evidence", "joint", "breadth", "latency", "load", "fullstore")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=NAMES, default=list(NAMES), metavar="NAME")
    parser.add_argument("--render", action="store_true", help="write the page from existing results and stop")
    options = parser.parse_args(argv)
    failed = [] if options.render else [name for name in options.only if not ran(name)]
    files = [file for name in NAMES for file in sorted(report.RESULTS.glob(f"statistics_{name}*.json"))]
    report.update_page("statistics", files)
    if failed:
        sys.stderr.write(f"failed: {', '.join(failed)} (their rows on the page are from an earlier run, if any)\n")
    return 1 if failed else 0


def is_idle() -> bool:
    """Wait until what ran before has left the load average, so that the one that a result prints is its own."""
    end = time.monotonic() + SETTLE_S
    while os.getloadavg()[0] > IDLE:
        if time.monotonic() >= end:
            return False
        time.sleep(5)
    return True


def ran(name: str) -> bool:
    """Run one benchmark to its end; its output goes to ours. True if it ended well."""
    sys.stdout.write(f"== {name}\n")
    sys.stdout.flush()
    if not is_idle():
        sys.stderr.write(f"{name}: the machine does other work, so its figures will not count\n")
    start = time.perf_counter()
    command = [sys.executable, "-m", f"benchmarks.statistics.{name}"]
    code = subprocess.run(command, cwd=REPOSITORY, check=False).returncode
    sys.stdout.write(f"== {name}: {'done' if code == 0 else f'exit {code}'} in {time.perf_counter() - start:.0f} s\n")
    return code == 0


if __name__ == "__main__":
    sys.exit(main())
