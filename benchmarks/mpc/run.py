"""``make bench-mpc``: run every benchmark of this folder, then write the mpc part of ``benchmarks/RESULTS.md``.

Run: ``python -m benchmarks.mpc.run [--only NAME ...] [--list] [--render]``. Each script runs in a process of its own,
one after the other, so that none inherits another's memory or threads; one that fails is named at the end and the
others still run. ``--render`` writes the page from the result files that exist, without running anything.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

from benchmarks import report

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=names(), default=names(), metavar="NAME")
    parser.add_argument("--list", action="store_true", help="name the benchmarks and stop")
    parser.add_argument("--render", action="store_true", help="write the page from existing results and stop")
    options = parser.parse_args(argv)
    if options.list:
        sys.stdout.write("\n".join(names()) + "\n")
        return 0
    failed = [] if options.render else [name for name in options.only if not ran(name)]
    report.update_page("mpc", results())
    if failed:
        sys.stderr.write(f"failed: {', '.join(failed)} (their rows on the page are from an earlier run, if any)\n")
    return 1 if failed else 0


def ran(name: str) -> bool:
    """Run one benchmark to its end; its output goes to ours. True if it ended well."""
    sys.stdout.write(f"== {name}\n")
    sys.stdout.flush()
    start = time.perf_counter()
    code = subprocess.run([sys.executable, "-m", f"benchmarks.mpc.{name}"], cwd=REPOSITORY, check=False).returncode
    sys.stdout.write(f"== {name}: {'done' if code == 0 else f'exit {code}'} in {time.perf_counter() - start:.0f} s\n")
    return code == 0


def names() -> list[str]:
    """The benchmarks: every script here that has a ``main``, this one and helpers (leading underscore) apart."""
    scripts = (path for path in sorted(HERE.glob("*.py")) if path.stem != "run" and not path.stem.startswith("_"))
    return [path.stem for path in scripts if "\ndef main(" in path.read_text()]


def results() -> list[Path]:
    """Result files of these benchmarks: ``<name>.json``, or ``<name>-<part>.json`` where a script writes several."""
    found = []
    for name in names():
        found += sorted({*report.RESULTS.glob(f"{name}.json"), *report.RESULTS.glob(f"{name}-*.json")})
    return found


if __name__ == "__main__":
    sys.exit(main())
