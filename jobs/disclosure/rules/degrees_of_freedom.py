"""Residual degrees of freedom: an estimate rests on at least that many more units than it has parameters."""

from jobs.disclosure.profile import Profile
from jobs.disclosure.rules.evidence import Bits, Evidence, nowhere

ESTIMATED = {
    "var_samp": 1, "var_pop": 1, "stddev_samp": 1, "stddev_pop": 1, "covar_samp": 2, "covar_pop": 2, "corr": 2,
    "regr_slope": 2, "regr_intercept": 2, "regr_r2": 2,
}  # fmt: skip
"""Parameters that each function estimates from the same data: the means; intercept and slope."""


def degrees_of_freedom(evidence: Evidence, profile: Profile) -> Bits:
    """Fails where contributors < ``least_units``, as ACRO applies it."""
    least = least_units(evidence.function, len(evidence.measures), profile)
    return evidence.asked(profile) & (evidence.contributors < least) if least else nowhere(evidence)


def least_units(function: str, opened: int, profile: Profile) -> int:
    """How many units an estimate needs: ``degrees_of_freedom`` more than its parameters, and two for each number
    that is opened for it. 0 for a function that estimates nothing."""
    estimated = ESTIMATED.get(function)
    return 0 if estimated is None else max(estimated + profile.degrees_of_freedom, 2 * opened)
