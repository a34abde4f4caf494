"""Residual degrees of freedom: a variance or deviation rests on at least that many more units than it estimates."""

from jobs.disclosure.profile import Profile
from jobs.disclosure.rules.evidence import Bits, Evidence, nowhere

ESTIMATED = {"var_samp": 1, "var_pop": 1, "stddev_samp": 1, "stddev_pop": 1}
"""Parameters that each function estimates from the same data (the mean)."""


def degrees_of_freedom(evidence: Evidence, profile: Profile) -> Bits:
    """Fails where contributors - estimated parameters < ``degrees_of_freedom``, as ACRO applies it."""
    estimated = ESTIMATED.get(evidence.function)
    if estimated is None:
        return nowhere(evidence)
    return evidence.asked(profile) & (evidence.contributors - estimated < profile.degrees_of_freedom)
