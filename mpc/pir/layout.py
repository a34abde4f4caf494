"""What a client must know to ask: a table's shape, its seeds, and which version of it a hint belongs to. Public."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from mpc.errors import BadParameters, MalformedMessage, MpcError
from mpc.pir.matrix import SEED_BYTES
from mpc.pir.parameters import LOG_Q, PROFILES, Profile, check_shape, hiding_columns
from mpc.wire import Reader, Writer

INDEX: Final = 1
KEYWORD: Final = 2
VERSION_BYTES: Final = 32
MARK_BYTES: Final = 8
"""Zero bytes in front of every value of a keyword table: an absent key passes for present once in 2^64."""


class StaleHint(MpcError):
    """The hint belongs to another version of the table: drop it and ask the server for a new one."""


@dataclass(frozen=True)
class Layout:
    """Records lie in ``blocks`` blocks of ``item_bytes`` rows; a lookup names columns and reads one block.

    Records fill the first ``filled`` columns; the others are random and hide them in the hint, for ``answers`` lookups.
    ``records`` is the number of records, ``seed`` that of the public matrix, ``version`` a salted digest of all table
    content (the salt is dropped, so nobody can confirm a guess of the content by it). Keyword tables have
    ``segment`` > 0 (length of a fuse filter segment), a ``hash_seed``, and one build ``attempt`` per block. What it
    tells a client beyond the shape: columns and attempts of a keyword table depend on how its keys fall into blocks.
    """

    profile: Profile
    kind: int
    records: int
    blocks: int
    filled: int
    answers: int
    item_bytes: int
    segment: int
    seed: bytes
    hash_seed: bytes
    attempts: bytes
    version: bytes

    @property
    def rows(self) -> int:
        return self.blocks * self.item_bytes

    @property
    def columns(self) -> int:
        """Of table and query: those with records and those that hide them."""
        return self.filled + hiding_columns(self.profile, self.answers)

    def readable(self, lookups: int) -> int:
        """The most records of which a client that asks as it likes learns at least a bit: what ``lookups`` cost.

        A row's answer is one number of 32 bits, of which an honest client uses eight. By weights of its own a client
        gets four whole columns, or one bit each of 32, and each column holds ``blocks`` records.
        """
        return min(self.records, lookups * LOG_Q * self.blocks)

    @property
    def value_bytes(self) -> int:
        return self.item_bytes - (MARK_BYTES if self.kind == KEYWORD else 0)

    def write(self, writer: Writer) -> Writer:
        writer.u8(self.profile.number).u8(self.kind).u64(self.records)
        writer.u32(self.blocks).u32(self.filled).u32(self.answers).u32(self.item_bytes).u32(self.segment)
        return writer.raw(self.seed).raw(self.hash_seed).blob(self.attempts).raw(self.version)

    @staticmethod
    def read(reader: Reader) -> Layout:
        """Raises ``MalformedMessage`` for a layout no builder makes, ``BadParameters`` for an unsupported shape."""
        number = reader.u8()
        if number not in PROFILES:
            raise MalformedMessage(f"no parameter profile {number}")
        kind, records = reader.u8(), reader.u64()
        blocks, filled, answers = reader.u32(), reader.u32(), reader.u32()
        item_bytes, segment = reader.u32(), reader.u32()
        seed, hash_seed = reader.raw(SEED_BYTES), reader.raw(SEED_BYTES)
        attempts = reader.blob(at_most=1 << 18)
        layout = Layout(
            PROFILES[number],
            kind,
            records,
            blocks,
            filled,
            answers,
            item_bytes,
            segment,
            seed,
            hash_seed,
            attempts,
            reader.raw(VERSION_BYTES),
        )
        layout.check()
        return layout

    def check(self) -> None:
        """Refuse (``MalformedMessage``, ``BadParameters``) fields that contradict each other."""
        if not (self.filled and self.answers):
            raise BadParameters("a table has at least one column of records and answers at least one lookup")
        check_shape(self.rows, self.columns, self.item_bytes)
        if not 1 <= self.records <= self.blocks * self.filled:
            raise MalformedMessage("more records than places, or none")
        if self.kind == INDEX:
            if self.segment or self.attempts or any(self.hash_seed):
                raise MalformedMessage("an index table with the fields of a keyword table")
            if self.records <= (self.blocks - 1) * self.filled:
                raise MalformedMessage("an index table with an empty block")
        elif self.kind == KEYWORD:
            segment = self.segment
            if segment < 1 or segment & (segment - 1) or self.filled % segment or self.filled < 3 * segment:
                raise MalformedMessage("columns are not three or more segments of a power of two")
            if len(self.attempts) != self.blocks or self.item_bytes <= MARK_BYTES:
                raise MalformedMessage("a keyword table needs one attempt per block and room for a value")
        else:
            raise MalformedMessage(f"no table kind {self.kind}")
