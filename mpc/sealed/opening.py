"""The sealed-open protocol: the worker masks, the key-holder opens the masked value, both hold shares of the result.

Roles. ``Worker``: computed ``Result`` without a key; learns nothing. ``KeyHolder``: has the job's key; opens requests
for the one circuit its permit names (inputs and operands by digest), after re-evaluating a random sample of blocks;
sees result + mask only. Neither can release alone: the shares enter the flag and value rounds.
Model: semi-honest, no collusion between the two. A worker that tampers with the sampled blocks is caught, one that
tampers elsewhere is not: with ``sample`` of n blocks a single bad block escapes with probability 1 - sample/n. The
first request that gets as far as the audit is the run's only one.
A tampered block could provoke a decryption failure and so tell the worker something about the key; one opening per key
keeps that to one bit, and a ``sample`` of all blocks rules it out where the worker is not trusted even that far.
The key-holder should be the inputs' owner: decryption also shows it the noise, which depends on inputs and operands.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterable
from typing import Any

from tenseal import sealapi

from mpc.errors import (
    BadParameters,
    DuplicateMessage,
    IntegrityError,
    KeyPolicyViolation,
    MalformedMessage,
    UnknownParty,
    WrongRound,
)
from mpc.integers import random_below
from mpc.party import PartyName, RandomBytes, Send
from mpc.sealed.audit import Replay, differs_by_plaintext
from mpc.sealed.circuit import InnerProduct, outputs
from mpc.sealed.compute import Bench, Limbs, Result, output_blocks
from mpc.sealed.keys import JobKey
from mpc.sealed.masking import Share, as_reals, draw_mask, gather, on_grid
from mpc.sealed.messages import OpenRequest
from mpc.sealed.parameters import Scheme
from mpc.sealed.release import round_for_release
from mpc.sealed.scoring import result_form
from mpc.sealed.seal import Form, load_ciphertext, memory_file


class Worker:
    """Masks a result and asks for it to be opened; ``result`` is its share, minus the mask."""

    def __init__(
        self,
        name: PartyName,
        key_holder: PartyName,
        bench: Bench,
        result: Result,
        circuit_digest: bytes,
        randomness: RandomBytes = secrets.token_bytes,
    ) -> None:
        if result.circuit != bench.circuit or len(circuit_digest) != 32:
            raise BadParameters("the result is not of this bench's circuit, or the digest has not 32 bytes")
        self.name, self.finished = name, False
        self.result: Share | None = None
        self._to, self._bench, self._blocks = key_holder, bench, result.blocks
        self._digest, self._randomness = circuit_digest, randomness

    def start(self) -> Iterable[Send]:
        if self.finished:
            raise WrongRound("one result, one mask, one message: resend the stored bytes instead")
        parameters, circuit, material = self._bench.context.parameters, self._bench.circuit, self._bench.material
        masks = [draw_mask(parameters, circuit, self._randomness) for _ in self._blocks[0]]
        with memory_file() as file:
            masked = tuple(
                tuple(file.save(self._add(limb, block, mask)) for block, mask in zip(blocks, masks, strict=True))
                for limb, blocks in enumerate(self._blocks)
            )
        self.result = -gather(parameters, circuit, [on_grid(parameters, mask) for mask in masks])
        self.finished = True
        yield Send(self._to, OpenRequest(material.job, material.key_id, self._digest, masked).encode())

    def receive(self, sender: PartyName, message: bytes) -> Iterable[Send]:
        raise WrongRound("a worker expects no message")

    def _add(self, limb: int, block: Any, mask: Any) -> Any:
        context, masked = self._bench.context, sealapi.Ciphertext()
        ring = context.rings[limb]
        if context.parameters.scheme is Scheme.BFV:
            plaintext = context.encode(limb, mask)
        else:
            plaintext, values = sealapi.Plaintext(), as_reals(context.parameters, mask).tolist()
            one = values[0] if len(values) == 1 else values
            ring.encoder.encode(one, block.parms_id(), block.scale, plaintext)
        ring.evaluator.add_plain(block, plaintext, masked)
        return masked


class KeyHolder:
    """Opens one request for the permitted circuit; ``result`` is its share. Anything else is refused before opening."""

    def __init__(
        self,
        name: PartyName,
        worker: PartyName,
        key: JobKey,
        permitted: bytes,
        replay: Replay,
        sample: int = 1,
        randomness: RandomBytes = secrets.token_bytes,
    ) -> None:
        """``permitted``: the circuit digest of the logged permit. ``replay``: see
        ``audit.replay``. ``sample``: blocks to re-evaluate, at least one."""
        if len(permitted) != 32 or sample < 1:
            raise BadParameters("a circuit digest has 32 bytes, and at least one block is re-evaluated")
        self.name, self.finished = name, False
        self.result: Share | None = None
        self._over = False
        self._from, self._key, self._permitted = worker, key, permitted
        self._replay, self._sample, self._randomness = replay, sample, randomness

    def start(self) -> Iterable[Send]:
        return ()

    def receive(self, sender: PartyName, message: bytes) -> Iterable[Send]:
        if sender != self._from:
            raise UnknownParty("only this job's worker may ask to open")
        if self.finished:
            raise DuplicateMessage("this result is open already")
        if self._over:
            raise WrongRound("a request of this run was audited and refused: it is over, whatever comes now")
        key, circuit = self._key, self._key.policy.circuit
        request = OpenRequest.decode(message, key.parameters, key.policy.job)
        if not hmac.compare_digest(request.key_id, key.key_id):
            raise MalformedMessage("masked under another key")
        if not hmac.compare_digest(request.circuit, self._permitted):
            raise KeyPolicyViolation("not the circuit, inputs and operands that were permitted")
        if len(request.blocks[0]) != output_blocks(key.parameters, circuit):
            raise MalformedMessage("not the number of results that the circuit has")
        most = key.parameters.max_ciphertext_bytes
        with memory_file() as file:
            loaded = [
                [load_ciphertext(file, ring.seal, raw, self._form(limb), most) for raw in request.blocks[limb]]
                for limb, ring in enumerate(key.context.rings)
            ]
        # a worker that is caught must not try again until the sample misses, nor learn from a second failed opening
        self._over = True
        self._audit(loaded)
        key.spend(len(loaded[0]))
        self.result = self._open(loaded)
        self.finished = True
        return ()

    def _form(self, limb: int) -> Form:
        form = result_form(self._key.context, self._key.policy.circuit, limb)
        # an exact product is opened as it is, in three polynomials: no relinearisation key is ever needed
        three = isinstance(self._key.policy.circuit, InnerProduct)
        return Form(form.level, 3 if three else form.polynomials, form.scale, form.ntt)

    def _audit(self, loaded: Limbs) -> None:
        """A mask changes only the first polynomial; what is left of masked minus re-evaluated must be transparent."""
        left = list(range(len(loaded[0])))
        for _ in range(min(self._sample, len(left))):
            index = left.pop(random_below(len(left), self._randomness) if len(left) > 1 else 0)
            again = self._replay(index)
            if len(again) != len(loaded):
                raise IntegrityError("re-evaluation gave another number of limbs")
            for limb, honest in enumerate(again):
                if not differs_by_plaintext(self._key.context.rings[limb], loaded[limb][index], honest):
                    raise IntegrityError("re-evaluation of a sampled block gives another ciphertext: do not open")

    def _open(self, loaded: Limbs) -> Share:
        key, parameters, circuit = self._key, self._key.parameters, self._key.policy.circuit
        slots = parameters.slots
        opened = []
        for index in range(len(loaded[0])):
            limbs = [key.decrypt(limb, loaded[limb][index], slots) for limb in range(parameters.limbs)]
            opened.append(key.context.join(limbs) if parameters.scheme is Scheme.BFV else limbs[0])
        values = gather(parameters, circuit, opened)
        if parameters.scheme is Scheme.BFV:
            return values
        if values.size != outputs(circuit):
            raise IntegrityError("more values than the noise was planned for")
        limit = parameters.mask_bits + 1
        return round_for_release(values, parameters.flood, parameters.grid_bits, limit, self._randomness)
