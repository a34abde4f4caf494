"""Minimum group (最小分组): an aggregate of a part rests on no unit at all, or on at least ``min_group`` of them."""

from jobs.disclosure.profile import Profile
from jobs.disclosure.rules.base import Bits, Evidence


def min_group(function: str, evidence: Evidence, profile: Profile) -> Bits:
    """Fails where 1 <= distinct units < ``min_group``.

    Source: Hundepool et al. (2010), Handbook on Statistical Disclosure Control, 4.2.
    """
    return (evidence.units > 0) & (evidence.units < profile.min_group)
