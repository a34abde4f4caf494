"""What node.yaml says of the audit's size is what the node's gate holds: a job beyond it is refused by that name."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from jobs.documents import RootKeys, SigningKey
from sandbox.keys import Trust
from sandbox.node.config import load_config
from sandbox.node.gate.errors import AuditFull
from sandbox.node.serve import assemble, prepare
from tests.unit.sandbox.node.test_node_asking import STANDARD, UNITS, Job, answer, ask

BASE = "{node: node-a, owner: a, hub: 'http://127.0.0.1:1', state_dir: state, trust: trust.json, token_file: token"


def job_of(folder: Path, settings: str) -> Job:
    """A job at a node that starts with this line in its node.yaml."""
    root = RootKeys(keys=(SigningKey.from_seed(bytes(32)).public.text,), threshold=1)
    (folder / "trust.json").write_bytes(Trust(root=root, origin="log.example/x").encode())
    (folder / "node.yaml").write_text(f"{BASE}{settings}}}")
    prepare(folder / "state")
    nobody: Any = object()
    context = assemble(load_config(folder / "node.yaml"), nobody, nobody).context
    job = Job(context.state, profile=STANDARD)
    job.gate = context.gate
    return job


@pytest.mark.parametrize(
    ("settings", "named"),
    [(", audit_rows: 1", "at most 1 answers .*audit_rows"), (f", audit_records: {UNITS - 1}", "audit_records")],
)
def test_beyond_what_node_yaml_says_a_job_is_refused_by_its_name(tmp_path: Path, settings: str, named: str) -> None:
    job = job_of(tmp_path, settings)
    with closing(job.state), pytest.raises(AuditFull, match=named):
        assert [answer(job, ask(number)) for number in range(2)] == []


def test_a_node_that_says_nothing_answers_both(tmp_path: Path) -> None:
    """The control."""
    job = job_of(tmp_path, "")
    with closing(job.state):
        assert answer(job, ask(0))
        assert answer(job, ask(1))
