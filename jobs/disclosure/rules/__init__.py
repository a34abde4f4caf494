"""All rules that a node applies to its part. A rule is one function: evidence and profile in, failing cells out."""

from typing import Final

from jobs.disclosure.rules.base import base
from jobs.disclosure.rules.contributors import contributors
from jobs.disclosure.rules.degrees_of_freedom import degrees_of_freedom
from jobs.disclosure.rules.dominance import dominance
from jobs.disclosure.rules.evidence import Bits, Evidence, Measure, Rule
from jobs.disclosure.rules.full import full
from jobs.disclosure.rules.p_percent import p_percent
from jobs.disclosure.rules.weights import weights

RULES: Final[dict[str, Rule]] = {
    "base": base,
    "contributors": contributors,
    "full": full,
    "degrees_of_freedom": degrees_of_freedom,
    "weights": weights,
}
"""They see known columns and noisy counts only."""
SECRET_RULES: Final[dict[str, Rule]] = {"dominance": dominance, "p_percent": p_percent}
"""They look at secret values: each cell that they close tells a little of them, and is counted."""

__all__ = ["RULES", "SECRET_RULES", "Bits", "Evidence", "Measure", "Rule"]
