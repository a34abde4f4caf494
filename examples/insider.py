"""What an insider at the platform could try, with the hub's real key and database. Each attempt is caught elsewhere."""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy import select

from jobs.documents import Envelope, Permit, json_digest, parse_json
from sandbox.audit import LogEntry, verify_checkpoint
from sandbox.client import Client
from sandbox.errors import LogFailure, SandboxError
from sandbox.hub.core.config import HubConfig
from sandbox.hub.core.hub import Hub
from sandbox.hub.people.tokens import Role, issue_token
from sandbox.hub.running.relay import put_named
from sandbox.keys import Trust, load_key, read_private
from sandbox.local.layout import ORIGIN, Places, free_port
from sandbox.local.processes import Processes
from sandbox.log_link import LogLink
from sandbox.store.event import Actor, Event
from sandbox.store.tables import inbox, jobs
from sandbox.store.tree import read_size
from sandbox.verify import read_item, verify_entries
from sandbox.witness.seen import SeenFile
from sandbox.witness.witness import Witness

INSIDER = Actor("hub", "insider")


def forge_permit(places: Places, processes: Processes, job: str) -> str:
    """Restart the hub with a forged order in every inbox: real key, real grants, another plan. Returns its id."""
    processes.stop("hub")
    hub = Hub.open(HubConfig.load(places.hub / "hub.yaml"))
    try:
        with hub.store.read() as connection:
            row = connection.execute(select(jobs).where(jobs.c.id == job)).one()
            orders = select(inbox.c.node, inbox.c.body).where((inbox.c.job == job) & (inbox.c.kind == "permit"))
            bodies = connection.execute(orders).all()
        permit = _with_another_plan(Permit.open(Envelope.parse(bytes(row.permit_envelope))))
        forged = permit.sign(hub.key)
        event = Event("permit.forged", INSIDER, job=job, digests=(forged.digest,))
        with hub.store.change(event) as change:
            for node, body in bodies:
                put_named(change, [node], "permit", job, {**parse_json(body.encode()), "permit": forged.to_json()})
    finally:
        hub.store.close()
    processes.start_hub()
    return permit.id


def show_two_histories(places: Places, processes: Processes, go_on: Callable[[], object]) -> LogFailure:
    """Serve the witness a copy of the log that went another way; returns what the witness says to it.

    ``go_on`` makes the real log grow after the copy was taken, so that the two histories differ.
    """
    other = places.root / "another-history"
    processes.stop("hub")
    shutil.copytree(places.hub, other)
    processes.start_hub()
    copied = _log_size(other)
    go_on()
    _wait_until(lambda: _seen_size(places) > copied)
    port = free_port()
    options = yaml.safe_load((other / "hub.yaml").read_text())
    (other / "hub.yaml").write_text(yaml.safe_dump({**options, "port": port}))
    seen = SeenFile(Path(shutil.copy(places.witness / "seen.json", other / "seen.json")), ORIGIN)
    hub = Hub.open(HubConfig.load(other / "hub.yaml"))
    try:  # the copy goes its own way: other events than the real log has at these places
        with hub.store.read() as connection:
            behind = seen.load().size - read_size(connection)
        for _ in range(behind + 3):
            issue_token(hub.store, Role.AUDITOR, "nobody", INSIDER, secrets.token_bytes, datetime.now(UTC))
    finally:
        hub.store.close()
    processes.start_hub(other, "hub with another history", port)
    trust = Trust.load(places.trust)
    link = LogLink(f"http://127.0.0.1:{port}", read_private(places.witness / "token").decode().strip())
    key = load_key(places.witness / "witness.key")
    try:
        Witness("witness", key, trust, link, seen, lambda: datetime.now(UTC)).step(5)
    except LogFailure as failure:
        return failure
    finally:
        link.close()
        processes.stop("hub with another history")
    raise RuntimeError("the witness cosigned a second history")


def edit_one_entry(client: Client, trust: Trust) -> tuple[int, str]:
    """An auditor's export with one changed entry; returns its number and what the check says."""
    roster = client.roster().document
    checkpoint, _ = verify_checkpoint(client.log_get("checkpoint")["note"].encode(), trust.origin, roster.hub_key())
    items = [read_item(entry) for entry in client.log_entries()][: checkpoint.size]
    leaves = [item for item in items if isinstance(item, bytes)]  # from an auditor nothing is hidden
    number = next(i for i, leaf in enumerate(leaves) if LogEntry.read(leaf).event == "job.submitted")
    entry = LogEntry.read(leaves[number])
    leaves[number] = entry.model_copy(update={"actor": "operator:somebody-else"}).leaf()
    try:
        verify_entries(leaves, checkpoint)
    except SandboxError as error:
        return number, str(error)
    raise RuntimeError("an edited log was believed")


def _log_size(folder: Path) -> int:
    """Entries of a hub's log, from its files."""
    hub = Hub.open(HubConfig.load(folder / "hub.yaml"))
    try:
        with hub.store.read() as connection:
            return read_size(connection)
    finally:
        hub.store.close()


def _seen_size(places: Places) -> int:
    """How far the witness has followed the real log."""
    return SeenFile(places.witness / "seen.json", ORIGIN).load().size


def _wait_until(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not happened():
        if time.monotonic() > end:
            raise RuntimeError("the witness did not follow the log")
        time.sleep(0.05)


def _with_another_plan(permit: Permit) -> Permit:
    """The same order with every ORDER BY dropped and a LIMIT added: a plan that nobody granted."""
    plan: dict[str, Any] = {**permit.plan, "limit": 1, "order_by": []}
    digest = json_digest(plan)
    now = datetime.now(UTC).replace(microsecond=0)
    return permit.model_copy(
        update={
            "id": f"permit-forged-{secrets.token_hex(4)}",
            "nonce": secrets.token_hex(32),
            "plan": plan,
            "plan_digest": digest,
            "issued_at": now,
            "expires_at": now + timedelta(minutes=5),
            "deadline": now + timedelta(minutes=10),
        }
    )
