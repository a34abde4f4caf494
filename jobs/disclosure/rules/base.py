"""The base (底数): the known conditions of an answer are met by no unit at all, or by at least ``min_group``."""

from jobs.disclosure.profile import Profile
from jobs.disclosure.rules.evidence import Bits, Evidence, nowhere


def base(evidence: Evidence, profile: Profile) -> Bits:
    """Fails where 1 <= units of the base < ``min_group``; not asked of data that has nothing to hide, nor
    where the owners judge all parts together.

    It depends on known columns alone, so whoever is refused learns nothing that he could not know before (simulatable
    auditing: Kenthapadi, Mishra and Nissim, 2005).
    """
    if profile.exact or evidence.joint:
        return nowhere(evidence)
    return (evidence.base > 0) & (evidence.base < profile.min_group)
