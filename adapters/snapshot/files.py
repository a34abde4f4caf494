"""One Arrow file of a snapshot: written with its digest, mapped into memory or opened by chunks, checked when read.

A worker reads every file that it needs whole once, against its digest; afterwards a file that is still the same by
inode, size and both time stamps is what was read then. The change time cannot be set back by an ordinary user.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from adapters.errors import SnapshotDamaged
from adapters.snapshot.index import StoredFile
from adapters.snapshot.sealed import SealedReader, SealedWriter

_CHUNK: Final = 1 << 20
_Identity = tuple[int, int, int, int]
_read_whole: dict[tuple[str, str], _Identity] = {}
"""By path and digest: the identity of the file when this process read it against the digest."""


class _Digesting(io.RawIOBase):
    """A new file that digests what it is given."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("xb")
        self.digest = hashlib.sha256()
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        self._file.write(view)
        self.digest.update(view)
        self.size += view.nbytes
        return view.nbytes

    def close(self) -> None:
        self._file.close()
        super().close()


class ArrowFileWriter:
    """Record batches of one schema to a new file. ``close`` says what was written."""

    def __init__(self, path: Path, schema: pa.Schema, key: bytes | None, name: str) -> None:
        self._plain = _Digesting(path)
        self._file: Any = self._plain if key is None else SealedWriter(self._plain, key, name)
        self._writer = pa.ipc.new_file(pa.PythonFile(self._file, mode="w"), schema)

    def write(self, batch: pa.RecordBatch) -> None:
        self._writer.write_batch(batch)

    def close(self) -> StoredFile:
        self._writer.close()
        self._file.close()
        return StoredFile(size=self._plain.size, sha256=self._plain.digest.hexdigest())


@dataclass(frozen=True)
class ArrowFile:
    """A file as the index names it. ``name`` is what its encryption is bound to."""

    path: Path
    stored: StoredFile
    key: bytes | None
    name: str

    def batches(self) -> tuple[pa.RecordBatch, ...]:
        """All record batches, mapped (or, encrypted, opened). Raises ``SnapshotDamaged`` for other bytes."""
        self.check()
        with _damage():
            file = pa.memory_map(str(self.path)) if self.key is None else pa.PythonFile(self._opened(), mode="r")
            reader = pa.ipc.open_file(file)
            return tuple(reader.get_batch(number) for number in range(reader.num_record_batches))

    def check(self) -> None:
        """Raise ``SnapshotDamaged`` unless the file is the one whose digest the index holds."""
        with _damage():
            identity = self._identity()
            place = (str(self.path), self.stored.sha256)
            if identity[1] != self.stored.size:
                raise SnapshotDamaged("a file of the snapshot has another size")
            if _read_whole.get(place) == identity:
                return
            if self._sha256() != self.stored.sha256 or self._identity() != identity:
                raise SnapshotDamaged("a file of the snapshot was changed on disk")
            _read_whole[place] = identity

    def check_present(self) -> None:
        """The same without reading it: size, and what was seen when it was read."""
        with _damage():
            identity = self._identity()
            before = _read_whole.get((str(self.path), self.stored.sha256), identity)
            if identity[1] != self.stored.size or identity != before:
                raise SnapshotDamaged("a file of the snapshot was changed on disk")

    def _opened(self) -> SealedReader:
        return SealedReader(self.path, self.key or b"", self.name)

    def _identity(self) -> _Identity:
        status = self.path.stat()
        return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns

    def _sha256(self) -> str:
        digest = hashlib.sha256()
        with self.path.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
        return digest.hexdigest()


@contextmanager
def _damage() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise SnapshotDamaged("a file of the snapshot is gone") from None
    except (pa.ArrowException, OSError) as error:
        raise SnapshotDamaged(f"a file of the snapshot cannot be read ({type(error).__name__})") from None
