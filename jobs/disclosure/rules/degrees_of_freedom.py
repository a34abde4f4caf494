"""Residual degrees of freedom: a variance or deviation rests on at least that many more units than it estimates."""

import numpy as np

from jobs.disclosure.profile import Profile
from jobs.disclosure.rules.base import Bits, Evidence

ESTIMATED = {"var_samp": 1, "var_pop": 1, "stddev_samp": 1, "stddev_pop": 1}
"""Parameters that each function estimates from the same data (the mean)."""


def degrees_of_freedom(function: str, evidence: Evidence, profile: Profile) -> Bits:
    """Fails where units - estimated parameters < ``degrees_of_freedom``. Source: requirements E, as ACRO applies it."""
    estimated = ESTIMATED.get(function)
    if estimated is None:
        return np.zeros(len(evidence.units), dtype=np.bool_)
    return (evidence.units > 0) & (evidence.units - estimated < profile.degrees_of_freedom)
