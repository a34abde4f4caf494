"""Puts a node together from its files and runs it until it is told to stop."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from jobs.documents import PublicKey, SealingPublic
from jobs.errors import JobError
from jobs.kinds.base import Limits
from jobs.kinds.registry import add, preparations
from jobs.runner.errors import RunnerLost
from jobs.runner.port import Runner
from jobs.runner.ray_runner import RayRunner
from jobs.runner.ray_runtime import RayRuntime, RuntimeOptions
from sandbox.errors import NotFound
from sandbox.keys import Trust, create_key, create_sealing_key, load_key, load_sealing_key, read_private
from sandbox.keys.chain import take_newer
from sandbox.keys.files import create_secret, load_secret
from sandbox.logs import facts, set_up
from sandbox.node.config import NodeConfig
from sandbox.node.context import Context
from sandbox.node.control import Control
from sandbox.node.gate.limits import Limits as AuditLimits
from sandbox.node.hub_link import HubLink
from sandbox.node.hub_port import HubAway, HubPort, HubRefused
from sandbox.node.loop import Node
from sandbox.node.opened_gate import OpenedGate
from sandbox.node.post import Outbox
from sandbox.node.record import Record
from sandbox.node.state import NodeState
from sandbox.node.vault import Vault

_LOG: Final = logging.getLogger("unseen.node")
NODE_KEY: Final = "node.key"
SEALING_KEY: Final = "node-seal.key"
RECORD_KEY: Final = "record.key"
_RAY_RETRY_S: Final = 5.0


def serve(config: NodeConfig, start: Callable[[NodeConfig], Runner] | None = None) -> None:
    """Recover, then loop until SIGTERM or SIGINT. Workers start first: a node without them accepts nothing.

    ``start`` makes the runner: Ray, unless somebody else's is named.
    """
    set_up(config.log)
    for package in config.kinds:
        add(package)
    token = read_private(config.token_file).decode().strip()
    hub = HubLink(config.hub, config.node, token)
    runner = (start or start_runner)(config)
    node = assemble(config, hub, runner)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: node.stop())
    fetch_roster(node.context)
    control = Control(node)
    control.start()
    try:
        node.look_back()
        node.recover()
        _LOG.info("node %s is ready", config.node, extra=facts(event="node.ready", hub=config.hub))
        node.serve()
        _LOG.info("node %s ends as it was told", config.node, extra=facts(event="node.ended"))
    finally:
        control.stop()
        runner.close()
        hub.close()


def start_runner(config: NodeConfig) -> RayRunner:
    """Start or join Ray; waits for a runtime to join that is not there yet."""
    ray = config.ray
    runtime = RayRuntime(RuntimeOptions(config.node, ray.address, ray.token_file, ray.cpus, ray.object_store_bytes))
    while True:
        try:
            runtime.start()
            break
        except RunnerLost as lost:
            _LOG.error("%s; trying again", lost)
            time.sleep(_RAY_RETRY_S)
    limits = Limits(config.memory_bytes, config.threads)
    runner = RayRunner(
        runtime, limits, config.jobs_at_once, on_loss=lambda: start_anew(runtime), prepare=preparations()
    )
    runner.warm()
    return runner


def start_anew(runtime: RayRuntime) -> None:
    """Replace this process by a fresh one of the same command: Ray's client does not survive its runtime.

    A node may end at any moment: what it owes is in its database, and ``recover`` brings every job to a typed end.
    """
    _LOG.critical("this node starts anew, with a new connection to Ray")
    ending = threading.Thread(target=runtime.abandon, daemon=True)
    ending.start()
    ending.join(_RAY_RETRY_S)
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606


def assemble(config: NodeConfig, hub: HubPort, runner: Runner) -> Node:
    """A node over these ports; clock and randomness are the real ones."""
    folder = config.state_dir
    kept = record_key(folder)
    state = NodeState(folder, Trust.load(config.trust))
    key = load_key(folder / NODE_KEY)
    outbox = Outbox(config.node, key, state, hub)
    record = Record(kept)
    context = Context(
        config=config,
        key=key,
        sealing_key=load_sealing_key(folder / SEALING_KEY),
        state=state,
        record=record,
        vault=Vault(kept),
        gate=OpenedGate(state, kept, secrets.token_bytes, AuditLimits(config.audit_rows, config.audit_records)),
        hub=hub,
        outbox=outbox,
        runner=runner,
        clock=lambda: datetime.now(UTC),
        rng=secrets.token_bytes,
        forget=lambda _permit: None,
    )
    return Node(context)


class NodeKeys(NamedTuple):
    """The public halves, for the owner to certify."""

    signing: PublicKey
    sealing: SealingPublic


def prepare(folder: Path, passphrase: bytes | None = None) -> NodeKeys:
    """Make the node's signing, sealing and record keys if they are not there, locked if there is a passphrase.

    Returns the public halves.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = folder / NODE_KEY
    key = load_key(file) if file.exists() else create_key(file, secrets.token_bytes, passphrase)
    seal_file = folder / SEALING_KEY
    seal = (
        load_sealing_key(seal_file)
        if seal_file.exists()
        else create_sealing_key(seal_file, secrets.token_bytes, passphrase)
    )
    record_key(folder, passphrase)
    return NodeKeys(key.public, seal.public)


def record_key(folder: Path, passphrase: bytes | None = None) -> bytes:
    """The key of the encrypted record: 32 random bytes, mode 0600. Losing it loses the record, nothing else."""
    file = folder / RECORD_KEY
    return load_secret(file) if file.exists() else create_secret(file, secrets.token_bytes, passphrase)


def fetch_roster(context: Context) -> None:
    """Take what the hub distributes; only rosters that the pinned root signed are believed."""
    try:
        with context.reach.call():
            take_newer(context.state.trusted, context.hub.rosters(), context.state.trust_roster)
    except (HubAway, HubRefused):
        _LOG.warning("no roster from the hub yet: this node starts with the one that it has")
    except JobError as error:
        _LOG.error("the hub shows a roster that is not believed: %s", error)
    try:
        context.state.roster(context.clock()).document.node(context.config.node)
    except JobError as error:
        raise NotFound(f"this node cannot start: {error}") from None
