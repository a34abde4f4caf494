"""Minimum group (最小分组) of the contributors: the units behind the number itself, judged on their noisy count."""

from jobs.disclosure.profile import Profile
from jobs.disclosure.rules.evidence import Bits, Evidence


def contributors(evidence: Evidence, profile: Profile) -> Bits:
    """Fails where anybody is concerned and contributors < ``min_group``.

    Source: Hundepool et al. (2010), Handbook on Statistical Disclosure Control, 4.2. On an exact count this verdict
    would be an oracle for one secret value: add the target to nine others and ask. Noise makes it as uncertain as
    the numbers are.
    """
    return evidence.asked(profile) & (evidence.contributors < profile.min_group)
