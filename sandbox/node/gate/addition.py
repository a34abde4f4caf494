"""What one question adds to a unit domain, and its bytes: all that is needed to have the same memory again.

Arrays are little-endian, joined and compressed (Zstandard, RFC 8878); the header is canonical JSON. Read only after
the piece around it was authenticated.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from jobs.documents import canonical, parse_canonical
from sandbox.node.gate.kernels import Int32, UInt64
from sandbox.node.gate.places import Growth
from sandbox.node.gate.system import Rows

Subject = tuple[str, str] | None
"""(dataset, column), or which records there are at all."""
_LENGTH: Final = 8
_ID: Final = 16


@dataclass(frozen=True, repr=False)
class Added:
    """Rows of one system, numbered by all partitions of the domain; ``ids`` of the answers behind them.

    ``of_unit``: its values are said of units.
    """

    subject: Subject
    rows: Rows
    ids: tuple[bytes, ...]
    of_unit: bool = False


@dataclass(frozen=True, repr=False)
class Addition:
    """``partitions``: (labels, bases) of those that are new; labels end with the last record that has one."""

    job: str
    growth: Growth
    partitions: tuple[tuple[Int32, int], ...] = ()
    added: tuple[Added, ...] = field(default=())

    def encode(self) -> bytes:
        growth = self.growth
        arrays: list[npt.NDArray[Any]] = [growth.hashes, growth.units, growth.more, growth.names, growth.named]
        arrays += [_shortest(labels + 1, bases) for labels, bases in self.partitions]
        for system in self.added:
            arrays += [*system.rows.arrays, np.frombuffer(b"".join(system.ids), np.uint8)]
        raw = b"".join(np.ascontiguousarray(a).astype(a.dtype.newbyteorder("<"), copy=False).tobytes() for a in arrays)
        header = canonical(
            {
                "job": self.job,
                "arrays": [[a.dtype.name, list(a.shape)] for a in arrays],
                "bases": [bases for _, bases in self.partitions],
                "systems": [list(system.subject or ()) for system in self.added],
                "of_unit": [system.of_unit for system in self.added],
                "size": len(raw),
            }
        )
        packed: bytes = pa.compress(raw, codec="zstd", asbytes=True)
        return len(header).to_bytes(_LENGTH, "little") + header + packed

    @classmethod
    def decode(cls, data: bytes) -> Addition:
        end = _LENGTH + int.from_bytes(data[:_LENGTH], "little")
        header = parse_canonical(data[_LENGTH:end])
        raw = pa.decompress(data[end:], decompressed_size=header["size"], codec="zstd", asbytes=True)
        arrays = iter(_arrays(raw, header["arrays"]))
        growth = Growth(next(arrays), next(arrays), next(arrays), next(arrays), next(arrays))
        partitions = tuple((next(arrays).astype(np.int32) - 1, bases) for bases in header["bases"])
        added = []
        for subject, of_unit in zip(header["systems"], header["of_unit"], strict=True):
            rows = Rows(next(arrays), next(arrays), next(arrays))
            ids = next(arrays).tobytes()
            split = tuple(ids[at : at + _ID] for at in range(0, len(ids), _ID))
            added.append(Added((subject[0], subject[1]) if subject else None, rows, split, of_unit))
        return cls(header["job"], growth, partitions, tuple(added))


def _arrays(raw: bytes, shapes: list[Any]) -> list[Any]:
    made, at = [], 0
    for name, shape in shapes:
        kind, count = np.dtype(name).newbyteorder("<"), int(np.prod(shape, dtype=np.int64))
        made.append(np.frombuffer(raw, kind, count, at).reshape(shape).astype(np.dtype(name)))
        at += count * kind.itemsize
    return made


def _shortest(labels: Int32, bases: int) -> npt.NDArray[Any]:
    inside = np.flatnonzero(labels)
    end = int(inside[-1]) + 1 if len(inside) else 0
    kind: Any = np.uint8 if bases < 1 << 8 else np.uint16 if bases < 1 << 16 else np.int32
    return labels[:end].astype(kind)


def hash_pairs(high: UInt64, low: UInt64) -> UInt64:
    return np.ascontiguousarray(np.stack([high, low], axis=1))
