"""Lays out one folder per party: keys, trust, roster, tokens, configuration. Each party's secrets in its own folder."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import yaml

from jobs.documents import OperatorEntry, OwnerEntry, RootKeys, Roster, WitnessEntry
from jobs.documents.roster import HubEntry
from sandbox.client.authority import build_status
from sandbox.hub.core.config import HubConfig
from sandbox.hub.core.hub import Hub, open_key
from sandbox.hub.people.rosters import accept_roster
from sandbox.hub.people.tokens import Role, issue_token
from sandbox.hub.requests.standing import publish_status
from sandbox.keys import Trust, certify_node, create_key
from sandbox.node.serve import prepare
from sandbox.store.event import Actor

ORIGIN: Final = "unseen.local/log"
_YEAR: Final = timedelta(days=365)
STATUS_LIFE: Final = timedelta(days=2)
"""A local federation's list; ``Federation.refresh_status`` follows it with the next one."""


@dataclass(frozen=True)
class Places:
    """Where everything of one federation is."""

    root: Path
    owners: tuple[str, ...]
    operators: tuple[str, ...]
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def trust(self) -> Path:
        return self.root / "trust.json"

    @property
    def hub(self) -> Path:
        return self.root / "hub"

    @property
    def witness(self) -> Path:
        return self.root / "witness"

    @property
    def auditor(self) -> Path:
        return self.root / "auditor"

    @property
    def status_key(self) -> Path:
        return self.root / "authority" / "status.key"

    def owner(self, name: str) -> Path:
        return self.root / "owners" / name

    def owner_keys(self, name: str) -> list[Path]:
        """The key files of all who sign for this owner, ``owner.key`` first."""
        return sorted(self.owner(name).glob("owner*.key"), key=lambda file: (len(file.name), file.name))

    def node(self, name: str) -> Path:
        return self.owner(name) / "node"

    def operator(self, name: str) -> Path:
        return self.root / "operators" / name


def lay_out(
    root: Path,
    owners: Sequence[str],
    operators: Sequence[str] = ("acme",),
    *,
    ray_address: str | None = None,
    ray_token_file: Path | None = None,
    hub_options: dict[str, Any] | None = None,
    node_options: dict[str, Any] | None = None,
    signers: Mapping[str, tuple[int, int]] | None = None,
    port: int | None = None,
) -> Places:
    """Make all keys, publish roster 1, issue tokens, write the configuration files. ``root`` must be empty or new.

    ``signers``: owner -> (m, n), where m of n people must sign for it (``owner.key``, ``owner-2.key``, ...).
    """
    places = Places(root, tuple(owners), tuple(operators), port or free_port())
    now = datetime.now(UTC).replace(microsecond=0)
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    for folder in (places.hub, places.witness, places.auditor, root / "authority"):
        folder.mkdir(mode=0o700)
    authority = create_key(root / "authority" / "root.key", secrets.token_bytes)
    pinned = RootKeys(keys=(authority.public.text,), threshold=1)
    _write(places.trust, Trust(root=pinned, origin=ORIGIN).encode())
    hub_config = _hub_config(places, hub_options or {})
    entries = tuple(
        _owner(places, name, now, node_options or {}, ray_address, ray_token_file, (signers or {}).get(name, (1, 1)))
        for name in owners
    )
    status_key = create_key(places.status_key, secrets.token_bytes)
    witness = create_key(places.witness / "witness.key", secrets.token_bytes)
    roster = Roster(
        version=1,
        issued=now - timedelta(minutes=1),
        expires=now + _YEAR,
        origin=ORIGIN,
        root=pinned,
        hub=HubEntry(id="hub", key=open_key(hub_config).public.text),
        status_key=status_key.public.text,
        owners=entries,
        witnesses=(WitnessEntry(name="witness", key=witness.public.text),),
        operators=tuple(_operator(places, name) for name in operators),
    )
    hub = Hub.open(hub_config)
    try:
        by = Actor("authority", "authority")
        accepted = accept_roster(hub, roster.sign(authority), by)
        publish_status(hub, build_status(accepted, status_key, now, STATUS_LIFE), by)
        _tokens(hub, places)
    finally:
        hub.store.close()
    return places


def found(root: Path, owners: Sequence[str], port: int | None = None) -> Places:
    """What ``lay_out`` made in ``root``, with the same owners and operators; ``port``: another one for its hub."""
    operators = tuple(sorted(folder.name for folder in (root / "operators").iterdir()))
    config = HubConfig.load(root / "hub" / "hub.yaml")
    return Places(root, tuple(owners), operators, port or config.port)


def configure(places: Places, ray_address: str) -> None:
    """Write the addresses of this start into the configuration files: the hub's port, and where the nodes' Ray is."""
    _edit(places.hub / "hub.yaml", port=places.port)
    for name in places.owners:
        file = places.node(name) / "node.yaml"
        ray = {**yaml.safe_load(file.read_text())["ray"], "address": ray_address}
        _edit(file, hub=places.url, ray=ray)


def _edit(file: Path, **values: Any) -> None:
    _write(file, yaml.safe_dump({**yaml.safe_load(file.read_text()), **values}).encode())


def free_port() -> int:
    """A loopback port that is free at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _hub_config(places: Places, options: dict[str, Any]) -> HubConfig:
    values = {"state": "state", "trust": "../trust.json", "port": places.port, **options}
    _write(places.hub / "hub.yaml", yaml.safe_dump(values).encode())
    return HubConfig.load(places.hub / "hub.yaml")


def _owner(
    places: Places,
    name: str,
    now: datetime,
    options: dict[str, Any],
    address: str | None,
    token_file: Path | None,
    signers: tuple[int, int],
) -> OwnerEntry:
    folder, node = places.owner(name), places.node(name)
    folder.mkdir(parents=True, mode=0o700)
    threshold, people = signers
    files = ["owner.key", *(f"owner-{number}.key" for number in range(2, people + 1))]
    keys = [create_key(folder / file, secrets.token_bytes) for file in files]
    certified = certify_node(
        name, f"node-{name}", *prepare(node / "state"), now - timedelta(days=1), now + 2 * _YEAR, keys
    )
    config: dict[str, Any] = {
        "node": f"node-{name}",
        "owner": name,
        "hub": places.url,
        "state_dir": "state",
        "trust": "../../../trust.json",
        "token_file": "node.token",
        **options,
    }
    if address is not None:
        config["ray"] = {"address": address, "token_file": str(token_file)}
    _write(node / "node.yaml", yaml.safe_dump(config).encode())
    publics = tuple(key.public.text for key in keys)
    return OwnerEntry(id=name, name=f"Airport {name}", keys=publics, threshold=threshold, nodes=(certified,))


def _operator(places: Places, name: str) -> OperatorEntry:
    places.operator(name).mkdir(parents=True, mode=0o700)
    key = create_key(places.operator(name) / "operator.key", secrets.token_bytes)
    return OperatorEntry(id=name, name=name, keys=(key.public.text,))


def _tokens(hub: Hub, places: Places) -> None:
    by = Actor("authority", "authority")
    wanted = [(Role.AUDITOR, "auditor", places.auditor / "token"), (Role.WITNESS, "witness", places.witness / "token")]
    wanted.append((Role.AUTHORITY, "authority", places.root / "authority" / "token"))
    for name in places.owners:
        wanted.append((Role.OWNER, name, places.owner(name) / "token"))
        wanted.append((Role.NODE, f"node-{name}", places.node(name) / "node.token"))
    wanted += [(Role.OPERATOR, name, places.operator(name) / "token") for name in places.operators]
    for role, subject, file in wanted:
        issued = issue_token(hub.store, role, subject, by, secrets.token_bytes, datetime.now(UTC) + _YEAR)
        _write(file, issued.secret.encode())


def _write(file: Path, data: bytes) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(data)


__all__ = ["ORIGIN", "Places", "configure", "found", "free_port", "lay_out"]
