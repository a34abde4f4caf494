"""The shell around every protocol: the binary form, the driver, and what a message shows of itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pytest

from mpc.drive import run
from mpc.errors import BadParameters, MalformedMessage, TooFewParties, UnknownParty, WrongSession
from mpc.party import PartyName, Send
from mpc.wire import HEADER_BYTES, Reader, Writer, header

SESSION = bytes(range(16))
A, B = PartyName("a"), PartyName("b")


def _message() -> bytes:
    writer = Writer(7, 3, SESSION).u8(1).u16(2).u32(3).u64(4).blob(b"five").text("sechs")
    return writer.array(np.arange(6, dtype=np.uint32).reshape(2, 3)).array(np.arange(2, dtype=np.uint8)).done()


def test_what_is_written_is_read() -> None:
    reader = Reader(_message()).expect(7, 3, SESSION)
    assert (reader.u8(), reader.u16(), reader.u32(), reader.u64(), reader.blob(4), reader.text()) == (
        *(1, 2, 3, 4),
        b"five",
        "sechs",
    )
    assert reader.array(np.uint32, 6).tolist() == [[0, 1, 2], [3, 4, 5]]
    assert reader.array(np.uint8, 2).tolist() == [[0], [1]]
    reader.end()
    assert header(_message()).session == SESSION


@pytest.mark.parametrize(("at", "value"), [(0, ord("X")), (1, ord("X")), (2, 0), (2, 2)])
def test_another_magic_or_version_is_refused(at: int, value: int) -> None:
    message = bytearray(_message())
    message[at] = value
    with pytest.raises(MalformedMessage):
        Reader(bytes(message))


def test_another_protocol_kind_or_session_is_refused() -> None:
    reader = Reader(_message())
    for protocol, kind in ((7, 2), (6, 3)):
        with pytest.raises(MalformedMessage):
            reader.expect(protocol, kind)
    with pytest.raises(WrongSession):
        reader.expect(7, 3, bytes(16))


def test_no_field_is_longer_than_allowed_or_than_the_message() -> None:
    """The length is judged before anything of that size is taken: four bytes can announce 4 GiB."""
    body = Writer(7, 3, SESSION)
    with pytest.raises(MalformedMessage, match="at most 3"):
        Reader(body.blob(b"four").done()).blob(3)
    with pytest.raises(MalformedMessage, match="at most 5"):
        Reader(Writer(7, 3, SESSION).array(np.zeros((2, 3), np.uint8)).done()).array(np.uint8, 5)
    huge = Writer(7, 3, SESSION).u32(2**32 - 1)
    with pytest.raises(MalformedMessage, match="truncated"):
        Reader(huge.done()).blob(2**32)
    with pytest.raises(MalformedMessage, match="truncated"):
        Reader(huge.u32(2**20).done()).array(np.uint64, 2**62)


@pytest.mark.parametrize("cut", [0, 1, HEADER_BYTES - 1, HEADER_BYTES, -1])
def test_truncated_and_trailing_bytes_are_refused(cut: int) -> None:
    def read(message: bytes) -> None:
        reader = Reader(message).expect(7, 3, SESSION)
        for take in (reader.u8, reader.u16, reader.u32, reader.u64):
            take()
        reader.blob(4), reader.text(), reader.array(np.uint32, 6), reader.array(np.uint8, 2)
        reader.end()

    read(_message())
    with pytest.raises(MalformedMessage):
        read(_message()[:cut])
    with pytest.raises(MalformedMessage, match="trailing"):
        read(_message() + b"\x00")


def test_what_does_not_fit_is_not_written() -> None:
    with pytest.raises(MalformedMessage, match="16 bytes"):
        Writer(7, 3, b"short")
    for write in (Writer(7, 3, SESSION).u8, Writer(7, 3, SESSION).u16, Writer(7, 3, SESSION).u32):
        for value in (-1, 2**32):
            with pytest.raises(MalformedMessage):
                write(value)
    with pytest.raises(MalformedMessage, match="UTF-8"):
        Reader(Writer(7, 3, SESSION).blob(b"\xff").done()).text()


class _Toy:
    """Says what it is told to and is finished once it has heard something."""

    def __init__(self, name: PartyName, says: Callable[[], list[Send]] = list) -> None:
        self.name, self._says, self.finished = name, says, False

    def start(self) -> Iterable[Send]:
        return self._says()

    def receive(self, sender: PartyName, message: bytes) -> Iterable[Send]:
        self.finished = True
        return []


def test_the_driver_delivers_counts_and_refuses_silence() -> None:
    both = [_Toy(A, lambda: [Send(B, b"xyz")]), _Toy(B, lambda: [Send(A, b"x")])]
    assert run(both) == 4
    with pytest.raises(TooFewParties, match="b"):
        run([_Toy(A), _Toy(B, lambda: [Send(A, b"x")])])
    with pytest.raises(UnknownParty, match="nobody"):
        run([_Toy(A, lambda: [Send(PartyName("nobody"), b"x")])])


def test_two_parties_of_one_name_are_refused() -> None:
    """One would silently replace the other, and the run would end well without it."""
    with pytest.raises(BadParameters, match="name"):
        run([_Toy(A, lambda: [Send(A, b"x")]), _Toy(A, lambda: [Send(A, b"x")])])


def test_a_message_under_way_does_not_show_its_content() -> None:
    assert "seed" not in repr(Send(A, b"seed"))
