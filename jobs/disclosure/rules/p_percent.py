"""p% rule: the second largest unit, knowing its own part, cannot estimate the largest to within p percent."""

import numpy as np

from jobs.disclosure.profile import Profile
from jobs.disclosure.rules.base import Bits, Evidence


def p_percent(function: str, evidence: Evidence, profile: Profile) -> Bits:
    """Fails where total - top1 - top2 < p% of top1, in exact integers.

    Source: Hundepool et al. (2010), Handbook on Statistical Disclosure Control, 4.2.1.
    """
    return np.fromiter(
        (
            100 * (total - top1 - top2) < profile.p_percent * top1
            for top1, top2, total in zip(evidence.top1, evidence.top2, evidence.total, strict=True)
        ),
        dtype=np.bool_,
        count=len(evidence.total),
    )
