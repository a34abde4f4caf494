"""Is this file the released output? Compared with the salted commitments that the hub signed."""

from __future__ import annotations

from collections.abc import Sequence

from jobs.documents import CLOCK_SKEW, Delivery, Output, Release, Verified, digest, salted_commitment, same_digest
from sandbox.errors import ReceiptRefused

CANONICAL = "application/json"
"""Media type of a content in its one canonical form."""


def check_deliveries(deliveries: Sequence[Verified[Delivery]], release: Verified[Release]) -> None:
    """Raise ``ReceiptRefused`` unless each is a delivery of this release, once for each receiver, not before it."""
    receivers = [item.document.receiver for item in deliveries]
    if len(set(receivers)) != len(receivers):
        raise ReceiptRefused("delivery", "one receiver is listed with two deliveries")
    for item in (found.document for found in deliveries):
        if item.release != release.digest:
            raise ReceiptRefused("delivery", f"delivery {item.id} is of another release")
        if item.delivered_at < release.document.released_at - CLOCK_SKEW:
            raise ReceiptRefused("delivery", f"delivery {item.id} is dated before the release")


def verify_output(
    release: Release, deliveries: Sequence[Verified[Delivery]], content: bytes | None, salt: bytes | None
) -> Output | None:
    """Return the committed output that ``content`` is, None without content; raises ``ReceiptRefused``.

    ``salt`` came with the delivery, or with the release for the content in its canonical form.
    """
    if content is None:
        return None
    if salt is None:
        raise ReceiptRefused("output", "comparing the released content needs its salt, which came with the release")
    commitment = salted_commitment(salt, digest(content))
    for output in (output for item in deliveries for output in item.document.outputs):
        if output.size == len(content) and same_digest(output.commitment, commitment):
            return output
    if same_digest(release.content, commitment):
        return Output(media_type=CANONICAL, size=len(content), commitment=commitment)
    raise ReceiptRefused("output", "this content is not what was released: it was changed, or the salt is another's")
