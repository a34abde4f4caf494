"""Full cells: where (nearly) everybody of the base is selected by a secret condition, the answer is about each one."""

from jobs.disclosure.profile import Profile
from jobs.disclosure.rules.evidence import Bits, Evidence, nowhere


def full(evidence: Evidence, profile: Profile) -> Bits:
    """Fails where units of the base - contributors < ``min_group``, on the same noisy count as ``contributors``.

    85 of 85 with a diagnosis tells the diagnosis of all 85: group disclosure (Hundepool et al., 2010, 4.2). It is
    ``contributors`` asked of the complement. Where the owners judge all parts together nobody sees the base of all: it
    is asked of each part that has two groups' worth of units.
    """
    if profile.exact or not evidence.chosen:
        return nowhere(evidence)
    least = 2 * profile.min_group if evidence.joint else 1
    return (evidence.base >= least) & (evidence.base - evidence.contributors < profile.min_group)
