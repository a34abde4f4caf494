"""What a node is told when it starts: a small YAML file in the owner's domain."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import yaml
from pydantic import Field, ValidationError

from jobs.documents.base import Id, faults
from jobs.schema import Model
from sandbox.errors import InvalidSpec
from sandbox.logs import LogForm


class RayConfig(Model):
    """``address``: an existing runtime (host:port); without it the node starts its own, which production should."""

    address: str | None = None
    token_file: Path | None = None
    cpus: Annotated[int, Field(ge=1, le=256)] = 2
    object_store_bytes: Annotated[int, Field(ge=80_000_000)] = 200_000_000


class SnapshotConfig(Model):
    """``folder``: where snapshots lie, a shared file system if workers are on several machines; else the state folder.

    ``encrypt``: their files are encrypted, under a key that stays in the state folder.
    """

    folder: Path | None = None
    encrypt: bool = False


class NodeConfig(Model):
    """Paths are relative to the file's folder."""

    node: Id
    owner: Id
    hub: str
    state_dir: Path
    trust: Path
    token_file: Path
    ray: RayConfig = RayConfig()
    snapshots: SnapshotConfig = SnapshotConfig()
    memory_bytes: Annotated[int, Field(ge=64 << 20)] = 1_000_000_000
    threads: Annotated[int, Field(ge=1, le=256)] = 2
    jobs_at_once: Annotated[int, Field(ge=1, le=64)] = 4
    log_patience_s: Annotated[float, Field(ge=0, le=600)] = 30.0
    """How long a new job waits for the hub's log to show this node's earlier messages before it is refused."""
    job_seconds_at_most: Annotated[int, Field(ge=1, le=86_400)] = 3600
    """A permit whose deadline lies further from its issue is refused."""
    audit_rows: Annotated[int, Field(ge=1, le=100_000)] = 20_000
    """Answers that the audit holds at most about one secret column (or presence) of one kind of individual. What it
    cannot hold is refused. Memory grows with the square: 8 bytes for each pair of answers."""
    audit_records: Annotated[int, Field(ge=1, le=2_000_000_000)] = 20_000_000
    """Records of one kind of individual, over all datasets and versions, that the audit holds at most."""
    log: LogForm = LogForm.PLAIN
    """How log lines look on stderr: ``plain``, or ``json`` for who collects them."""
    kinds: tuple[str, ...] = ()
    """Packages of further kinds of jobs that this owner lets run here."""
    denied_columns: tuple[str, ...] = ()
    """The node's own negative list: ``dataset.column`` entries that no job may touch, whatever was granted."""


def load_config(path: Path) -> NodeConfig:
    """Read and resolve the file; raises ``InvalidSpec`` naming the faulty field."""
    try:
        config = NodeConfig.model_validate(yaml.safe_load(path.read_text()))
    except (yaml.YAMLError, OSError):
        raise InvalidSpec(f"{path.name} is not a readable YAML file") from None
    except ValidationError as error:
        raise InvalidSpec(f"{path.name}: {faults(error)}") from None
    base = path.resolve().parent
    token = config.ray.token_file
    ray = config.ray.model_copy(update={"token_file": base / token if token else None})
    shared = config.snapshots.folder
    snapshots = config.snapshots.model_copy(update={"folder": base / shared if shared else None})
    places = {name: base / getattr(config, name) for name in ("state_dir", "trust", "token_file")}
    return config.model_copy(update={**places, "ray": ray, "snapshots": snapshots})
