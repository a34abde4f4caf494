"""Paillier encryption where one side holds plaintext weights: packed, blinded from a fixed base, one public exponent.

Encryption, adding and dot products with plaintext weights; a sum protocol of three roles. Keys and ciphertexts are
interoperable with ``phe`` (``interop``). Model: semi-honest parties, IND-CPA under the decisional composite residuosity
assumption (Paillier 1999) and the short-exponent variant of Damgard, Jurik and Nielsen (2010, section 4.2).

**Not constant-time.** The fixed-base table is indexed by secret digits and GMP's arithmetic is data-dependent: whoever
shares a cache or can time single encryptions may learn blinding exponents. Do not run it beside untrusted code.
Importing it without gmpy2 raises ``BadParameters``.
"""

import mpc.paillier.arithmetic  # noqa: F401 - first: it refuses by name where gmpy2 is missing
from mpc.paillier.cipher import Encryptor, PackedVector
from mpc.paillier.keys import PrivateKey, PublicKey, generate_keypair
from mpc.paillier.packing import Packing
from mpc.paillier.parallel import EncryptionPool

__all__ = [
    "EncryptionPool",
    "Encryptor",
    "PackedVector",
    "Packing",
    "PrivateKey",
    "PublicKey",
    "generate_keypair",
]
