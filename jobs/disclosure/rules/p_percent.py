"""p% rule: the second largest unit, knowing its own part, cannot estimate the largest to within p percent."""

import numpy as np

from jobs.disclosure.profile import Profile
from jobs.disclosure.rules.evidence import Bits, Evidence, Measure, nowhere


def p_percent(evidence: Evidence, profile: Profile) -> Bits:
    """Fails where total - top1 - top2 < p% of top1, in exact integers; off where p is 0.

    Source: Hundepool et al. (2010), Handbook on Statistical Disclosure Control, 4.2.1. It looks at secret values, so
    what it closes is counted (``Profile.secret_vetoes``).
    """
    failing = nowhere(evidence)
    if profile.p_percent:
        for measure in evidence.measures:
            failing |= _estimable(measure, profile)
    return failing


def _estimable(measure: Measure, profile: Profile) -> Bits:
    return np.fromiter(
        (
            100 * (total - top1 - top2) < profile.p_percent * top1
            for top1, top2, total in zip(measure.top1, measure.top2, measure.total, strict=True)
        ),
        dtype=np.bool_,
        count=len(measure.total),
    )
