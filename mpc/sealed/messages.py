"""Messages of this protocol (number 5 on the wire): keys for the worker, a sealed column, a request to open.

Decoding checks lengths and counts; ciphertexts themselves are checked when they are loaded under a context.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Final

from mpc.errors import MalformedMessage
from mpc.sealed.parameters import Parameters
from mpc.wire import Reader, Writer

PROTOCOL: Final = 5
KEYS: Final = 1
COLUMN: Final = 2
OPEN: Final = 3
KEY_ID_BYTES: Final = 16
DIGEST_BYTES: Final = 32
MAX_BLOCKS: Final = 1 << 20
MAX_KEY_BYTES: Final = 1 << 29

Blocks = tuple[tuple[bytes, ...], ...]
"""Serialised ciphertexts, first by limb, then by block."""


@dataclass(frozen=True)
class KeyMaterial:
    """Key-holder to worker (and to sealers): parameters, and only those public keys that the circuit needs."""

    job: bytes
    key_id: bytes
    parameters: Parameters
    public_keys: tuple[bytes, ...] = field(repr=False)  # one per limb, or none
    relinearisation: bytes = field(repr=False)
    rotation: bytes = field(repr=False)

    def encode(self) -> bytes:
        writer = self.parameters.write(Writer(PROTOCOL, KEYS, self.job).raw(self.key_id))
        writer.u8(len(self.public_keys))
        for key in self.public_keys:
            writer.blob(key)
        return writer.blob(self.relinearisation).blob(self.rotation).done()

    @classmethod
    def decode(cls, message: bytes, job: bytes | None = None) -> KeyMaterial:
        reader = Reader(message).expect(PROTOCOL, KEYS, job)
        key_id, parameters = reader.raw(KEY_ID_BYTES), Parameters.read(reader)
        count = reader.u8()
        if count not in (0, parameters.limbs):
            raise MalformedMessage("one public key per limb, or none")
        public = tuple(reader.blob(2 * parameters.max_ciphertext_bytes) for _ in range(count))
        relinearisation, rotation = reader.blob(MAX_KEY_BYTES), reader.blob(MAX_KEY_BYTES)
        reader.end()
        if bool(relinearisation) != parameters.relinearise or bool(rotation) != parameters.fold:
            raise MalformedMessage("evaluation keys that the parameters do not ask for, or none where they do")
        return cls(reader.header.session, key_id, parameters, public, relinearisation, rotation)


@dataclass(frozen=True)
class SealedColumn:
    """A column under one job's key. ``index`` says which column of the circuit it is."""

    job: bytes
    key_id: bytes
    index: int
    rows: int
    blocks: Blocks = field(repr=False)

    def encode(self) -> bytes:
        writer = Writer(PROTOCOL, COLUMN, self.job).raw(self.key_id).u16(self.index).u32(self.rows)
        return _write(writer, self.blocks).done()

    @classmethod
    def decode(cls, message: bytes, parameters: Parameters, job: bytes | None = None) -> SealedColumn:
        reader = Reader(message).expect(PROTOCOL, COLUMN, job)
        key_id, index, rows = reader.raw(KEY_ID_BYTES), reader.u16(), reader.u32()
        blocks = _read(reader, parameters)
        reader.end()
        if not rows or parameters.blocks(rows) != len(blocks[0]):
            raise MalformedMessage("the number of ciphertexts does not match the number of rows")
        return cls(reader.header.session, key_id, index, rows, blocks)

    @property
    def digest(self) -> bytes:
        """What a circuit digest names this input by."""
        return hashlib.sha256(self.encode()).digest()


@dataclass(frozen=True)
class OpenRequest:
    """Worker to key-holder: masked results of the circuit that ``circuit`` (a digest) names."""

    job: bytes
    key_id: bytes
    circuit: bytes
    blocks: Blocks = field(repr=False)

    def encode(self) -> bytes:
        return _write(Writer(PROTOCOL, OPEN, self.job).raw(self.key_id).raw(self.circuit), self.blocks).done()

    @classmethod
    def decode(cls, message: bytes, parameters: Parameters, job: bytes | None = None) -> OpenRequest:
        reader = Reader(message).expect(PROTOCOL, OPEN, job)
        key_id, circuit = reader.raw(KEY_ID_BYTES), reader.raw(DIGEST_BYTES)
        blocks = _read(reader, parameters)
        reader.end()
        return cls(reader.header.session, key_id, circuit, blocks)


def _write(writer: Writer, blocks: Blocks) -> Writer:
    writer.u32(len(blocks[0]))
    for limb in blocks:
        for ciphertext in limb:
            writer.blob(ciphertext)
    return writer


def _read(reader: Reader, parameters: Parameters) -> Blocks:
    count, most = reader.u32(), parameters.max_ciphertext_bytes
    if not 1 <= count <= MAX_BLOCKS:
        raise MalformedMessage(f"1 to {MAX_BLOCKS} ciphertexts per limb")
    return tuple(tuple(reader.blob(most) for _ in range(count)) for _ in range(parameters.limbs))
