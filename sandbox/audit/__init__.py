"""The transparency log's pure core: no database, no network, no clock.

size = append(nodes, size, LogEntry(event=RELEASED, ...).leaf())       # in the hub's own transaction
note = Checkpoint(origin, size, root(nodes, size)).sign(hub_key)       # signed note
step = Cosigner(name, key, origin, hub_public).advance(seen, note.encode(), proof, now)
store(step.seen); then release step.signature; note = note.added(step.signature)
checkpoint, note = verify_checkpoint(data, origin, hub_public)
verify_inclusion(leaf, index, checkpoint.size, proof, checkpoint.root)
"""

from sandbox.audit.checkpoint import Checkpoint, verify_checkpoint
from sandbox.audit.cosign import Cosigner, SeenLog, Step, check_extends, verify_cosignature
from sandbox.audit.entry import EVENTS, JOB_PERMITTED, MESSAGE_RECEIVED, MESSAGE_REFUSED, RELEASED, LogEntry
from sandbox.audit.merkle import (
    EMPTY_ROOT,
    NodeHashes,
    append,
    leaf_hash,
    node_hash,
    prove_consistency,
    prove_inclusion,
    root,
    verify_consistency,
    verify_inclusion,
)
from sandbox.audit.note import COSIGNATURE, ED25519, Note, NoteKey, NoteSignature

__all__ = [
    "COSIGNATURE", "ED25519", "EMPTY_ROOT", "EVENTS", "JOB_PERMITTED", "MESSAGE_RECEIVED", "MESSAGE_REFUSED",
    "RELEASED", "Checkpoint", "Cosigner", "LogEntry", "NodeHashes", "Note", "NoteKey", "NoteSignature", "SeenLog",
    "Step", "append", "check_extends", "leaf_hash", "node_hash", "prove_consistency", "prove_inclusion", "root",
    "verify_checkpoint", "verify_consistency", "verify_cosignature", "verify_inclusion",
]  # fmt: skip
