"""The owner looks at what all answers together tell about its individuals: never about which of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sandbox.cli.context import AsJson, NodeConfig
from sandbox.cli.own_node import ask_node
from sandbox.cli.terminal import listing, row, say, say_json, show


def audit(config: NodeConfig, as_json: AsJson = False) -> None:
    """How much all answers so far tell at most about one individual, and the jobs behind it (累计披露审计).

    One line for presence in the register and one for each secret column. What would go beyond the cap is withheld.
    Under differential privacy: what all answers have cost, and how many questions are left.
    """
    answer = ask_node(config, {"do": "audit"})
    if as_json:
        say_json(answer)
        return
    _budgets(answer["budgets"])
    if not answer["systems"]:
        if not any(item["answered"] for item in answer["budgets"]):
            say("nothing has been asked about anybody yet")
        return
    table = listing("individuals", "about", "highest", "cap", "answers", "jobs", title="Audit (累计披露审计)")
    for item in answer["systems"]:
        first, *others = item["jobs"] or [""]
        row(
            table,
            item["unit_domain"],
            "presence" if item["subject"] is None else ".".join(item["subject"]),
            f"{item['highest']:.3f}",
            f"{item['cap']:.3f}",
            f"{item['rows']:,}",
            f"{first} +{len(others)}" if others else first,
        )
    show(table)
    say("[dim]highest: the share of a linear attacker's uncertainty about one individual that is gone[/]")
    say("[dim]where several owners may hold one individual, answers stop at the cap divided by their number[/]")
    say("[dim]jobs: the one that told most of it; --json names more. State {state}[/]", state=answer["state"])


def _budgets(budgets: Sequence[dict[str, Any]]) -> None:
    if not budgets:
        return
    table = listing(
        "individuals", "rho used", "of", "epsilon", "of", "at delta", "answered", "questions left",
        title="Privacy budget (差分隐私预算)",
    )  # fmt: skip
    for item in budgets:
        row(
            table,
            item["unit_domain"],
            item["rho_used"],
            item["rho_total"],
            f"{item['epsilon']:.3f}",
            f"{item['epsilon_total']:.3f}",
            item["delta"],
            f"{item['answered']:,}",
            f"{item['questions_left']:,}",
        )
    show(table)
