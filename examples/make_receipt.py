"""Makes ``examples/receipt.json`` and ``examples/trust.json`` from a real run of the local federation.

    .venv/bin/python -m examples.make_receipt

The keys of that run are thrown away: nobody can ever sign another receipt under this trust file.
"""

from __future__ import annotations

import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from examples.stage import HERE, Stage, raise_curtain, register_all
from sandbox.local.federation import read_job
from sandbox.verify import verify_receipt

JOB = HERE / "jobs" / "delay-by-hour.yaml"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        stage = raise_curtain(print, Path(folder) / "stage")
        try:
            register_all(stage, print)
            receipt = run(stage)
            trust = shutil.copyfile(stage.places.trust, HERE / "trust.json")
        finally:
            stage.close()
    (HERE / "receipt.json").write_bytes(receipt)
    print(f"unseen verify {HERE.name}/receipt.json --trust {HERE.name}/{trust.name}")


def run(stage: Stage) -> bytes:
    """One job from submission to a receipt that holds."""
    job = stage.federation.submit(read_job(JOB))
    stage.federation.approve_all(job.id)
    with stage.federation.operator() as client:
        done = client.wait(job, 120)
        if done.table is None:
            raise RuntimeError(f"the job did not end in a release: {done.job.failure}")
        receipt = client.receipt(job.id, wait=30)
    verify_receipt(receipt, stage.federation.trust, datetime.now(UTC))
    return receipt


if __name__ == "__main__":
    main()
