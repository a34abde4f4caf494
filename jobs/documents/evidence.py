"""Further documents that a run rests on: a grant names conditions, the permit the documents that meet them.

A condition is ``<kind>`` or ``<kind>: <what it must say>``, so the condition fixes the type of document that can meet
it, and ``RULES`` has one pure rule per kind. Hub, nodes and verifier judge by the same rules; a condition of a kind
that nobody here knows is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from jobs.documents.base import Verified
from jobs.documents.envelope import Envelope
from jobs.documents.execution import Permit
from jobs.documents.roster import Roster
from jobs.errors import OutOfScope

Rule = Callable[[str, Envelope, Permit, Verified[Roster]], None]
"""(condition, document, permit, roster) -> nothing, or a ``JobError``: its signature, period and what it says."""

RULES: Final[dict[str, Rule]] = {}
"""Kind of document -> its rule."""


def check_evidence(
    permit: Verified[Permit],
    documents: Sequence[Envelope],
    roster: Verified[Roster],
    rules: Mapping[str, Rule] = RULES,
) -> None:
    """Raise ``OutOfScope`` unless the documents are exactly those that the permit names; whatever a rule raises."""
    order = permit.document
    by_digest = {document.digest: document for document in documents}
    if len(by_digest) != len(documents) or set(by_digest) != set(order.evidence.values()):
        raise OutOfScope("evidence", "the further documents are not exactly those that the permit names")
    for condition, named in sorted(order.evidence.items()):
        kind = condition.partition(":")[0]
        rule = rules.get(kind)
        if rule is None:
            raise OutOfScope("evidence", f"no rule here judges documents of kind '{kind}'")
        document = by_digest[named]
        if document.payload_type != f"application/vnd.unseen.{kind}+json;v=1":
            raise OutOfScope("evidence", f"the evidence for '{condition}' is no {kind}")
        rule(condition, document, order, roster)
