"""All rules that a node applies to its part. A rule is one function: evidence and profile in, failing cells out."""

from jobs.disclosure.rules.base import Evidence, Rule
from jobs.disclosure.rules.degrees_of_freedom import degrees_of_freedom
from jobs.disclosure.rules.dominance import dominance
from jobs.disclosure.rules.min_group import min_group
from jobs.disclosure.rules.p_percent import p_percent

RULES: dict[str, Rule] = {
    "min_group": min_group,
    "dominance": dominance,
    "p_percent": p_percent,
    "degrees_of_freedom": degrees_of_freedom,
}

__all__ = ["RULES", "Evidence", "Rule"]
