"""An order to run, verified on the node's side: bytes in, a ``CheckedPermit`` out, or the reason why not. Pure.

Only ``check_order`` makes a ``CheckedPermit``, and of jobs the runner takes nothing else: no valid grant, no run. Uses,
nonces, revocations and the data's identity are the node's ledger's to check (``sandbox.node.accept``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from jobs.documents import (
    CLOCK_SKEW,
    Basis,
    Commitment,
    DatasetRecord,
    Envelope,
    Grant,
    Permit,
    Roster,
    Verified,
    VerifiedOnce,
    canonical,
    check_basis,
    json_digest,
    verify_permit,
)
from jobs.errors import BadDocument, Expired, OutOfScope
from jobs.kinds.base import Kind, Reading
from jobs.kinds.registry import kind_by
from jobs.schema import Dataset, Scalar

_SEAL: Final = object()


@dataclass(frozen=True)
class Order:
    """What the hub puts into a node's inbox: envelopes, nothing believed yet."""

    permit: Envelope
    grants: tuple[Envelope, ...]
    commitment: Envelope
    records: tuple[Envelope, ...]
    status: Envelope
    evidence: tuple[Envelope, ...] = ()
    """Further documents that the permit's ``evidence`` names."""

    def encode(self) -> bytes:
        """As canonical JSON, for ``read`` after a restart."""
        return canonical(
            {
                "permit": self.permit.to_json(),
                "grants": [item.to_json() for item in self.grants],
                "commitment": self.commitment.to_json(),
                "records": [item.to_json() for item in self.records],
                "status": self.status.to_json(),
                "evidence": [item.to_json() for item in self.evidence],
            }
        )

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Order:
        """Read the inbox item's body; raises ``BadDocument``."""
        try:
            lists = [body["grants"], body["records"], body["evidence"]]
            if not all(isinstance(item, list) for item in lists) or sum(map(len, lists)) > 1024:
                raise BadDocument("an order carries lists of grants, of dataset records and of further documents")
            grants, records, evidence = lists
            return cls(
                Envelope.from_json(body["permit"]),
                tuple(map(Envelope.from_json, grants)),
                Envelope.from_json(body["commitment"]),
                tuple(map(Envelope.from_json, records)),
                Envelope.from_json(body["status"]),
                tuple(map(Envelope.from_json, evidence)),
            )
        except KeyError as error:
            raise BadDocument(f"an order without {error.args[0]}") from None


@dataclass(frozen=True)
class CheckedPermit:
    """A permit that was verified against roster, grants, commitment and plan. Made by ``check_order`` only."""

    permit: Verified[Permit]
    kind: Kind
    plan: Any
    parameters: Mapping[str, Scalar]
    own_grant: Verified[Grant]
    commitment: Verified[Commitment]
    versions: Mapping[str, str]
    """Dataset name -> the version commitment that this node is to read."""
    seal: object = field(repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.seal is not _SEAL:
            raise TypeError("a CheckedPermit comes from jobs.permit.check_order")


@dataclass(frozen=True)
class OwnLook:
    """An owner looks at its own data, at its own node (``sandbox.node.dry_run``): nothing leaves, so nobody permits it.

    The plan was checked against the node's own datasets.
    """

    kind: Kind
    plan: Any
    parameters: Mapping[str, Scalar]


def check_order(
    order: Order,
    node: str,
    roster: Verified[Roster],
    datasets: Mapping[str, Dataset],
    now: datetime,
    once: VerifiedOnce | None = None,
) -> CheckedPermit:
    """Verify everything that can be verified without the node's ledger.

    ``datasets``: this node's own registered datasets by name; ``once`` remembers what comes again with every order
    under a grant. Raises ``BadDocument``, ``BadSignature``, ``UnknownSigner``, ``Expired``, ``OutOfScope`` (naming the
    binding), or a plan error.
    """
    once = once or VerifiedOnce()
    permit = verify_permit(order.permit, roster, now)
    if abs(now - permit.document.issued_at) > CLOCK_SKEW:
        raise Expired("the permit's time is off by more than 5 minutes: ask for a new one, and check the clocks")
    if node not in permit.document.participants:
        raise OutOfScope("participants", f"node {node} does not take part in this permit")
    kind = kind_by(permit.document.algorithm)
    grants = [once.grant(grant, roster, now) for grant in order.grants]
    commitment = once.commitment(order.commitment, roster, now)
    records = [once.record(record, roster) for record in order.records]
    status = once.status(order.status, roster, now)
    basis = Basis(permit, tuple(grants), commitment, tuple(records), status, roster, order.evidence)
    check_basis(basis)
    plan = check_plan(kind, permit.document)
    kind.check(plan, node, datasets, _readings(permit.document, records))
    versions = {use.dataset: use.version for use in permit.document.data if use.node == node}
    owner = roster.document.owner_of(node).id
    own = next(grant for grant in grants if grant.document.owner == owner)
    parameters = kind.parameters(plan, permit.document.parameters)
    return CheckedPermit(permit, kind, plan, parameters, own, commitment, versions, _SEAL)


def check_plan(kind: Kind, permit: Permit) -> Any:
    """The permit's plan as the kind reads it; raises ``OutOfScope`` if it is not the one that the digest names."""
    plan = kind.read(permit.plan)
    if json_digest(kind.to_json(plan)) != permit.plan_digest:
        raise OutOfScope("plan", "the permit's plan is not the one that its digest and the grants name")
    return plan


def _readings(permit: Permit, records: Sequence[Verified[DatasetRecord]]) -> list[Reading]:
    """What every participant reads, with the rows that its owner's signed record declares at most."""
    declared = {(r.document.node, r.document.dataset, r.document.version): r.document.rows_at_most for r in records}
    return [
        Reading(use.node, use.dataset, tuple(use.columns), declared[use.node, use.dataset, use.version])
        for use in permit.data
    ]
