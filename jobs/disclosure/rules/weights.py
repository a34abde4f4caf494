"""Weights: no individual may have most of the weight in a sum that one secret column weighs by another."""

from jobs.disclosure.profile import Profile
from jobs.disclosure.rules.evidence import Bits, Evidence, nowhere


def weights(evidence: Evidence, profile: Profile) -> Bits:
    """Fails where the squares of a factor add up to fewer than ``min_group`` of the largest, by a noisy sum.

    A sum of products a * b over a thousand records is about one person's a, if that one alone has a large b. It is
    ``contributors`` in units of weight: whoever has the largest possible b has at most a tenth of it all.
    """
    failing = nowhere(evidence)
    if profile.exact:
        return failing
    for found in evidence.weights:
        failing |= found < profile.min_group
    return failing & evidence.asked(profile)
