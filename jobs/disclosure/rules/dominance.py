"""NK dominance: the n largest units together hold at most k percent of an aggregate's absolute contributions."""

import numpy as np

from jobs.disclosure.profile import Profile
from jobs.disclosure.rules.evidence import Bits, Evidence, Measure, nowhere


def dominance(evidence: Evidence, profile: Profile) -> Bits:
    """Fails where (top1 [+ top2]) > k% of the total, in exact integers; off where k is 0.

    Source: Hundepool et al. (2010), Handbook on Statistical Disclosure Control, 4.2.1. It looks at secret values, so
    what it closes is counted (``Profile.secret_vetoes``).

    A total of zero has nothing to dominate: every contribution is zero and the minimum group alone decides.
    """
    failing = nowhere(evidence)
    if profile.dominance_k_percent:
        for measure in evidence.measures:
            failing |= _dominated(measure, profile)
    return failing


def _dominated(measure: Measure, profile: Profile) -> Bits:
    second = profile.dominance_n == 2
    return np.fromiter(
        (
            100 * (top1 + (top2 if second else 0)) > profile.dominance_k_percent * total
            for top1, top2, total in zip(measure.top1, measure.top2, measure.total, strict=True)
        ),
        dtype=np.bool_,
        count=len(measure.total),
    )
