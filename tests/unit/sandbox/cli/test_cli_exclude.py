"""Which files ``unseen node exclude`` takes: what cannot be meant is refused, since a slip would leave somebody in."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.cli.node_exclude import read_units
from sandbox.errors import InvalidSpec


def test_one_unit_a_line_exactly_as_it_stands(tmp_path: Path) -> None:
    file = tmp_path / "gone.txt"
    file.write_bytes("A 1\n\n0042\r\n\u5317\u4eac-7".encode())
    assert read_units(file) == ["A 1", "0042", "\u5317\u4eac-7"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "names nobody"),
        (b"\n\n", "names nobody"),
        (b" p1\n", "a space"),
        (b"p1\n\xef\xbb\xbfp2\n", "mark"),
        (b"\xff\xfe\n", "UTF-8"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused(tmp_path: Path, text: bytes, why: str) -> None:
    file = tmp_path / "gone.txt"
    file.write_bytes(text)
    with pytest.raises(InvalidSpec, match=why):
        read_units(file)
