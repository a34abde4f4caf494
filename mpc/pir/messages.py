"""The four messages of a session: ``Ask`` -> ``Hint`` (only when the client holds none), ``Query`` -> ``Answer``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, cast

from mpc.errors import MalformedMessage
from mpc.pir.layout import VERSION_BYTES, Layout
from mpc.pir.matrix import Words
from mpc.pir.parameters import MAX_COLUMNS, MAX_ROWS
from mpc.wire import MAX_BYTES, Reader, Writer

PROTOCOL: Final = 10
ASK: Final = 1
HINT: Final = 2
QUERY: Final = 3
ANSWER: Final = 4
MAX_LOOKUPS: Final = 1024
_MAX_WORDS: Final = MAX_BYTES // 4


@dataclass(frozen=True)
class Ask:
    """The client has no hint for this table."""

    session: bytes

    def encode(self) -> bytes:
        return Writer(PROTOCOL, ASK, self.session).done()

    @staticmethod
    def decode(message: bytes, session: bytes | None = None) -> Ask:
        reader = Reader(message).expect(PROTOCOL, ASK, session)
        reader.end()
        return Ask(reader.header.session)


@dataclass(frozen=True)
class Hint:
    """What any client of a table may keep: the layout and D A, uint32 of shape (layout.rows, n). Public to clients."""

    session: bytes
    layout: Layout
    matrix: Words = field(repr=False)

    def encode(self) -> bytes:
        return self.layout.write(Writer(PROTOCOL, HINT, self.session)).array(self.matrix).done()

    @staticmethod
    def decode(message: bytes, session: bytes | None = None) -> Hint:
        reader = Reader(message).expect(PROTOCOL, HINT, session)
        layout = Layout.read(reader)
        matrix = _words(reader, layout.rows * layout.profile.dimension)
        reader.end()
        if matrix.shape != (layout.rows, layout.profile.dimension):
            raise MalformedMessage("the hint has not the shape that its layout says")
        return Hint(reader.header.session, layout, matrix)


@dataclass(frozen=True)
class Query:
    """k LWE-encrypted column selections, uint32 of shape (k, columns), for one version of the table."""

    session: bytes
    version: bytes
    vectors: Words = field(repr=False)

    def encode(self) -> bytes:
        return Writer(PROTOCOL, QUERY, self.session).raw(self.version).array(self.vectors).done()

    @staticmethod
    def decode(message: bytes, session: bytes | None = None) -> Query:
        reader = Reader(message).expect(PROTOCOL, QUERY, session)
        version = reader.raw(VERSION_BYTES)
        vectors = _words(reader, _MAX_WORDS)
        reader.end()
        _check_lookups(vectors, MAX_COLUMNS)
        return Query(reader.header.session, version, vectors)


@dataclass(frozen=True)
class Answer:
    """The table times each vector of the query, uint32 of shape (k, rows)."""

    session: bytes
    version: bytes
    sums: Words = field(repr=False)

    def encode(self) -> bytes:
        return Writer(PROTOCOL, ANSWER, self.session).raw(self.version).array(self.sums).done()

    @staticmethod
    def decode(message: bytes, session: bytes | None = None) -> Answer:
        reader = Reader(message).expect(PROTOCOL, ANSWER, session)
        version = reader.raw(VERSION_BYTES)
        sums = _words(reader, _MAX_WORDS)
        reader.end()
        _check_lookups(sums, MAX_ROWS)
        return Answer(reader.header.session, version, sums)


def _words(reader: Reader, at_most: int) -> Words:
    return cast(Words, reader.array("u4", at_most))


def _check_lookups(words: Words, width: int) -> None:
    if not (1 <= words.shape[0] <= MAX_LOOKUPS and 1 <= words.shape[1] <= width):
        raise MalformedMessage(f"{words.shape[0]} lookups of {words.shape[1]} words; at most {MAX_LOOKUPS} of {width}")
