"""The client of SecAgg (Bonawitz et al. 2017, figure 4) and SecAgg+ (Bell et al. 2020, algorithm 2), sans I/O.

Rounds: 0 advertise keys; 1 share the mask key and a self-mask seed among the neighbours, sealed; 2 send the input plus
the self-mask plus the pairwise masks; 3 (signed variant) consent to one survivor list; 4 give, per neighbour, the share
of its self-mask seed if it survived, of its mask key if not. The server learns the sum over the survivors and who
dropped out; clients learn who took part among their neighbours and the survivor list.

Security. Semi-honest server with fewer than ``threshold`` colluders among any client's neighbours: nothing but the
sum. A client answers one unmask request per session and never gives both kinds of shares for one neighbour. An *active*
server can always choose who survives (down to ``survivors``), falsify the sum, or make the run fail. Without signatures
it can also put its own keys into the directory and read everything: use that variant only where the server is trusted
to follow the protocol. With signatures keys are pinned to identities, and no two survivor lists both get the signatures
of more than two thirds of the clients while fewer than a third collude, so it cannot collect both kinds of shares.
In a sparse graph "down to ``survivors``" holds only while few collude: an active server that loses the right clients
cuts the circle and opens the sum of an arc. With signatures that takes half the degree of colluders in two gaps
(``parameters``); without, two colluders are enough when the threshold is just above half the degree.
Different models at different clients (the server sending each its own) end the run with ``IntegrityError``.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mpc import field
from mpc.errors import (
    BadParameters,
    DuplicateMessage,
    IntegrityError,
    OutOfRange,
    TooFewParties,
    UnknownParty,
    WrongRound,
)
from mpc.masks import MaskKey
from mpc.party import PartyName, RandomBytes, Send
from mpc.prg import SEED_BYTES, Signed, add_streams
from mpc.ring import Vector
from mpc.secagg import keys as k
from mpc.secagg.messages import (
    SHARE,
    Advertise,
    Consent,
    Delivery,
    Directory,
    Keys,
    MaskedInput,
    Message,
    SealedShares,
    Shares,
    Survivors,
    Unmask,
    from_bitmap,
)
from mpc.secagg.parameters import Parameters
from mpc.sharing.shamir import split_bytes
from mpc.wire import header

Values = Sequence[int] | npt.NDArray[np.integer[Any]]


class Client:
    """One client. ``values`` are ``parameters.length`` whole numbers within ``parameters.values``.

    They may come later: a function is called once, in round 2, so that keys are exchanged while a model still trains
    (and what is wrong with its numbers is raised then).
    ``identity`` is the private key of the client's pinned identity, in the signed variant only. Raises
    ``UnknownParty``, ``BadParameters`` or ``OutOfRange`` for a wrong name, length, identity or value.
    """

    def __init__(
        self,
        parameters: Parameters,
        name: PartyName,
        values: Values | Callable[[], Values],
        identity: Ed25519PrivateKey | None = None,
        rng: RandomBytes = secrets.token_bytes,
        threads: int = 1,
    ) -> None:
        parameters.position(name)
        if parameters.signed and (
            identity is None or identity.public_key().public_bytes_raw() != parameters.identities[name]
        ):
            raise BadParameters("the signed variant needs the private key of this client's pinned identity")
        self.name = name
        self._p = parameters
        self._input: Vector | Callable[[], Values] = values if callable(values) else _encode(parameters, values)
        self._identity = identity
        self._rng = rng
        self._threads = threads
        self._cipher_key, self._mask_private = MaskKey.generate(rng), rng(32)
        self._mask_key = MaskKey(self._mask_private)
        self._seed = rng(SEED_BYTES)
        self._keys: dict[PartyName, Keys] = {}
        self._agreed: dict[PartyName, bytes] = {}
        self._held: dict[PartyName, tuple[bytes, bytes]] = {}
        self._consented: bytes | None = None
        self._next = Advertise.KIND

    @property
    def finished(self) -> bool:
        return self._next > Unmask.KIND

    def start(self) -> Iterable[Send]:
        if self._next != Advertise.KIND:
            raise WrongRound("this client has already started")
        keys = Keys(self._cipher_key.public, self._mask_key.public, self._p.model_digest, b"")
        if self._identity is not None and self._p.signed:
            keys = replace(keys, signature=k.sign_keys(self._p, self._identity, self.name, keys))
        self._next = Directory.KIND
        return [self._send(Advertise(keys))]

    def receive(self, sender: PartyName, message: bytes) -> Iterable[Send]:
        if sender != self._p.server:
            raise UnknownParty("a client takes messages from the server only")
        kind, session = header(message).kind, self._p.session
        if kind == self._next == Directory.KIND:
            return self._share_keys(Directory.decode(message, session))
        if kind == self._next == Delivery.KIND:
            return self._mask_input(Delivery.decode(message, session))
        if kind == self._next == Survivors.KIND:
            return self._consent(Survivors.decode(message, session))
        if kind == self._next == Unmask.KIND:
            return self._unmask(Unmask.decode(message, session))
        if kind in (Directory.KIND, Delivery.KIND, Survivors.KIND, Unmask.KIND) and kind < self._next:
            raise DuplicateMessage("this round is over: one answer per round, one unmask per session")
        raise WrongRound("not a message that this client expects now")

    def _share_keys(self, directory: Directory) -> list[Send]:
        """Round 1: check the neighbours' keys, share both secrets among them."""
        keys = {self._name(position): entry for position, entry in directory.keys.items()}
        if not set(keys) <= set(self._p.graph[self.name]):
            raise IntegrityError("the directory names clients that are not this one's neighbours")
        if len(keys) < self._p.threshold:
            raise TooFewParties(f"{len(keys)} neighbours advertised keys where {self._p.threshold} are needed")
        for name, entry in keys.items():
            k.verify_keys(self._p, name, entry)
        publics = [public for entry in keys.values() for public in (entry.cipher, entry.mask)]
        if len({*publics, self._cipher_key.public, self._mask_key.public}) != len(publics) + 2:
            raise IntegrityError("a public key appears twice in the directory")
        agreed = {name: self._cipher_key.agree(entry.cipher) for name, entry in keys.items()}
        points = [self._p.point(name) for name in keys]
        shares = split_bytes([self._mask_private, self._seed], self._p.threshold, points, self._rng)
        boxes = {
            self._p.position(name): k.seal(self._p, agreed[name], self.name, name, field.to_bytes(share.values))
            for name, share in zip(keys, shares, strict=True)
        }
        self._keys, self._agreed, self._next = keys, agreed, Delivery.KIND
        return [self._send(SealedShares(k.commit_seed(self._p, self.name, self._seed), boxes))]

    def _mask_input(self, delivery: Delivery) -> list[Send]:
        """Round 2: open the neighbours' shares, mask the input against exactly those neighbours."""
        boxes = {self._name(position): box for position, box in delivery.boxes.items()}
        if not set(boxes) <= set(self._keys):
            raise IntegrityError("shares from a client whose keys were not in the directory")
        if len(boxes) < self._p.threshold:
            raise TooFewParties(f"{len(boxes)} neighbours shared their keys where {self._p.threshold} are needed")
        held = {n: k.unseal(self._p, self._agreed[n], n, self.name, box) for n, box in boxes.items()}
        for pair in held.values():
            for share in pair:
                field.from_bytes(share, SHARE // field.ELEMENT_BYTES)
        streams = [Signed(self._seed, 1)]
        for name in held:
            public = self._keys[name].mask
            streams.append(k.pair_stream(self._p, self._mask_key, self.name, self._mask_key.public, name, public))
        masked = _encode(self._p, self._input()) if callable(self._input) else self._input
        add_streams(self._p.ring, masked, streams, threads=self._threads)
        # the input is masked in place: neither it nor a second message under these masks can be produced any more
        self._input = self._p.ring.zeros(0)
        self._held = held
        self._next = Survivors.KIND if self._p.signed else Unmask.KIND
        return [self._send(MaskedInput(self._p.ring.to_bytes(masked)))]

    def _consent(self, survivors: Survivors) -> list[Send]:
        """Round 3: sign the one survivor list of this session."""
        self._check_survivors(survivors.bitmap)
        if self._identity is None:
            raise BadParameters("the signed variant needs an identity key")
        self._consented, self._next = survivors.bitmap, Unmask.KIND
        return [self._send(Consent(k.sign_survivors(self._p, self._identity, survivors.bitmap)))]

    def _unmask(self, request: Unmask) -> list[Send]:
        """Round 4: once, and for one survivor list, give one of the two shares held for each neighbour."""
        survivors = self._check_survivors(request.bitmap)
        if self._p.signed:
            self._check_signatures(request, survivors)
        shares = {
            self._p.position(name): seed_share if name in survivors else key_share
            for name, (key_share, seed_share) in self._held.items()
        }
        self._held, self._next = {}, Unmask.KIND + 1
        return [self._send(Shares(shares))]

    def _check_survivors(self, bitmap: bytes) -> set[PartyName]:
        survivors = {self._name(position) for position in from_bitmap(bitmap, len(self._p.clients))}
        if len(survivors) < self._p.survivors:
            raise TooFewParties(f"{len(survivors)} survivors where at least {self._p.survivors} are summed")
        if self.name not in survivors:
            raise IntegrityError("this client is asked to unmask a sum that it is not part of")
        if not (survivors & set(self._p.graph[self.name])) <= set(self._held):
            raise IntegrityError("a neighbour survived with which this client shares no mask")
        return survivors

    def _check_signatures(self, request: Unmask, survivors: set[PartyName]) -> None:
        if request.bitmap != self._consented:
            raise IntegrityError("the survivor list is not the one this client signed")
        signers = [self._name(position) for position in request.signatures]
        if not set(signers) <= survivors or len(signers) < self._p.survivors:
            raise IntegrityError("too few survivors signed the list: the server may have shown others another one")
        for position in list(request.signatures)[: self._p.survivors]:  # the rest could not change the decision
            k.verify_survivors(self._p, self._name(position), request.signatures[position], request.bitmap)

    def _name(self, position: int) -> PartyName:
        if position >= len(self._p.clients):
            raise UnknownParty("a position beyond the last client")
        return self._p.clients[position]

    def _send(self, message: Message) -> Send:
        return Send(self._p.server, message.encode(self._p.session))

    def __repr__(self) -> str:
        return f"Client({self.name}, input, keys and shares redacted)"


def _encode(parameters: Parameters, values: Values) -> Vector:
    if len(values) != parameters.length:
        raise BadParameters(f"{len(values)} values where the aggregation has {parameters.length}")
    encoded = parameters.ring.encode(values)
    low, high = (values.min(), values.max()) if isinstance(values, np.ndarray) else (min(values), max(values))
    if low < parameters.values.low or high > parameters.values.high:
        raise OutOfRange("a value lies outside the range that the parameters declare")
    return encoded
