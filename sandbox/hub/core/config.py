"""The hub's configuration: one small YAML file, and the rule that nothing but loopback is served without TLS."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from adapters.address import is_loopback
from jobs.documents.base import faults
from jobs.kinds.base import MESSAGE_BYTES
from sandbox.errors import InvalidSpec
from sandbox.hub.core.front_door import FrontDoor
from sandbox.logs import LogForm


class Tls(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    certificate: Path
    key: Path


class HubConfig(BaseModel):
    """Paths are relative to the file's folder. ``state`` holds ``hub.sqlite`` and ``hub.key``."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    state: Path
    trust: Path
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8440
    tls: Tls | None = None
    database: str | None = None  # postgresql://... instead of the SQLite file: docs/postgresql.md
    workers: Annotated[int, Field(ge=1, le=64)] = 1  # processes behind one PostgreSQL database
    permit_seconds: Annotated[int, Field(ge=10, le=300)] = 300  # nodes refuse to start a job after this
    job_seconds: Annotated[int, Field(ge=10, le=86_400)] = 600  # a running job fails, typed, after this
    request_days: Annotated[int, Field(ge=1, le=366)] = 30  # a request nobody answers expires
    # A checkpoint is signed at the end of a job,
    checkpoint_quiet_seconds: Annotated[float, Field(ge=0, le=60)] = 1.0  # or when the log stands still that long,
    checkpoint_seconds: Annotated[float, Field(ge=0, le=60)] = 2.0  # or this long after it grew,
    checkpoint_gap_seconds: Annotated[float, Field(ge=0, le=60)] = 0.1  # but never two within this time
    tick_seconds: Annotated[float, Field(gt=0, le=60)] = 1.0
    max_wait_seconds: Annotated[float, Field(gt=0, le=120)] = 30.0  # of a long poll
    upload_bytes: Annotated[int, Field(ge=1 << 20)] = MESSAGE_BYTES  # of one node, until their headers come
    log: LogForm = LogForm.PLAIN  # or json: how log lines look on stderr
    kinds: tuple[str, ...] = ()  # packages of further kinds of jobs
    max_body_bytes: Annotated[int, Field(ge=1 << 16, le=1 << 30)] = 32 << 20  # of a node's post
    front_door: FrontDoor = FrontDoor()  # limits, time-outs and quotas: docs/front-door.md

    @model_validator(mode="after")
    def _one_writer_at_a_file(self) -> HubConfig:
        if self.workers > 1 and not (self.database or "").startswith("postgresql"):
            raise ValueError("several workers need `database: postgresql://...`: a file wakes no other worker")
        return self

    @classmethod
    def load(cls, file: Path) -> HubConfig:
        """Read the YAML file; raises ``InvalidSpec`` with the place of each fault."""
        try:
            value = yaml.safe_load(file.read_text())
            config = cls.model_validate(value)
        except yaml.YAMLError:
            raise InvalidSpec(f"{file.name} is not YAML") from None
        except ValidationError as error:
            raise InvalidSpec(f"{file.name}: {faults(error)}") from None
        base = file.resolve().parent
        tls = config.tls and Tls(certificate=base / config.tls.certificate, key=base / config.tls.key)
        return config.model_copy(update={"state": base / config.state, "trust": base / config.trust, "tls": tls})


def check_listen(host: str, tls: bool) -> None:
    """Raise ``InvalidSpec`` for an address beyond loopback without TLS: tokens and plans would travel in the clear."""
    if tls or is_loopback(host):
        return
    raise InvalidSpec(
        f"the hub does not listen on {host} without TLS: set tls.certificate and tls.key, or use 127.0.0.1"
    )
