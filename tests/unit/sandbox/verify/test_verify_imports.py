"""The offline verifier, the client side's documents and keys load nothing of the server or the compute stack."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HEAVY = {
    "sqlalchemy",
    "fastapi",
    "ray",
    "duckdb",
    "numpy",
    "pandas",
    "pyarrow",
    "sqlglot",
    "uvicorn",
    "securesystemslib",
}


def test_verification_needs_no_server_and_no_ray() -> None:
    code = (
        "import sys, sandbox.verify, sandbox.keys, sandbox.audit, jobs.documents\n"
        f"print(sorted({{name.split('.')[0] for name in sys.modules}} & {HEAVY!r}))"
    )
    root = Path(__file__).parents[4]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
