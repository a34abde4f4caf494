"""Published notes: the key pair and note of Go's golang.org/x/mod/sumdb/note, and the example of C2SP tlog-cosignature.

The specification publishes no keys for its example, so there only the framing can be compared.
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest

from jobs.documents import SigningKey
from sandbox.audit import ED25519, Checkpoint, Note, NoteKey
from sandbox.audit.cosign import cosigned_message
from sandbox.errors import BadLogSignature

VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
SECRET = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"  # published with the Go package's example
NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
).encode()

COSIGNED = (
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    "— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+"
    "xeMcTOAYQ8=\n"
    "— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+"
    "mbIUBkBIfZ+qnA==\n"
).encode()


def test_go_note_is_read_verified_and_made_again() -> None:
    key = NoteKey.parse(VKEY)
    assert (key.name, key.kind, key.vkey) == ("PeterNeumann", ED25519, VKEY)
    note = Note.parse(NOTE)
    note.verify(key)
    signer = SigningKey.from_seed(base64.b64decode(SECRET)[1:])
    assert Note(note.text).signed("PeterNeumann", signer).encode() == NOTE


@pytest.mark.parametrize(("old", "new"), [(b"answer", b"Answer"), (b"x08go/ZJkuBS9UG", b"x08go/ZJkuBS9UH")])
def test_go_note_altered_is_refused(old: bytes, new: bytes) -> None:
    with pytest.raises(BadLogSignature):
        Note.parse(NOTE.replace(old, new)).verify(NoteKey.parse(VKEY))


def test_specification_example_is_framed_as_published() -> None:
    note = Note.parse(COSIGNED)
    assert note.encode() == COSIGNED
    checkpoint = Checkpoint.parse(note.text)
    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20852163)
    assert checkpoint.text == note.text
    line = note.signatures[1]
    stamp = int.from_bytes(line.body[:8], "big")
    assert (line.name, line.key_id.hex(), len(line.body)) == ("witness.example.com/w1", "8d66cf3f", 72)
    assert datetime.fromtimestamp(stamp, UTC).year == 2023
    assert cosigned_message(note.text, stamp).decode() == (
        "cosignature/v1\ntime 1679315147\nexample.com/behind-the-sofa\n20852163\n"
        "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    )
