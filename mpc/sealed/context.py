"""The rings that parameters name, with encoders and evaluators; holds no key.

BFV runs once per plain modulus (limb) and joins the limbs by the Chinese remainder theorem; CKKS has one ring.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from tenseal import sealapi

from mpc.errors import BadParameters
from mpc.sealed.parameters import Parameters, Scheme
from mpc.sealed.seal import Form


class Ring:
    """One SEAL context: a single plain modulus, or CKKS."""

    def __init__(self, parameters: Parameters, limb: int) -> None:
        bfv = parameters.scheme is Scheme.BFV
        inner = sealapi.EncryptionParameters(sealapi.SCHEME_TYPE.BFV if bfv else sealapi.SCHEME_TYPE.CKKS)
        inner.set_poly_modulus_degree(parameters.degree)
        try:
            inner.set_coeff_modulus(sealapi.CoeffModulus.Create(parameters.degree, list(parameters.chain)))
            if bfv:
                inner.set_plain_modulus(parameters.plain[limb])
            # levels below the first are needed by CKKS rescaling only
            self.seal: Any = sealapi.SEALContext(inner, not bfv, sealapi.SEC_LEVEL_TYPE.TC128)
            if not self.seal.parameters_set():
                raise BadParameters(f"SEAL refuses these parameters: {self.seal.parameters_error_name()}")
            # the batch encoder refuses a plain modulus that is no prime
            self.encoder: Any = (sealapi.BatchEncoder if bfv else sealapi.CKKSEncoder)(self.seal)
            self.evaluator: Any = sealapi.Evaluator(self.seal)
        except (RuntimeError, ValueError) as error:
            raise BadParameters(f"SEAL has no such parameters: {error}") from None
        self.plain = parameters.plain[limb] if bfv else 0
        self.first: tuple[int, ...] = tuple(self.seal.first_parms_id())

    def last_prime(self, level: tuple[int, ...]) -> int:
        """The prime that rescaling at this level divides by."""
        return int(self.seal.get_context_data(list(level)).parms().coeff_modulus()[-1].value())

    def next_level(self, level: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(self.seal.get_context_data(list(level)).next_context_data().parms_id())


class Context:
    """All rings of one set of parameters."""

    def __init__(self, parameters: Parameters) -> None:
        self.parameters = parameters
        self.rings = tuple(Ring(parameters, limb) for limb in range(parameters.limbs))

    def fresh_form(self, limb: int) -> Form:
        """What a freshly sealed ciphertext looks like."""
        bfv = self.parameters.scheme is Scheme.BFV
        scale = 1.0 if bfv else 2.0**self.parameters.scale_bits
        return Form(self.rings[limb].first, 2, scale, not bfv)

    def encode(self, limb: int, block: npt.NDArray[Any]) -> Any:
        """A plaintext of up to ``slots`` values: integers (reduced modulo the limb's plain modulus) or reals."""
        ring, plaintext = self.rings[limb], sealapi.Plaintext()
        if ring.plain:
            ring.encoder.encode((block % ring.plain).tolist(), plaintext)
        else:
            ring.encoder.encode(block.tolist(), 2.0**self.parameters.scale_bits, plaintext)
        return plaintext

    def join(self, residues: list[npt.NDArray[np.uint64]]) -> npt.NDArray[Any]:
        """Integers in [0, T) from their residues; int64 for one limb, Python integers for more."""
        if len(residues) == 1:
            return residues[0].astype(np.int64)
        modulus = self.parameters.modulus
        total = np.zeros(residues[0].shape, dtype=object)
        for plain, residue in zip(self.parameters.plain, residues, strict=True):
            rest = modulus // plain
            total = (total + residue.astype(object) * (rest * pow(rest, -1, plain))) % modulus
        return total
