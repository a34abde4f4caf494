"""A matrix product takes one thread in every process of the command line, and whoever sets another number keeps it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
COUNT = """
import ctypes, {module}, numpy
from pathlib import Path
(library,) = Path(numpy.__file__).parents[1].joinpath("numpy.libs").glob("libscipy_openblas*")
print(ctypes.CDLL(str(library)).scipy_openblas_get_num_threads64_())
"""


def threads(module: str, **environment: str) -> int:
    """How many OpenBLAS takes in a fresh process that begins with this import."""
    kept = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    done = subprocess.run(
        [sys.executable, "-c", COUNT.format(module=module)], cwd=ROOT, capture_output=True, text=True, check=True,
        env={**kept, "PYTHONPATH": str(ROOT), **environment},
    )  # fmt: skip
    return int(done.stdout)


def test_the_command_line_has_one() -> None:
    assert threads("sandbox.cli.main") == 1


@pytest.mark.skipif(len(os.sched_getaffinity(0)) == 1, reason="one processor: there is nothing to see")
def test_without_it_there_are_as_many_as_processors() -> None:
    """The control."""
    assert threads("sandbox.client") > 1


def test_whoever_says_another_number_keeps_it() -> None:
    assert threads("sandbox.cli.main", OPENBLAS_NUM_THREADS="2") == 2
