"""What all answers under differential privacy cost the individuals of a unit domain at this node, whatever was asked.

Two accounts of the same thing. The node's ledger keeps the price, an integer that is reserved before a job runs, given
back only if nothing left, and kept by any job that fails later: the limit is held there. The audit keeps the mechanism
events, appended in the transaction that queues what they protect: from them anybody who may read them composes the
exact cost (``jobs.disclosure.zcdp``), and being pieces of the audit they are in the state digest of every message.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Any, Final

from sqlalchemy import Connection

from jobs.disclosure.profile import Privacy
from jobs.disclosure.zcdp import Spend, epsilon
from jobs.documents import canonical, parse_canonical
from sandbox.node import ledger
from sandbox.node.gate.pieces import EVENTS, Pieces

GRAINS: Final = 720_720 * 10**6
"""Of the ledger, in one rho. All numbers up to 16 divide it, so usual prices are whole; others are rounded up."""

RHO: Final = "rho "
"""How the ledger's accounts of a privacy budget begin."""


def charges(privacy: Privacy, spends: Sequence[Spend]) -> list[ledger.Charge]:
    """The price of one run, of every unit domain that it is about."""
    return [
        ledger.Charge(
            rho_account(spend.unit_domain),
            ceil(spend.rho * GRAINS),
            int(privacy.rho_total * GRAINS),
            f"the privacy budget (rho) of unit domain {spend.unit_domain} is used up",
            per_unit=GRAINS,
        )
        for spend in spends
    ]


def rho_account(unit_domain: str) -> str:
    return f"{RHO}{unit_domain}"


@dataclass(frozen=True)
class Standing:
    """For the owner. ``rho_used``: what the limit counts, jobs that run included; ``epsilon``: what it means."""

    unit_domain: str
    rho_used: str
    rho_total: str
    epsilon: float
    epsilon_total: float
    delta: str
    questions_left: int
    answered: int
    jobs: tuple[str, ...]


class Spending:
    """The events in the audit's pieces."""

    def __init__(self, pieces: Pieces) -> None:
        self._pieces = pieces

    def store(self, connection: Connection, job: str, spends: Sequence[Spend]) -> None:
        """Append the events of one run, in the caller's transaction. Raises ``IntegrityFailure`` for lost pieces."""
        if not spends:
            return
        self._pieces.check(connection)
        for spend in spends:
            content: dict[str, Any] = {"job": job, "spend": spend.model_dump(mode="json")}
            self._pieces.append(connection, spend.unit_domain, EVENTS, canonical(content))

    def events(self, connection: Connection, unit_domain: str) -> list[tuple[str, Spend]]:
        """Job and cost of every answer, in order; raises ``IntegrityFailure`` for a piece that was altered."""
        found = (parse_canonical(content) for _, content in self._pieces.read(connection, unit_domain, EVENTS))
        return [(str(item["job"]), Spend.model_validate(item["spend"])) for item in found]

    def standing(self, connection: Connection, unit_domain: str, privacy: Privacy) -> Standing:
        """What is used and what is left of a unit domain's budget."""
        answers = self.events(connection, unit_domain)
        used = Fraction(ledger.spent(connection, rho_account(unit_domain)), GRAINS)
        truncation = sum((spend.truncation for _, spend in answers), Fraction(0))
        price = Fraction(ceil(privacy.rho_per_question * GRAINS), GRAINS)
        return Standing(
            unit_domain,
            f"{float(used):.6g}",
            f"{float(privacy.rho_total):.6g}",
            epsilon(used, privacy.delta, truncation) if used else 0.0,
            privacy.epsilon,
            str(privacy.delta),
            int((privacy.rho_total - used) / price),
            len(answers),
            tuple(job for job, _ in answers),
        )
