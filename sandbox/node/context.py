"""What the parts of a running node share. Clock, randomness, hub and runner are arguments, so tests pass their own."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from jobs.documents import SealingKey, SigningKey
from jobs.runner.port import Runner
from mpc.party import RandomBytes
from sandbox.node.asking import NodeGate
from sandbox.node.config import NodeConfig
from sandbox.node.hub_port import HubPort
from sandbox.node.post import Outbox
from sandbox.node.record import Record
from sandbox.node.state import NodeState
from sandbox.node.vault import Vault
from sandbox.reach import Reach


@dataclass
class Context:
    config: NodeConfig
    key: SigningKey
    sealing_key: SealingKey
    state: NodeState
    record: Record
    vault: Vault
    gate: NodeGate
    hub: HubPort
    outbox: Outbox
    runner: Runner
    clock: Callable[[], datetime]
    rng: RandomBytes
    forget: Callable[[str], None]
    """Called with a permit's digest when its run has ended."""
    log: logging.Logger = field(default_factory=lambda: logging.getLogger("unseen.node"))
    reach: Reach = field(default_factory=lambda: Reach(logging.getLogger("unseen.node")))
