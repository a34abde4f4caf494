"""Is the release in the log, and did everybody who must see one history sign this one?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from jobs.documents import CLOCK_SKEW, Permit, PublicKey, Receipt, Release, Roster, Verified
from jobs.documents.ed25519 import decode_base64
from sandbox.audit.checkpoint import Checkpoint, verify_checkpoint
from sandbox.audit.cosign import verify_cosignature
from sandbox.audit.entry import RELEASED, LogEntry
from sandbox.audit.merkle import verify_inclusion
from sandbox.audit.note import COSIGNATURE, Note, NoteKey
from sandbox.errors import BadLogSignature, ReceiptRefused
from sandbox.keys.trust import Trust
from sandbox.verify.step import step

RELEASED_BY: Final = "hub:hub"
"""Only the hub itself releases: no other actor's entry counts."""


@dataclass(frozen=True)
class Cosigned:
    """Whose cosignatures on the checkpoint were verified, and the latest time in them."""

    participants: tuple[str, ...]
    witnesses: tuple[str, ...]
    latest: datetime


def verify_entry(receipt: Receipt, release: Verified[Release], permit: Verified[Permit]) -> tuple[LogEntry, bytes]:
    """Return the log entry and its exact bytes; raises ``ReceiptRefused`` unless it is the hub's, of this release."""
    leaf = decode_base64(receipt.entry)
    entry = LogEntry.read(leaf)
    if entry.event != RELEASED or release.digest not in entry.digests:
        raise ReceiptRefused("entry", "the log entry in the receipt does not record this release")
    if (entry.actor, entry.subject) != (RELEASED_BY, permit.document.job) or permit.digest not in entry.digests:
        raise ReceiptRefused("entry", "the log entry is not the hub's own, of this job and permit")
    if abs(entry.at - release.document.released_at) > CLOCK_SKEW:
        raise ReceiptRefused("entry", "the log entry is of another time than the release")
    return entry, leaf


def verify_logged(receipt: Receipt, leaf: bytes, roster: Verified[Roster], trust: Trust) -> tuple[Checkpoint, Note]:
    """Return the checkpoint that the hub signed and whose root the entry leads to; raises ``ReceiptRefused``."""
    with step("checkpoint"):
        checkpoint, note = verify_checkpoint(receipt.checkpoint.encode(), trust.origin, roster.document.hub_key())
    with step("inclusion"):
        proof = tuple(decode_base64(item) for item in receipt.proof)
        verify_inclusion(leaf, receipt.index, checkpoint.size, proof, checkpoint.root)
    return checkpoint, note


def verify_cosigned(note: Note, permit: Permit, release: Release, roster: Roster, trust: Trust) -> Cosigned:
    """Check the cosignatures of all participants and of enough witnesses; raises ``ReceiptRefused``.

    That a witness is neither hub nor node is a rule of the roster itself: no key or name has two roles in it.
    """
    with step("cosignature"):
        times = [
            _cosigned_at(note, NoteKey(node, COSIGNATURE, roster.node_key(node)), release, roster)
            for node in permit.participants
        ]
    with step("witness"):
        keys = [NoteKey(entry.name, COSIGNATURE, PublicKey.parse(entry.key)) for entry in roster.witnesses]
        seen = dict(_witnessed(note, keys, release, roster))
        if len(seen) < trust.witnesses_needed:
            raise ReceiptRefused(
                "witness",
                f"{len(seen)} witness(es) that are neither hub nor participant cosigned the checkpoint, "
                f"{trust.witnesses_needed} needed",
            )
    return Cosigned(permit.participants, tuple(seen), max([*times, *seen.values()]))


def _witnessed(note: Note, keys: Iterable[NoteKey], release: Release, roster: Roster) -> Iterable[tuple[str, datetime]]:
    """Yield the witnesses that cosigned. A line by a witness's key that does not verify is an error, not a gap."""
    for key in keys:
        if note.by(key):
            yield key.name, _cosigned_at(note, key, release, roster)


def _cosigned_at(note: Note, key: NoteKey, release: Release, roster: Roster) -> datetime:
    at = verify_cosignature(note, key)
    if not release.released_at - CLOCK_SKEW <= at < roster.expires:
        raise BadLogSignature(f"{key.name} cosigned before the release, or after the roster expired")
    return at
