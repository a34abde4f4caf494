"""What all parties of one aggregation agree on before it starts, bound into every key and signature."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from mpc.errors import BadParameters, OutOfRange, TooFewParties, UnknownParty
from mpc.party import PartyName
from mpc.ring import Range, Ring
from mpc.secagg.graph import neighbours
from mpc.sharing.shamir import MAX_POINT
from mpc.wire import SESSION_BYTES, framed

PROTOCOL: Final = 3
SERVER: Final = PartyName("server")
SEED_BYTES: Final = 16


@dataclass(frozen=True)
class Parameters:
    """One aggregation: n clients each give ``length`` whole numbers in ``values``; the sum over survivors is opened.

    ``session`` is never used twice, and a client that lost its state does not rejoin: signatures are bound to it.

    ``model_digest`` is what every client computed itself over the model it received: clients with different models do
    not aggregate. ``identities`` pins each client's Ed25519 public key and turns on the variant with signatures
    (Bonawitz et al. 2017, section 4 and appendix A), the only one that withstands an active server.

    Checked: the ring holds the sum of all clients (``OutOfRange``); ``threshold`` of ``degree`` neighbours open a
    secret, and it is more than half of them, so no server without colluders collects the shares of both secrets of a
    client by showing its neighbours different survivors. A client's shares lie with its neighbours and not with itself,
    so more than ``threshold`` must survive. ``survivors`` is the fewest clients whose sum may be opened, with
    signatures above two thirds, so two different lists would need an honest signer of both while fewer than a third
    collude. A sparse graph needs a ``graph_seed`` of at least 16 bytes. With signatures it loses at most half its
    degree of clients (``choose_degree(signed=True)``): an active server that chooses who is lost could otherwise empty
    two gaps on the circle, with colluders only where the threshold asks for living neighbours, and open the sum of the
    few clients between them. Now half the degree must be colluders.
    """

    session: bytes
    clients: tuple[PartyName, ...]
    length: int
    values: Range
    ring: Ring
    degree: int
    threshold: int
    survivors: int
    model_digest: bytes
    graph_seed: bytes = b""
    identities: Mapping[PartyName, bytes] = field(default_factory=dict)
    server: PartyName = SERVER

    def __post_init__(self) -> None:
        n = len(self.clients)
        if len(self.session) != SESSION_BYTES or len(self.model_digest) != 32:
            raise BadParameters(f"a session id has {SESSION_BYTES} bytes, a model digest 32 (SHA-256)")
        if n < 2 or n > MAX_POINT or len({*self.clients, self.server}) != n + 1:
            raise TooFewParties(f"2 to {MAX_POINT} clients with distinct names, none the server's")
        if self.values.sum_of(n).low < self.ring.low or self.values.sum_of(n).high > self.ring.high:
            raise OutOfRange("the sum of all clients may not fit the ring: narrow the values or take a wider ring")
        if self.length < 1:
            raise BadParameters("at least one number is aggregated")
        if not self.degree // 2 < self.threshold <= self.degree <= n - 1:
            raise BadParameters("threshold must be above half the degree and at most the degree; degree below n")
        if not self.threshold < self.survivors <= n:
            raise BadParameters("the fewest survivors: more than the threshold, at most all clients")
        if self.identities and (set(self.identities) != set(self.clients) or 3 * self.survivors <= 2 * n):
            raise BadParameters("signatures need every client's identity key and more than two thirds as survivors")
        if self.identities and self.degree < n - 1 and n - self.survivors > self.degree // 2:
            raise BadParameters(
                f"a sparse graph with signatures may lose at most half the degree, {self.degree // 2} clients: raise "
                "the fewest survivors or the degree, or take the complete graph"
            )
        if self.degree < n - 1 and len(self.graph_seed) < SEED_BYTES:
            raise BadParameters(
                f"a sparse graph needs a seed of at least {SEED_BYTES} random bytes, drawn when the clients are known: "
                "whoever can guess it places colluders around a victim"
            )
        neighbours(self.clients, self.degree, self.graph_seed)

    @property
    def signed(self) -> bool:
        return bool(self.identities)

    @cached_property
    def graph(self) -> dict[PartyName, tuple[PartyName, ...]]:
        """Each client's neighbours."""
        indices = neighbours(self.clients, self.degree, self.graph_seed)
        return {name: tuple(self.clients[j] for j in near) for name, near in zip(self.clients, indices, strict=True)}

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 over everything above; part of every derived key and every signature."""
        fields = [self.session, self.model_digest, self.graph_seed, self.server.encode()]
        numbers = (self.length, self.ring.bits, self.degree, self.threshold, self.survivors)
        fields += [str(number).encode() for number in (*numbers, self.values.low, self.values.high)]
        fields += [part for name in self.clients for part in (name.encode(), self.identities.get(name, b""))]
        return hashlib.sha256(b"unseen/mpc/secagg/v1" + framed(*fields)).digest()

    def point(self, client: PartyName) -> int:
        """The client's evaluation point in Shamir's scheme."""
        return self._positions[client] + 1

    def position(self, client: PartyName) -> int:
        """The client's bit in survivor lists; raises ``UnknownParty``."""
        if client not in self._positions:
            raise UnknownParty("not one of the clients of this aggregation")
        return self._positions[client]

    @cached_property
    def _positions(self) -> dict[PartyName, int]:
        return {name: i for i, name in enumerate(self.clients)}
