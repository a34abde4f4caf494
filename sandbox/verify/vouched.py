"""Did the participants recompute the release themselves? Who did not is named, and what is then not proven is said."""

from __future__ import annotations

from collections.abc import Sequence

from jobs.documents import Permit, Release, Verified, Vouch
from sandbox.errors import ReceiptRefused

UNPROVEN = "not proven: that the hub computed the numbers from what the nodes sent"


def check_vouches(
    vouches: Sequence[Verified[Vouch]], permit: Verified[Permit], release: Verified[Release], *, recomputed: bool
) -> None:
    """Raise ``ReceiptRefused`` for a vouch of a stranger, a second one of a participant, or one for another release.

    Of a kind whose output is ``recomputed``, every participant must have vouched.
    """
    nodes = [item.document.node for item in vouches]
    if len(set(nodes)) != len(nodes) or set(nodes) - set(permit.document.participants):
        raise ReceiptRefused("vouch", "the vouches are not of participants, one of each")
    for item in (found.document for found in vouches):
        if (item.permit, item.release) != (permit.digest, release.digest):
            raise ReceiptRefused("vouch", f"node {item.node} vouches for another release")
    if recomputed and (missing := sorted(set(permit.document.participants) - set(nodes))):
        raise ReceiptRefused("vouch", f"{', '.join(missing)} did not recompute and sign the release")


def say_vouched(vouches: Sequence[Verified[Vouch]], permit: Permit) -> str:
    """One line: all recomputed it, or what is not proven and by whom it was not confirmed."""
    vouched = {item.document.node for item in vouches}
    missing = [node for node in permit.participants if node not in vouched]
    if not missing:
        return f"recomputed and signed by all {len(vouched)} participant(s)"
    return UNPROVEN if not vouched else f"{UNPROVEN} ({', '.join(missing)} did not confirm it)"
