"""Salted commitments to what a run started from. The salts go into the owner's own record, nowhere else."""

from __future__ import annotations

import base64
from typing import Any

from jobs.documents import SALT_BYTES, Commits, salted_commitment
from jobs.schema import Digest
from mpc.party import RandomBytes
from sandbox.node.environment import environment


def commit_run(part: Digest, rng: RandomBytes) -> tuple[Commits, dict[str, Any]]:
    """Commitments to ``part`` (what stands behind a run's messages), and their salts for the owner's record."""
    part_salt, environment_salt = rng(SALT_BYTES), rng(SALT_BYTES)
    commits = Commits(
        part=salted_commitment(part_salt, part),
        seed=None,
        environment=salted_commitment(environment_salt, environment()),
    )
    return commits, {
        "part": base64.b64encode(part_salt).decode(),
        "environment": base64.b64encode(environment_salt).decode(),
    }
