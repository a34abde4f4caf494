"""Blinding in several processes: GMP holds the interpreter lock, so threads would gain nothing."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from types import TracebackType

from mpc.errors import BadParameters
from mpc.paillier.cipher import Encryptor
from mpc.paillier.keys import PublicKey

_table: Encryptor | None = None  # one per worker process, built once by its initialiser; never set in the caller's


class EncryptionPool:
    """A context manager whose ``blind`` goes where ``Encryptor.encrypt`` takes one.

    Randomness is drawn by the caller, so it stays injectable; exponents and plaintexts reach the workers through pipes
    of the same user. Processes are spawned, never forked: a fork would copy the caller's threads' locks.
    """

    def __init__(self, encryptor: Encryptor, processes: int) -> None:
        if not 1 <= processes <= 256:
            raise BadParameters("processes must be 1 to 256")
        self._processes = processes
        self._executor = ProcessPoolExecutor(
            processes, get_context("spawn"), initializer=_start, initargs=(encryptor.key.n, encryptor.base)
        )

    def __enter__(self) -> EncryptionPool:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._executor.shutdown()

    def blind(self, plaintexts: list[int], exponents: list[bytes]) -> list[int]:
        """As ``Encryptor.blind``, split into four parts per process so that a slow core does not hold up the rest."""
        size = max(1, -(-len(plaintexts) // (4 * self._processes)))
        parts = range(0, len(plaintexts), size)
        results = self._executor.map(
            _blind, [plaintexts[i : i + size] for i in parts], [exponents[i : i + size] for i in parts]
        )
        return [ciphertext for part in results for ciphertext in part]


def _start(n: int, base: int) -> None:
    global _table
    _table = Encryptor(PublicKey(n), base=base)


def _blind(plaintexts: list[int], exponents: list[bytes]) -> list[int]:
    if _table is None:
        raise BadParameters("a worker process without its table")
    return _table.blind(plaintexts, exponents)
