"""An order to run, verified on the node's side: bytes in, a ``CheckedPermit`` out, or the reason why not. Pure.

Only ``check_order`` makes a ``CheckedPermit``, and the runner takes nothing else: no valid grant, no run. Uses, nonces,
revocations and the data's identity are the node's ledger's to check (``sandbox.node.accept``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from pydantic import ValidationError

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
    check_basis,
    verify_commitment,
    verify_dataset_record,
    verify_grant,
    verify_permit,
    verify_status,
)
from jobs.errors import BadDocument, Expired, OutOfScope
from jobs.kinds.statistics.opening import ALGORITHM
from jobs.kinds.statistics.plan.check import check_plan
from jobs.kinds.statistics.plan.parameters import check_parameters
from jobs.kinds.statistics.plan.types import Plan
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
    plan: Plan
    parameters: Mapping[str, Scalar]
    own_grant: Verified[Grant]
    versions: Mapping[str, str]
    """Dataset name -> the version commitment that this node is to read."""
    seal: object = field(repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.seal is not _SEAL:
            raise TypeError("a CheckedPermit comes from jobs.permit.check_order")


def check_order(
    order: Order, node: str, roster: Verified[Roster], datasets: Mapping[str, Dataset], now: datetime
) -> CheckedPermit:
    """Verify everything that can be verified without the node's ledger.

    ``datasets``: this node's own registered datasets by name. Raises ``BadDocument``, ``BadSignature``,
    ``UnknownSigner``, ``Expired``, ``OutOfScope`` (naming the binding), or a plan error.
    """
    permit = verify_permit(order.permit, roster, now)
    if abs(now - permit.document.issued_at) > CLOCK_SKEW:
        raise Expired("the permit's time is off by more than 5 minutes: ask for a new one, and check the clocks")
    if node not in permit.document.participants:
        raise OutOfScope("participants", f"node {node} does not take part in this permit")
    if permit.document.algorithm != ALGORITHM:
        raise OutOfScope("algorithm", "this node runs joint statistics only")
    grants = [verify_grant(grant, roster, now) for grant in order.grants]
    commitment: Verified[Commitment] = verify_commitment(order.commitment, roster, now)
    records: list[Verified[DatasetRecord]] = [verify_dataset_record(record, roster) for record in order.records]
    status = verify_status(order.status, roster, now)
    basis = Basis(permit, tuple(grants), commitment, tuple(records), status, roster, order.evidence)
    check_basis(basis)
    plan = _plan(permit.document)
    check_plan(plan, tuple(datasets.values()), _declared_rows(permit.document, plan, records))
    versions = _data(permit.document, plan, node)
    owner = roster.document.owner_of(node).id
    own = next(grant for grant in grants if grant.document.owner == owner)
    parameters = check_parameters(plan, permit.document.parameters)
    return CheckedPermit(permit, plan, parameters, own, versions, _SEAL)


def _plan(permit: Permit) -> Plan:
    try:
        plan = Plan.model_validate(permit.plan)
    except ValidationError:
        raise BadDocument("the permit holds no valid plan") from None
    if plan.digest() != permit.plan_digest:
        raise OutOfScope("plan", "the permit's plan is not the one that its digest and the grants name")
    if plan.holders != len(permit.participants):
        raise OutOfScope("participants", "the plan adds another number of parts than the permit has participants")
    return plan


def _data(permit: Permit, plan: Plan, node: str) -> dict[str, str]:
    """What this node reads, which must cover exactly the plan's datasets and no column less or more."""
    uses = {use.dataset: use for use in permit.data if use.node == node}
    touched = plan.columns_touched()
    if set(uses) != set(touched):
        raise OutOfScope("data", "the permit names other datasets for this node than the plan reads")
    for name, columns in touched.items():
        if sorted(uses[name].columns) != sorted(columns):
            raise OutOfScope("columns", f"the permit names other columns of {name} than the plan reads")
    return {name: use.version for name, use in uses.items()}


def _declared_rows(permit: Permit, plan: Plan, records: Sequence[Verified[DatasetRecord]]) -> int:
    """The rows of the plan's dataset that all owners together declare: what its range proof must cover."""
    declared = {(r.document.node, r.document.dataset, r.document.version): r.document.rows_at_most for r in records}
    uses = [use for use in permit.data if use.dataset == plan.dataset]
    return sum(declared[use.node, use.dataset, use.version] for use in uses)
