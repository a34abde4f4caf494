"""Salted commitments to what a run started from. The salts go into the owner's own record, nowhere else."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any

from jobs.documents import SALT_BYTES, Commits, json_digest, salted_commitment
from mpc.party import RandomBytes
from sandbox.node.environment import environment


def commit_run(values: Iterable[Iterable[int]], rng: RandomBytes) -> tuple[Commits, dict[str, Any]]:
    """Return the commitments to a run's exact local ``values``, and their salts as the owner's record keeps them."""
    part_salt, environment_salt = rng(SALT_BYTES), rng(SALT_BYTES)
    part = json_digest([[str(value) for value in row] for row in values])
    commits = Commits(
        part=salted_commitment(part_salt, part),
        seed=None,
        environment=salted_commitment(environment_salt, environment()),
    )
    return commits, {
        "part": base64.b64encode(part_salt).decode(),
        "environment": base64.b64encode(environment_salt).decode(),
    }
