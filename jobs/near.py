"""What a person probably meant by a name that is not known."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(name: str, names: Iterable[str]) -> str:
    """``, did you mean x?`` where one of the names is near, or the only one that holds it; else nothing."""
    shown = {known.lower(): known for known in names}
    sought = name.lower()[:64]
    found = get_close_matches(sought, shown, n=1, cutoff=0.6) or [known for known in shown if f"_{sought}" in known]
    return f", did you mean {shown[found[0]]}?" if len(found) == 1 else ""
