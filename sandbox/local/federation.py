"""The people of a local federation: each acts with its own keys and token, through the SDK and its own node's files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from adapters.source import SourceSpec
from jobs.documents import Envelope, OutboxRecord, Roster, SigningKey, Verified, verify_outbox_record
from jobs.schema import Dataset, Scalar
from sandbox.audit import verify_checkpoint
from sandbox.catalogue.check import CheckedData
from sandbox.catalogue.register import leave_out, register
from sandbox.client import Client, Job, build_commitment, build_grant, request_of
from sandbox.client.authority import build_status
from sandbox.keys import Trust, load_key, read_private
from sandbox.local.layout import STATUS_LIFE, Places
from sandbox.node.config import load_config
from sandbox.node.control import ask
from sandbox.node.snapshots import SnapshotPlace
from sandbox.node.state import Held, NodeState
from sandbox.verify import join_pages, read_item, reconcile, verify_entries


class Federation:
    """Acts for every party in turn. In production each of these methods is a command on another machine."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.trust = Trust.load(places.trust)
        self.commitments: list[Envelope] = []
        """What operators signed so far, oldest first."""

    def client(self, token_file: Path) -> Client:
        return Client(self.places.url, read_private(token_file).decode().strip(), self.trust)

    def operator(self, name: str | None = None) -> Client:
        return self.client(self.places.operator(name or self.places.operators[0]) / "token")

    def owner(self, name: str) -> Client:
        return self.client(self.places.owner(name) / "token")

    def keys(self, owner: str) -> list[SigningKey]:
        """The keys of all who sign for this owner."""
        return [load_key(file) for file in self.places.owner_keys(owner)]

    def auditor(self) -> Client:
        return self.client(self.places.auditor / "token")

    def refresh_status(self) -> None:
        """The authority's ``unseen authority status publish``: the next list with the same entries."""
        with self.client(self.places.root / "authority" / "token") as client:
            last = client.status()
            previous = last.document if last else None
            key = load_key(self.places.status_key)
            client.publish_status(build_status(client.roster(), key, _now(), STATUS_LIFE, previous))

    def register(
        self, owner: str, dataset: Dataset, spec: SourceSpec, *, rows_at_most: int, label: str = "2013"
    ) -> CheckedData:
        """The owner's ``unseen data register``: check at the node, sign, announce."""
        config = load_config(self.places.node(owner) / "node.yaml")
        state = NodeState(config.state_dir, self.trust)
        try:
            held, checked = register(
                state,
                dataset,
                spec,
                config.owner,
                config.node,
                self.keys(owner),
                _now(),
                rows_at_most=rows_at_most,
                place=SnapshotPlace(config.snapshots.folder, config.snapshots.encrypt),
                label=label,
                data_until=datetime(2013, 12, 31, tzinfo=UTC),
            )
        finally:
            state.close()
        with self.owner(owner) as client:
            client.register(held.dataset.model_dump(mode="json"), held.record)
        return checked

    def exclude(self, owner: str, domain: str, units: Sequence[str]) -> list[Held]:
        """The owner's ``unseen node exclude``: leave individuals out at the node, sign, announce."""
        config = load_config(self.places.node(owner) / "node.yaml")
        state = NodeState(config.state_dir, self.trust)
        place = SnapshotPlace(config.snapshots.folder, config.snapshots.encrypt)
        try:
            left = leave_out(state, domain, units, config.owner, config.node, self.keys(owner), _now(), place)
        finally:
            state.close()
        with self.owner(owner) as client:
            for held in left.held:
                client.register(held.dataset.model_dump(mode="json"), held.record)
        return left.held

    def commitment(self, job: Mapping[str, Any], operator: str | None = None) -> Envelope:
        """The operator's signed use commitment for a job file, good for thirty days."""
        name = operator or self.places.operators[0]
        key = load_key(self.places.operator(name) / "operator.key")
        with self.operator(operator) as client:
            plan = client.preview_request(*request_of(job)).plan_digest
        start, end = _now(), _now() + timedelta(days=30)
        return build_commitment(name, job["datasets"], [plan], job["scenario"], job["purpose"], start, end, key)

    def submit(self, job: Mapping[str, Any], commitment: Envelope | None = None, operator: str | None = None) -> Job:
        with self.operator(operator) as client:
            signed = commitment or self.commitment(job, operator)
            self.commitments.append(signed)
            return client.submit_request(*request_of(job), commitment=signed)

    def approve(
        self,
        owner: str,
        job: str,
        runs: int = 1,
        allowed: Mapping[str, Sequence[Scalar]] | None = None,
        budget: Mapping[str, int] | None = None,
    ) -> Envelope:
        """The owner reads the request on its own side and signs with its own key; returns the grant."""
        with self.owner(owner) as client:
            review = next(review for review in client.reviews() if review.job == job)
            now = _now()
            end, keys = now + timedelta(days=30), self.keys(owner)
            grant = build_grant(review, owner, keys, now, end, runs, allowed=allowed, budget=budget)
            client.grant(grant)
        return grant

    def approve_all(self, job: str, runs: int = 1, budget: Mapping[str, int] | None = None) -> dict[str, Envelope]:
        return {owner: self.approve(owner, job, runs, budget=budget) for owner in self.places.owners}

    def reconcile(self, folder: Path) -> Iterator[str]:
        """The auditor compares every node's signed record with the hub's log; yields a line for each."""
        with self.auditor() as client:
            roster = client.roster()
            checkpoint, _ = verify_checkpoint(
                client.log_get("checkpoint")["note"].encode(), self.trust.origin, roster.document.hub_key()
            )
            leaves = [read_item(entry) for entry in client.log_entries()][: checkpoint.size]
        entries = verify_entries(leaves, checkpoint)
        yield f"{len(entries)} log entries hash to the root of the signed checkpoint"
        for owner in self.places.owners:
            (verified,) = join_pages(self._export(owner, folder, roster))
            result = reconcile(verified, entries)
            yield f"{verified.node}: {result.matched} sent messages are in the log, byte for byte"
            for item in result.not_logged:
                yield f"  no. {item.number}, a signed {item.message.round!r}, is not: the hub hides an order"
            for item in result.refused:
                yield f"  no. {item.number}, signed {item.message.round!r}, left its owner and the hub refused it"
            for entry in result.not_sent:
                yield f"  {entry.subject} is in the log, and the node never sent it"

    def _export(self, owner: str, folder: Path, roster: Verified[Roster]) -> Iterator[OutboxRecord]:
        """All pages of what a node says it sent, verified, and written to ``folder``."""
        after: int | None = 0
        while after is not None:
            answer = self.ask_node(owner, {"do": "export", "after": after})
            (folder / f"sent-{owner}-{after}.json").write_text(json.dumps(answer["record"]))
            yield verify_outbox_record(Envelope.from_json(answer["record"]), roster).document
            after = answer["next"]

    def ask_node(self, owner: str, command: Mapping[str, Any]) -> dict[str, Any]:
        """The owner's local socket."""
        return ask(self.places.node(owner) / "state", dict(command))


def read_dataset(file: Path) -> Dataset:
    return Dataset.model_validate(yaml.safe_load(file.read_text()))


def read_job(file: Path) -> dict[str, Any]:
    value: dict[str, Any] = yaml.safe_load(file.read_text())
    return value


def parquet(file: Path) -> SourceSpec:
    return SourceSpec(kind="parquet", path=str(file.resolve()))


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


__all__ = ["Federation", "parquet", "read_dataset", "read_job"]
