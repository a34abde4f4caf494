"""The authoritative account of uses and released cells: reserve before anything runs, commit before a value leaves.

Every function runs inside the caller's transaction. A charge is never given back once a message with information has
left (flags reveal pass bits), and a crash leaves it reserved, which counts as spent until the job is closed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, func, insert, select, update

from sandbox.errors import BudgetExceeded
from sandbox.node.tables import ledger


@dataclass(frozen=True)
class Charge:
    """``amount`` of an account that holds at most ``limit``; ``advice`` says what to ask for when it is used up.

    ``kin``: further accounts whose charges count against the same limit. ``per_unit``: how many of the ledger's
    integers are one of what people are told.
    """

    account: str
    amount: int
    limit: int
    advice: str
    kin: tuple[str, ...] = ()
    per_unit: int = 1

    def shown(self, amount: int) -> str:
        return str(amount) if self.per_unit == 1 else f"{amount / self.per_unit:.4g}"


def spent(connection: Connection, *accounts: str) -> int:
    """Reserved and committed together: what is no longer available."""
    total = select(func.coalesce(func.sum(ledger.c.amount), 0)).where(
        ledger.c.account.in_(accounts), ledger.c.state != "refunded"
    )
    return int(connection.execute(total).scalar_one())


def reserve(connection: Connection, permit: str, charges: list[Charge], at: str) -> None:
    """Set the amounts aside; raises ``BudgetExceeded`` before writing anything."""
    asked: dict[str, int] = {}
    for charge in charges:
        accounts = (charge.account, *charge.kin)
        used = spent(connection, *accounts) + sum(asked.get(account, 0) for account in accounts)
        asked[charge.account] = asked.get(charge.account, 0) + charge.amount
        if used + charge.amount > charge.limit:
            told = (charge.shown(number) for number in (used, charge.limit, charge.amount))
            raise BudgetExceeded("{}: {} of {} used, {} asked for".format(charge.advice, *told))
    for charge in charges:
        row = {"permit": permit, "account": charge.account, "amount": charge.amount, "state": "reserved", "at": at}
        connection.execute(insert(ledger).values(row))


def commit(connection: Connection, permit: str, actual: Mapping[str, int], at: str) -> None:
    """Make the reservations final; ``actual`` lowers amounts (cells that stayed closed are not charged)."""
    for account, amount in actual.items():
        connection.execute(
            update(ledger)
            .where(ledger.c.permit == permit, ledger.c.account == account, ledger.c.amount >= amount)
            .where(ledger.c.state == "reserved")
            .values(amount=amount)
        )
    _settle(connection, permit, "committed", at)


def refund(connection: Connection, permit: str, at: str) -> None:
    """Give reservations back. The caller has checked that nothing but a key has left the node."""
    _settle(connection, permit, "refunded", at)


def _settle(connection: Connection, permit: str, state: str, at: str) -> None:
    connection.execute(
        update(ledger).where(ledger.c.permit == permit, ledger.c.state == "reserved").values(state=state, at=at)
    )
