"""``make bench-gate``: every benchmark of the gate, then its part of ``benchmarks/RESULTS.md``. At most six minutes.

Run: ``python -m benchmarks.gate.run [--only NAME ...] [--render]``. The first waits until the machine has come to rest;
each runs in a process of its own, one after the other. One that fails is named at the end and the others still run.
Sizes are constants at the head of each. Peers (``dp``, ``acro``) run in environments of their own; without them their
rows are left out, and the output says so.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from benchmarks import report
from benchmarks.statistics.run import is_idle

REPOSITORY: Final = Path(__file__).resolve().parents[2]
NAMES: Final = ("audit", "scan", "noise", "dp", "utility", "acro")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=NAMES, default=list(NAMES), metavar="NAME")
    parser.add_argument("--render", action="store_true", help="write the page from existing results and stop")
    options = parser.parse_args(argv)
    if not options.render and not is_idle():
        sys.stderr.write("the machine does other work, so its figures will not count\n")
    failed = [] if options.render else [name for name in options.only if not ran(name)]
    report.update_page("gate", [file for name in NAMES for file in sorted(report.RESULTS.glob(f"gate_{name}.json"))])
    if failed:
        sys.stderr.write(f"failed: {', '.join(failed)} (their rows on the page are from an earlier run, if any)\n")
    return 1 if failed else 0


def ran(name: str) -> bool:
    """Run one benchmark to its end; its output goes to ours. True if it ended well."""
    sys.stdout.write(f"== {name}\n")
    sys.stdout.flush()
    start = time.perf_counter()
    code = subprocess.run([sys.executable, "-m", f"benchmarks.gate.{name}"], cwd=REPOSITORY, check=False).returncode
    sys.stdout.write(f"== {name}: {'done' if code == 0 else f'exit {code}'} in {time.perf_counter() - start:.0f} s\n")
    return code == 0


if __name__ == "__main__":
    sys.exit(main())
