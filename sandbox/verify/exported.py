"""The whole log as a file, verified with the pinned root alone: its first line says what the other lines must give.

The first line holds the signed checkpoint with its cosignatures and the chain of rosters that names the keys; each
further line is one item of ``GET /log/entries``, from entry 0 on. What holds then: these are all entries up to the
checkpoint, unchanged and in order, and everybody who cosigned saw this very history. That the hub logged all it did is
not proven by the log: ``reconcile`` compares it with what the nodes sent.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jobs.documents import Envelope, PublicKey, Roster, Verified
from jobs.errors import BadDocument
from sandbox.audit import COSIGNATURE, Checkpoint, LogEntry, Note, NoteKey, verify_checkpoint, verify_cosignature
from sandbox.errors import BadProof
from sandbox.keys import Trust
from sandbox.verify.history import read_item, verify_entries


@dataclass(frozen=True)
class VerifiedLog:
    """All entries of a checkpoint; those that the reader may not read are counted, and in the tree by their hashes."""

    checkpoint: Checkpoint
    roster: Verified[Roster]
    entries: tuple[LogEntry, ...]
    cosigned: Mapping[str, datetime]
    """Nodes and witnesses whose cosignature on this very checkpoint was verified, and when they gave it."""
    missing: tuple[str, ...]
    witnessed: bool
    """Whether as many independent witnesses as the trust file asks for are among them."""

    @property
    def hidden(self) -> int:
        return self.checkpoint.size - len(self.entries)

    @property
    def checks(self) -> tuple[str, ...]:
        """What was verified, in words; what is not proven begins with ``not proven``."""
        size = self.checkpoint.size
        found = [
            f"roster version {self.roster.document.version} is signed by the pinned root",
            f"{size:,} entries hash to the root of checkpoint {size}, signed by the hub: none is missing up to there, "
            "none was changed or moved",
        ]
        if self.cosigned:
            found.append(f"cosigned by {', '.join(self.cosigned)}: they saw this history and no other")
        if self.missing:
            found.append(f"not proven: that {', '.join(self.missing)} saw this history: no cosignature of theirs yet")
        if not self.witnessed:
            found.append("not proven: that everybody is shown this history: too few witnesses cosigned it")
        if self.hidden:
            found.append(
                f"not proven: what {self.hidden:,} of the entries say: they are for others to read, and were compared "
                "by their hashes"
            )
        return tuple(found)


def first_line(checkpoint: str, rosters: Iterable[Envelope]) -> dict[str, Any]:
    """The line that an export begins with."""
    return {"checkpoint": checkpoint, "rosters": [envelope.to_json() for envelope in rosters]}


def read_export(text: str) -> list[Any]:
    """All lines of an export, as ``verify_log`` takes them; raises ``BadDocument``."""
    try:
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    except ValueError:
        raise BadDocument("the export is not one JSON value a line") from None


def verify_log(lines: Iterable[Any], trust: Trust) -> VerifiedLog:
    """Verify an export, or the same lines from a hub; raises ``BadDocument``, ``BadSignature`` or ``LogFailure``.

    Entries behind the checkpoint are not looked at: they came while the export was written.
    """
    found = iter(lines)
    head = next(found, None)
    if not isinstance(head, dict) or not isinstance(head.get("checkpoint"), str) or not head.get("rosters"):
        raise BadDocument("the export does not begin with a checkpoint and rosters: make it with 'unseen log export'")
    trusted = trust.rosters()
    for item in head["rosters"]:
        trusted.update(Envelope.from_json(item))
    roster = trusted.last
    if roster.document.version < trust.oldest_roster:
        raise BadDocument(
            f"the export's rosters end before version {trust.oldest_roster}, which the trust file asks for"
        )
    checkpoint, note = verify_checkpoint(head["checkpoint"].encode(), trust.origin, roster.document.hub_key())
    leaves = [read_item(item) for _, item in zip(range(checkpoint.size), found, strict=False)]
    if len(leaves) < checkpoint.size:
        raise BadProof(
            f"there are {len(leaves)} entries where the checkpoint has {checkpoint.size}: some were left out"
        )
    entries = verify_entries(leaves, checkpoint)
    nodes = {node.id: roster.document.node_key(node.id) for owner in roster.document.owners for node in owner.nodes}
    witnesses = {entry.name: PublicKey.parse(entry.key) for entry in roster.document.witnesses}
    cosigned = _cosigned(note, nodes | witnesses)
    return VerifiedLog(
        checkpoint=checkpoint,
        roster=roster,
        entries=entries,
        cosigned=cosigned,
        missing=tuple(name for name in (*nodes, *witnesses) if name not in cosigned),
        witnessed=len(cosigned.keys() & witnesses.keys()) >= trust.witnesses_needed,
    )


def _cosigned(note: Note, keys: Mapping[str, PublicKey]) -> dict[str, datetime]:
    """Who cosigned, and when. A line by one of these keys that does not verify is an error, not a gap."""
    named = {name: NoteKey(name, COSIGNATURE, key) for name, key in keys.items()}
    return {name: verify_cosignature(note, key) for name, key in named.items() if note.by(key)}


__all__ = ["VerifiedLog", "first_line", "read_export", "verify_log"]
