"""Decides, with the node's own clock, keys and ledger, whether an order runs here: one transaction, or a refusal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, insert, select

from jobs.disclosure.profile import Profile, load_profile
from jobs.disclosure.zcdp import Spend
from jobs.documents import Roster, Verified, moment_text
from jobs.errors import BadKind
from jobs.permit import CheckedPermit, Order, check_order
from jobs.schema import Digest
from sandbox.errors import InvalidTransition, NegativeListed, NotGranted, Unavailable
from sandbox.node import spending
from sandbox.node.alarms import check_quiet
from sandbox.node.config import NodeConfig
from sandbox.node.excluding import check_exclusions
from sandbox.node.ledger import Charge, reserve
from sandbox.node.state import OPEN, Held, NodeState
from sandbox.node.tables import jobs, outbox


@dataclass(frozen=True)
class Accepted:
    """An order that this node will run: its charge is reserved and its nonce consumed."""

    checked: CheckedPermit
    inputs: Mapping[str, Held]
    profile: Profile
    order: bytes = field(repr=False)
    """Everything that came with the permit, to check it again after a restart."""

    @property
    def permit(self) -> Digest:
        return self.checked.permit.digest

    @property
    def grant_account(self) -> str:
        return grant_account(self.checked.own_grant.digest)

    def charges(self) -> list[Charge]:
        """The most that this run may cost: one run of the grant, and the kind's units, of the grant and of every data
        version; under differential privacy its price, of every unit domain. Raises ``NotGranted`` for a unit of which
        neither has a budget, ``BadKind`` for an undeclared one."""
        grant, found = self.checked.own_grant.document, []
        found.append(Charge(self.grant_account, 1, grant.runs, "the grant's runs are used up"))
        for unit, amount in self._cost.items():
            if unit in grant.budget:
                text = f"the grant's budget of {unit} is used up"
                found.append(Charge(f"{unit} {self.grant_account}", amount, grant.budget[unit], text))
            for name, held in self.inputs.items():
                if unit in held.budgets:
                    text = f"the budget of {unit} of this version of {name} is used up"
                    kin = tuple(unit_account(unit, lineage) for lineage in held.kin)
                    found.append(Charge(unit_account(unit, held.lineage), amount, held.budgets[unit], text, kin))
                elif unit not in grant.budget:
                    raise NotGranted(f"no budget of {unit} is declared, neither in the grant nor for {name}")
        privacy = self.profile.privacy
        return found if privacy is None else found + spending.charges(privacy, self.spends)

    @property
    def spends(self) -> tuple[Spend, ...]:
        """What its answers cost under differential privacy; nothing under another profile."""
        return () if self.profile.privacy is None else self.checked.kind.spends(self.checked.plan)

    def amounts(self, metered: Mapping[str, int]) -> dict[str, int]:
        """What a run really used, by account. Raises ``BadKind`` for more than the kind's cost, or another unit."""
        cost = self._cost
        for unit, used in metered.items():
            if not 0 <= used <= cost.get(unit, -1):
                raise BadKind(self.checked.kind.name, f"a run metered more {unit[:64]!r} than the kind's cost says")
        found = {f"{unit} {self.grant_account}": n for unit, n in metered.items()}
        return found | {unit_account(u, held.lineage): n for u, n in metered.items() for held in self.inputs.values()}

    @property
    def _cost(self) -> Mapping[str, int]:
        kind = self.checked.kind
        cost = kind.cost(self.checked.plan)
        if not set(cost) <= set(kind.metered):
            raise BadKind(kind.name, "its cost names a unit that it does not declare as metered")
        return cost


def check(order: Order, state: NodeState, config: NodeConfig, roster: Verified[Roster], now: datetime) -> Accepted:
    """Everything that needs no write: documents, plan, versions, profile, the node's own negative list."""
    with state.read() as connection:
        held = state.held(connection)
    datasets = {name: item.dataset for name, item in held.items()}
    checked = check_order(order, config.node, roster, datasets, now, state.once)
    permit = checked.permit.document
    if (permit.deadline - permit.issued_at).total_seconds() > config.job_seconds_at_most:
        raise NotGranted(f"this node ends a job within {config.job_seconds_at_most} s, the permit's deadline is later")
    inputs = {name: _version(held, name, version) for name, version in checked.versions.items()}
    check_columns(checked.kind.touched(checked.plan), config)
    accepted = Accepted(checked, inputs, _profile(checked, inputs), order.encode())
    if accepted.profile.privacy is not None:
        _check_private(accepted)
    return accepted


def check_columns(touched: Mapping[str, tuple[str, ...]], config: NodeConfig) -> None:
    """Raise ``NegativeListed`` for a column that this node's own list denies."""
    for name, columns in touched.items():
        for column in columns:
            if f"{name}.{column}" in config.denied_columns:
                raise NegativeListed(f"this node's own list denies {name}.{column}")


def enter(connection: Connection, state: NodeState, accepted: Accepted, now: datetime) -> None:
    """Consume the nonce, reserve the charges, open the job; raises ``Denied``, ``Unavailable`` or ``SourceChanged``
    before any write."""
    permit, grant = accepted.checked.permit, accepted.checked.own_grant
    if state.is_revoked(connection, grant.digest):
        raise NotGranted("the owner has revoked this grant")
    used = select(jobs.c.permit).where(jobs.c.nonce == permit.document.nonce)
    if connection.execute(used).first() is not None:
        raise InvalidTransition("this permit was used before: every run needs a new one")
    if state.sent_rows(connection, permit.digest):  # another order of it came meanwhile: what was signed stays true
        raise InvalidTransition("this node has answered this permit with a refusal: every run needs a new one")
    check_exclusions(connection, accepted.inputs)
    charges = accepted.charges()
    opened = {
        "permit": permit.digest,
        "nonce": permit.document.nonce,
        "job": permit.document.job,
        "state": OPEN,
        "order": accepted.order,
        "deadline": moment_text(permit.document.deadline),
        "now_used": moment_text(now),
        "seen": 0,
    }
    connection.execute(insert(jobs).values(opened))
    reserve(connection, permit.digest, charges, moment_text(now))


def check_may_start(connection: Connection) -> None:
    """Raise ``IntegrityFailure`` while an alarm stands, ``Unavailable`` while a message is not proven to be logged."""
    check_quiet(connection)
    # the refusal of an order is no job's message: where the hub hides the order, the auditor's comparison shows it
    ours = outbox.join(jobs, jobs.c.permit == outbox.c.permit)
    waiting = select(outbox.c.round).select_from(ours).where(outbox.c.posted, ~outbox.c.proven).limit(1)
    if connection.execute(waiting).first() is not None:
        raise Unavailable(
            "the hub's log does not show all of this node's earlier messages; no new job runs here until it does"
        )


def _check_private(accepted: Accepted) -> None:
    """Nothing is answered under differential privacy whose cost is not counted against whom it is about."""
    counted = {spend.unit_domain for spend in accepted.spends}
    for name, held in accepted.inputs.items():
        if held.unit_domain not in counted:
            raise NotGranted(
                f"this {accepted.checked.kind.title} counts no privacy budget of {held.unit_domain}, the individuals "
                f"of {name}, which profile {accepted.profile.id} demands: ask as a statistic about them alone"
            )


def grant_account(grant: str) -> str:
    return f"grant {grant}"


def unit_account(unit: str, lineage: str) -> str:
    return f"{unit} {lineage}"


def _version(held: Mapping[str, Held], name: str, version: str) -> Held:
    item = held.get(name)
    if item is None or item.version != version:
        raise NotGranted(f"the data of {name} has changed since the grant: ask its owner again")
    return item


def _profile(checked: CheckedPermit, inputs: Mapping[str, Held]) -> Profile:
    """The profile that the permit pins, which must be the one that every dataset of the job declares."""
    output = checked.permit.document.output
    profile = load_profile(f"{output.profile}@{output.version}")
    if profile.digest != output.digest:
        raise NotGranted(f"profile {profile.id} at this node is another one than the permit pins")
    for name, held in inputs.items():
        if held.dataset.profile != profile.id:
            raise NotGranted(f"dataset {name} demands profile {held.dataset.profile}, the permit pins {profile.id}")
    if checked.kind.profile(checked.plan) != profile.id:
        raise NotGranted("plan and permit pin different profiles")
    return profile
