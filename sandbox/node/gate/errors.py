"""What the gate refuses a job for. None says anything about a unit."""

from __future__ import annotations

from sandbox.errors import Denied, Unavailable


class AuditFull(Denied):
    """The audit holds only so much; what it cannot hold is refused, never skipped."""

    code = "audit-full"
    advice = "Ask for fewer cells, or let the owner raise the limit that the text names in the node's configuration."


class VetoesUsed(Denied):
    """Rules that look at secret values have closed as many cells of a unit domain as they may."""

    code = "vetoes-used"
    advice = "Nothing more can be asked about this kind of individual under a profile with dominance rules."


class StaleJudgement(Unavailable):
    """Something else was judged or stored since: this judgement may not be."""

    code = "stale-judgement"
    advice = "Judge the same question again; a retried job needs a new permit."
