"""A key for one job and one circuit: seals columns, hands out public material, opens no more than its policy allows.

SEAL draws keys and encryption randomness from its own generator (Blake2xb seeded by the operating system); only masks
and release noise are injectable. With the secret key, sealing is symmetric: half the noise and half the bytes, since
the uniform half of a ciphertext travels as a seed.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from tenseal import sealapi

from mpc.errors import BadParameters, IntegrityError, KeyPolicyViolation, MalformedMessage
from mpc.party import RandomBytes
from mpc.sealed.circuit import Computation, check_computation
from mpc.sealed.columns import check_column, seal_blocks
from mpc.sealed.compute import output_blocks
from mpc.sealed.context import Context
from mpc.sealed.messages import KEY_ID_BYTES, KeyMaterial, SealedColumn
from mpc.sealed.parameters import Parameters, Scheme
from mpc.sealed.seal import memory_file
from mpc.wire import SESSION_BYTES


@dataclass(frozen=True)
class KeyPolicy:
    """What a key may do. Fresh per job: bound to one job id, one circuit, and a number of opened ciphertexts.

    CKKS keys open a circuit's results once: their release noise is sized for exactly that many results.
    """

    job: bytes
    circuit: Computation
    openings: int = 1

    def __post_init__(self) -> None:
        check_computation(self.circuit)
        if len(self.job) != SESSION_BYTES:
            raise BadParameters(f"a job id has {SESSION_BYTES} bytes")
        if not 1 <= self.openings <= 1 << 16:
            raise BadParameters("openings must be 1 to 65536")


class JobKey:
    """Held by the key-holder alone; redacted, never pickled, counts what it opens."""

    def __init__(
        self, parameters: Parameters, policy: KeyPolicy, randomness: RandomBytes = secrets.token_bytes
    ) -> None:
        """Generates a fresh key; there is no way to load one. Raises ``KeyPolicyViolation`` for CKKS opened twice."""
        if parameters.scheme is Scheme.CKKS and policy.openings != 1:
            raise KeyPolicyViolation("a CKKS key opens once: run a second opening under a fresh key")
        self.policy, self.parameters = policy, parameters
        self.context = Context(parameters)
        self.key_id = randomness(KEY_ID_BYTES)
        self.decryptions_left = policy.openings * output_blocks(parameters, policy.circuit)
        self._generators: list[Any] = [sealapi.KeyGenerator(ring.seal) for ring in self.context.rings]
        pairs = list(zip(self.context.rings, self._generators, strict=True))
        self._sealers: list[Any] = [sealapi.Encryptor(ring.seal, made.secret_key()) for ring, made in pairs]
        self._openers: list[Any] = [sealapi.Decryptor(ring.seal, made.secret_key()) for ring, made in pairs]

    def __repr__(self) -> str:
        return f"JobKey(key_id={self.key_id.hex()}, decryptions_left={self.decryptions_left}, secret=redacted)"

    def __reduce__(self) -> str | tuple[Any, ...]:
        raise KeyPolicyViolation("a job key is never pickled")

    def seal(self, index: int, values: npt.ArrayLike) -> SealedColumn:
        """Run by the owner who holds this key: seal the circuit's column ``index``. ``OutOfRange`` beyond its bound."""
        column = check_column(self.policy.circuit, index, values)
        blocks = seal_blocks(self.context, column, [sealer.encrypt_symmetric for sealer in self._sealers])
        return SealedColumn(self.policy.job, self.key_id, index, column.size, blocks)

    def material(self, public_key: bool = False) -> KeyMaterial:
        """What the worker needs. Evaluation keys only if the circuit multiplies at depth or rotates; ``public_key``
        lets others seal columns under this key."""
        parameters, generator = self.parameters, self._generators[0]
        public: list[Any] = [sealapi.PublicKey() for _ in self._generators] if public_key else []
        for key, made in zip(public, self._generators, strict=False):
            made.create_public_key(key)
        relinearisation = rotation = b""
        with memory_file() as file:
            if parameters.relinearise:
                relin = sealapi.RelinKeys()
                generator.create_relin_keys(relin)
                relinearisation = file.save(relin)
            if parameters.rotations:
                galois = sealapi.GaloisKeys()
                generator.create_galois_keys([pow(3, s, 2 * parameters.degree) for s in parameters.rotations], galois)
                rotation = file.save(galois)
            saved = tuple(file.save(key) for key in public)
        return KeyMaterial(self.policy.job, self.key_id, parameters, saved, relinearisation, rotation)

    def spend(self, ciphertexts: int) -> None:
        """Count before opening, so that a crash can only lose decryptions. Raises ``KeyPolicyViolation``."""
        if ciphertexts > self.decryptions_left:
            raise KeyPolicyViolation(
                f"{ciphertexts} ciphertexts asked of a key that has {self.decryptions_left} left: a fresh key per job"
            )
        self.decryptions_left -= ciphertexts

    def decrypt(self, limb: int, ciphertext: Any, slots: int) -> npt.NDArray[Any]:
        """Raw slots of one masked ciphertext, for ``opening.KeyHolder``, which spends and rounds. uint64 or float64."""
        plaintext, ring = sealapi.Plaintext(), self.context.rings[limb]
        if ring.plain and self._openers[limb].invariant_noise_budget(ciphertext) < 1:
            raise IntegrityError("the ciphertext's noise is exhausted: it is not the result of the planned circuit")
        self._openers[limb].decrypt(ciphertext, plaintext)
        if ring.plain:
            return np.array(ring.encoder.decode_uint64(plaintext), dtype=np.uint64)[:slots]
        values = np.array(ring.encoder.decode_double(plaintext), dtype=np.float64)[:slots]
        if not np.isfinite(values).all():
            raise IntegrityError("a result that is no number: not the planned circuit")
        return values


class PublicSealer:
    """Seals columns with the public key alone: for an owner who is not the key-holder."""

    def __init__(self, material: KeyMaterial, circuit: Computation) -> None:
        check_computation(circuit)
        if not material.public_keys:
            raise BadParameters("this key material carries no public key: ask for material(public_key=True)")
        self._material, self._circuit = material, circuit
        self._context = Context(material.parameters)
        limit = 2 * material.parameters.max_ciphertext_bytes
        with memory_file() as file:
            pairs = zip(self._context.rings, material.public_keys, strict=True)
            keys = [(ring, file.load(sealapi.PublicKey(), ring.seal, raw, limit)) for ring, raw in pairs]
        for ring, key in keys:
            if tuple(key.parms_id()) != tuple(ring.seal.key_parms_id()):
                raise MalformedMessage("a public key of other parameters")
        self._sealers: list[Any] = [sealapi.Encryptor(ring.seal, key) for ring, key in keys]

    def seal(self, index: int, values: npt.ArrayLike) -> SealedColumn:
        column = check_column(self._circuit, index, values)

        def encrypt(sealer: Any) -> Any:
            def one(plaintext: Any) -> Any:
                ciphertext = sealapi.Ciphertext()
                sealer.encrypt(plaintext, ciphertext)
                return ciphertext

            return one

        blocks = seal_blocks(self._context, column, [encrypt(sealer) for sealer in self._sealers])
        return SealedColumn(self._material.job, self._material.key_id, index, column.size, blocks)
