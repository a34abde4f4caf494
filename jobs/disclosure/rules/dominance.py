"""NK dominance: the n largest units together hold at most k percent of an aggregate's absolute contributions."""

import numpy as np

from jobs.disclosure.profile import Profile
from jobs.disclosure.rules.base import Bits, Evidence


def dominance(function: str, evidence: Evidence, profile: Profile) -> Bits:
    """Fails where (top1 [+ top2]) > k% of the total, in exact integers.

    Source: Hundepool et al. (2010), Handbook on Statistical Disclosure Control, 4.2.1.

    A total of zero has nothing to dominate: every contribution is zero and the minimum group alone decides.
    """
    second = profile.dominance_n == 2
    return np.fromiter(
        (
            100 * (top1 + (top2 if second else 0)) > profile.dominance_k_percent * total
            for top1, top2, total in zip(evidence.top1, evidence.top2, evidence.total, strict=True)
        ),
        dtype=np.bool_,
        count=len(evidence.total),
    )
