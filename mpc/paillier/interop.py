"""To and from ``phe.EncryptedNumber``, under one public exponent.

``phe`` chooses an exponent per number and sends it in the clear: it tells the size of the value. Here every number of
a job has the same exponent, stated beforehand, and any other is refused.
"""

from __future__ import annotations

from phe.paillier import EncryptedNumber

from mpc.errors import BadParameters
from mpc.paillier.cipher import PackedVector
from mpc.paillier.keys import PublicKey
from mpc.paillier.packing import Packing


def to_phe(vector: PackedVector, exponent: int) -> list[EncryptedNumber]:
    """One ``EncryptedNumber`` per value; needs a packing with ``per=1``. The value counts units of 16^exponent."""
    if vector.packing.slots != 1:
        raise BadParameters("phe holds one value per number: encrypt with Packing(..., per=1)")
    key = vector.key.phe()
    numbers = [EncryptedNumber(key, c, exponent) for c in vector.ciphertexts]
    for number in numbers:
        # every ciphertext of ours is blinded already; without the flag phe would blind it again on reading
        number._EncryptedNumber__is_obfuscated = True
    return numbers


def from_phe(key: PublicKey, numbers: list[EncryptedNumber], packing: Packing, exponent: int) -> PackedVector:
    """Take in fresh numbers of ``phe`` (each counts as growth 1); refuses other keys and exponents."""
    if packing.slots != 1:
        raise BadParameters("phe holds one value per number: use Packing(..., per=1)")
    if any(number.public_key.n != key.n for number in numbers):
        raise BadParameters("a number under another key")
    if any(number.exponent != exponent for number in numbers):
        raise BadParameters(f"every number must have the public exponent {exponent}")
    # be_secure blinds what phe left unblinded after its own arithmetic
    return PackedVector(key, packing, len(numbers), 1, tuple(number.ciphertext(be_secure=True) for number in numbers))
