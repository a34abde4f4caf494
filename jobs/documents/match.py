"""Does this permit stay within what was granted and asked for? Compared field by field, the first difference is named.

Pieces of ``basis.check_basis``; the hub also compares single grants with a draft, to say what is missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from jobs.documents.approval import Commitment, DataScope, ExactVersion, Grant
from jobs.documents.base import Verified
from jobs.documents.data import DatasetRecord
from jobs.documents.execution import DataUse, Permit
from jobs.documents.roster import Roster
from jobs.documents.verify import check_period
from jobs.errors import OutOfScope


def check_grant_covers(
    grant: Grant, permit: Verified[Permit], records: Sequence[Verified[DatasetRecord]], roster: Verified[Roster]
) -> None:
    """Raise ``OutOfScope`` naming the first bound thing in which the permit differs, ``Expired`` outside the period."""
    order = permit.document
    check_same("operator", order.operator, grant.operator)
    check_same("scenario", order.scenario, grant.scenario)
    check_same("commitment", order.commitment, grant.commitment)
    check_same("algorithm", order.algorithm, grant.algorithm)
    check_same("plan_digest", order.plan_digest, grant.plan_digest)
    _check_participants(grant, order, roster.document)
    if missing := sorted(set(grant.requires) - set(order.evidence)):
        raise OutOfScope("evidence", f"the grant requires '{missing[0]}', for which the permit names no evidence")
    if order.output != grant.output:
        raise OutOfScope("output", "the permit's output rule or disclosure profile is not the one granted")
    check_period(grant.period, order.issued_at, f"grant {grant.id}")
    _check_parameters(grant, order)
    own = {node.id for node in roster.document.owner(grant.owner).nodes}
    uses = [use for use in order.data if use.node in own]
    if not uses:
        raise OutOfScope("data", f"the permit uses no data of {grant.owner}, who is asked to run it")
    for use in uses:
        _check_data(grant, use, order.issued_at, records)


def check_commitment(order: Permit, commitment: Commitment) -> None:
    """Raise unless the operator committed to this plan, scenario and data at the permit's time."""
    check_same("operator", order.operator, commitment.operator)
    check_same("scenario", order.scenario, commitment.scenario)
    if order.plan_digest not in commitment.plans:
        raise OutOfScope("plan", "the operator's commitment does not name this plan: it never asked for it")
    check_period(commitment.period, order.issued_at, f"commitment {commitment.id}")
    if {use.dataset for use in order.data} - set(commitment.datasets):
        raise OutOfScope("data", "the permit uses a dataset that the operator's commitment does not list")


def _check_participants(grant: Grant, order: Permit, roster: Roster) -> None:
    """The same nodes in the same order, each still its owner's and under the key that the grant names."""
    if order.participants != grant.nodes:
        raise OutOfScope("participants", "the permit names other participants, or another order, than the grant")
    for item in grant.participants:
        if (roster.owner_of(item.node).id, roster.node(item.node).key) != (item.owner, item.key):
            raise OutOfScope("participants", f"node {item.node} has another owner or key than the grant names")


def _check_parameters(grant: Grant, order: Permit) -> None:
    rules = {rule.name: rule for rule in grant.parameters}
    if set(rules) != set(order.parameters):
        raise OutOfScope("parameters", "the permit has other parameters than the grant")
    for name, rule in rules.items():
        if not rule.permits(order.parameters[name]):
            raise OutOfScope("parameters", f"the value of parameter {name} is not one that the grant allows")


def _check_data(grant: Grant, use: DataUse, at: datetime, records: Iterable[Verified[DatasetRecord]]) -> None:
    scope = next((scope for scope in grant.data if scope.dataset == use.dataset), None)
    if scope is None:
        raise OutOfScope("data", f"the grant does not name dataset {use.dataset}")
    if extra := sorted(set(use.columns) - set(scope.columns)):
        raise OutOfScope("columns", f"the grant does not name column {extra[0]} of {use.dataset}")
    record = next(
        (r.document for r in records if (r.document.node, r.document.dataset) == (use.node, use.dataset)
         and r.document.version == use.version),
        None,
    )  # fmt: skip
    if record is None or record.owner != grant.owner:
        raise OutOfScope("data", f"no record by {grant.owner} registers the version of {use.dataset} that is used")
    _check_version(scope, use, record)


def _check_version(scope: DataScope, use: DataUse, record: DatasetRecord) -> None:
    if isinstance(scope.version, ExactVersion):
        if scope.version.lineage != record.lineage:
            raise OutOfScope("data", f"the data of {use.dataset} has changed since the grant: ask its owner again")
        return
    series = scope.version
    if (record.schema_digest, record.frequency) != (series.schema_digest, series.frequency):
        raise OutOfScope("data", f"schema or update frequency of {use.dataset} differ from the granted series")
    if record.data_until > series.until:
        raise OutOfScope("data", f"this version of {use.dataset} reaches beyond the end of the granted series")


def check_same(field: str, ours: str, granted: str) -> None:
    """Raise ``OutOfScope`` naming the field if the two differ."""
    if ours != granted:
        raise OutOfScope(field, f"{field}: the permit names another one than was granted")
