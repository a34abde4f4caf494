"""Is this file the released output? Compared with the salted commitment that the hub signed."""

from __future__ import annotations

from jobs.documents import Output, Release, digest, salted_commitment, same_digest
from sandbox.errors import ReceiptRefused


def verify_output(release: Release, content: bytes | None, salt: bytes | None) -> Output | None:
    """Return the committed output that ``content`` is, None without content; raises ``ReceiptRefused``."""
    if content is None:
        return None
    if salt is None:
        raise ReceiptRefused("output", "comparing the released content needs its salt, which came with the release")
    commitment = salted_commitment(salt, digest(content))
    for output in release.outputs:
        if output.size == len(content) and same_digest(output.commitment, commitment):
            return output
    raise ReceiptRefused("output", "this content is not what was released: it was changed, or the salt is another's")
