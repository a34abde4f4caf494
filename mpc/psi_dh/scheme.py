"""Which additive scheme serves a run: lifted ElGamal where the totals' range can be searched, else Paillier.

Party 2 chooses by calling ``make_keys``; party 1 hands ``open_evaluator`` to ``PartyOne`` and follows the first byte of
party 2's key. Party 1's privacy is the same under both (its answer is uniform among the encryptions of the sums).
"""

from __future__ import annotations

from concurrent.futures import Executor
from typing import Final

from mpc.errors import MalformedMessage
from mpc.paillier import Encryptor, generate_keypair
from mpc.party import RandomBytes
from mpc.psi_dh import elgamal, paillier_scheme
from mpc.psi_dh.additive import Evaluator, KeyHolder

SEARCHED_BITS: Final = 40
"""Ranges up to 2^40 are searched by default, half a second a total; ``elgamal`` itself goes to 2^44, seconds each."""


def make_keys(
    columns: int,
    value_bits: int,
    most_rows: int,
    random_bytes: RandomBytes,
    signed: bool = False,
    executor: Executor | None = None,
) -> KeyHolder:
    """Party 2's half with keys of its own, for one run. Raises ``BadParameters`` if neither scheme can hold the totals.

    Paillier (3072 bits, milliseconds a row) is taken for wide totals and for more columns than ElGamal has.
    """
    low, high = elgamal.totals_range(value_bits, most_rows, signed)
    if columns <= elgamal.MOST_COLUMNS and high - low < 1 << SEARCHED_BITS:
        return elgamal.ElGamalKeyHolder(columns, value_bits, most_rows, random_bytes, signed, executor)
    private = generate_keypair(randomness=random_bytes)
    encrypt = paillier_scheme.fixed_base(Encryptor(private.public), random_bytes)
    return paillier_scheme.PaillierKeyHolder(
        private.phe(), columns, value_bits, most_rows, random_bytes, encrypt, signed
    )


def open_evaluator(public: bytes, random_bytes: RandomBytes, executor: Executor | None = None) -> Evaluator:
    """Party 1's half for whichever scheme the key names. Raises ``MalformedMessage`` or ``BadParameters``."""
    if public[:1] == elgamal.TAG:
        return elgamal.ElGamalEvaluator(public, random_bytes, executor)
    if public[:1] == paillier_scheme.TAG:
        return paillier_scheme.PaillierEvaluator(public, random_bytes)
    raise MalformedMessage("the key of an additive scheme that this code does not know")
