"""The additive scheme on lifted ElGamal over ristretto255: fast rows, totals that must lie in a range one can search.

ElGamal with the message in the exponent adds under encryption (Cramer, Gennaro, Schoenmakers, "A Secure and Optimally
Efficient Multi-Authority Election Scheme", EUROCRYPT 1997); private intersection-sum takes any such
scheme (Ion et al. 2020). A row is (rB, m_1 B + r X_1, ... m_k B + r X_k), 32 bytes each: one r serves all columns
under one key each (Kurosawa, "Multi-recipient Public-Key Encryption with Shortened Ciphertext", PKC 2002). ``decrypt``
searches the sum (``discrete_log``), so the range of totals is proven beforehand and refused beyond 2^44 numbers.

Model: semi-honest; IND-CPA under DDH in ristretto255, keys fresh for each session. ``total`` adds a fresh encryption
of zero, which makes it uniform among all ciphertexts of its sums: the key-holder sees the sums and nothing else.
Values larger than the range are not cut into digits here, though digits would be cheap: party 2 would learn the sum of
each digit instead of the sum.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from mpc.errors import BadParameters, IntegrityError, MalformedMessage, OutOfRange
from mpc.oprf import group
from mpc.party import RandomBytes
from mpc.psi_dh import sodium
from mpc.psi_dh.additive import Rows, Values, check_values
from mpc.psi_dh.discrete_log import DiscreteLog
from mpc.psi_dh.edwards import IDENTITY, Point, encoded, plus
from mpc.psi_dh.ristretto_sum import sum_of

TAG: Final = b"E"
MOST_COLUMNS: Final = 127
_POINT: Final = sodium.POINT
_WIDE: Final = 64
_CHUNK: Final = 1024
_Result = TypeVar("_Result")


class ElGamalKeyHolder:
    """Party 2's half. It makes its keys itself, for this run only."""

    def __init__(
        self,
        columns: int,
        value_bits: int,
        most_rows: int,
        random_bytes: RandomBytes,
        signed: bool = False,
        executor: Executor | None = None,
    ) -> None:
        """``most_rows`` bounds the set size, and with the values' range the totals' range. ``executor``: threads.

        Raises ``BadParameters`` for more than 127 columns, or if a total could be one of more than 2^44 numbers.
        """
        low, high = totals_range(value_bits, most_rows, signed)
        if not 1 <= columns <= MOST_COLUMNS:
            raise BadParameters(f"1 to {MOST_COLUMNS} columns")
        self._logarithm = DiscreteLog(low, high)
        self._columns, self._value_bits, self._most_rows, self._signed = columns, value_bits, most_rows, signed
        self._random, self._executor = random_bytes, executor
        self._keys = [group.random_scalar(random_bytes) for _ in range(columns)]
        self.ciphertext_bytes = _POINT * (columns + 1)

    def __repr__(self) -> str:
        return f"ElGamalKeyHolder(columns={self._columns})"

    @property
    def public(self) -> bytes:
        return TAG + b"".join(group.multiply_base(key) for key in self._keys)

    def encrypt(self, values: Values) -> Rows:
        """One fresh r per row. Two multiplications of the fixed base for one column, one more for each other."""
        check_values(values, self._columns, self._value_bits, self._signed)
        if len(values) > self._most_rows:
            raise OutOfRange(f"{len(values)} rows; the range of totals was proven for {self._most_rows}")
        wide = _uniform(self._random, len(values))
        keys = np.frombuffer(b"".join(self._keys), np.uint8).reshape(-1, _POINT)
        plus, minus = np.maximum(values, 0).astype(np.uint64), np.maximum(-values, 0).astype(np.uint64)
        rows = np.zeros((len(values), self.ciphertext_bytes), np.uint8)
        call = sodium.functions()

        def piece(part: slice) -> int:
            return int(sodium.encrypt_rows(call, wide[part], keys, plus[part], minus[part], rows[part]))

        if any(_in_pieces(piece, len(values), self._executor)):
            raise IntegrityError("the source of randomness gave zero: it is broken")
        return rows

    def decrypt(self, total: bytes) -> tuple[int, ...]:
        first, *others = _elements(total, self._columns)
        sums = [
            self._logarithm.find(group.add(other, group.multiply(_negative(key), first)))
            for key, other in zip(self._keys, others, strict=True)
        ]
        if None in sums:
            raise OutOfRange("not a total of the rows that were sent")
        return tuple(found for found in sums if found is not None)


class ElGamalEvaluator:
    """Party 1's half: adds points."""

    def __init__(self, public: bytes, random_bytes: RandomBytes, executor: Executor | None = None) -> None:
        """Raises ``MalformedMessage`` for bytes that are not 1 to 127 elements other than the identity."""
        columns, rest = divmod(len(public) - 1, _POINT)
        if public[:1] != TAG or rest or not 1 <= columns <= MOST_COLUMNS:
            raise MalformedMessage("not the public keys of 1 to 127 columns")
        self._keys = [group.check_element(public[at : at + _POINT]) for at in range(1, len(public), _POINT)]
        self._random, self._executor = random_bytes, executor
        self.ciphertext_bytes = _POINT * (columns + 1)

    def __repr__(self) -> str:
        return f"ElGamalEvaluator(columns={len(self._keys)})"

    def total(self, rows: Rows) -> bytes:
        if rows.ndim != 2 or rows.shape[1] != self.ciphertext_bytes:
            raise MalformedMessage("rows of another length than the keys ask for")
        if not rows[:, :_POINT].any(axis=1).all():
            raise MalformedMessage("a row whose r is 0: its values would be in the clear")
        places = range(0, self.ciphertext_bytes, _POINT)

        def piece(part: slice) -> list[Point]:
            return [sum_of(rows[part, at : at + _POINT]) for at in places]

        total = [IDENTITY] * len(places)
        for subtotal in _in_pieces(piece, len(rows), self._executor):
            total = [plus(one, other) for one, other in zip(total, subtotal, strict=True)]
        return b"".join(group.add(zero, encoded(point)) for zero, point in zip(self._zero(), total, strict=True))

    def _zero(self) -> list[bytes]:
        r = group.random_scalar(self._random)
        return [group.multiply_base(r), *(group.multiply(r, key) for key in self._keys)]


def totals_range(value_bits: int, most_rows: int, signed: bool) -> tuple[int, int]:
    """The least and the greatest total of up to ``most_rows`` values. Raises ``BadParameters``."""
    if not 1 <= value_bits <= 63 or most_rows < 1:
        raise BadParameters("at least one row, and values of 1 to 63 bits")
    most = most_rows * ((1 << value_bits) - 1)
    return (-most if signed else 0), most


def _elements(total: bytes, columns: int) -> list[bytes]:
    if len(total) != _POINT * (columns + 1):
        raise MalformedMessage("a total of another length than the keys ask for")
    first, *others = (total[at : at + _POINT] for at in range(0, len(total), _POINT))
    group.check_element(first)
    # the identity is a ciphertext like any other in the later places, and the only one check_element would not take
    return [first, *(other if other == group.ZERO else group.check_element(other) for other in others)]


def _negative(scalar: bytes) -> bytes:
    return group.scalar_sub(group.ZERO, scalar)


def _uniform(random_bytes: RandomBytes, rows: int) -> npt.NDArray[np.uint8]:
    drawn = random_bytes(_WIDE * rows)
    if len(drawn) != _WIDE * rows:
        raise BadParameters("the source of randomness gave the wrong number of bytes")
    return np.frombuffer(drawn, np.uint8).reshape(rows, _WIDE)


def _in_pieces(work: Callable[[slice], _Result], rows: int, executor: Executor | None) -> list[_Result]:
    pieces = [slice(at, min(rows, at + _CHUNK)) for at in range(0, rows, _CHUNK)]
    return [work(piece) for piece in pieces] if executor is None else list(executor.map(work, pieces))
