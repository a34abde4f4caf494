"""The server of SecAgg and SecAgg+: relays, adds, and takes the masks off the sum of the survivors. Sans I/O.

It has no clock: a round ends by itself when all expected clients have answered, or when the caller says so
(``close_round``, at a deadline), with whoever has answered until then. See ``client`` for rounds and security.
"""

from __future__ import annotations

from collections.abc import Iterable

from mpc import field
from mpc.errors import DuplicateMessage, MalformedMessage, TooFewParties, UnknownParty, WrongRound
from mpc.party import PartyName, Send
from mpc.ring import Vector
from mpc.secagg import keys as k
from mpc.secagg.messages import (
    KEY,
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
    to_bitmap,
)
from mpc.secagg.parameters import Parameters
from mpc.secagg.recovery import Transcript, remove_masks
from mpc.wire import header

_FINISHED = Shares.KIND + 1


class Server:
    """Run by whoever may learn the sum. ``result`` and ``survivors`` are there once ``finished``."""

    def __init__(self, parameters: Parameters, threads: int = 1) -> None:
        self.name = parameters.server
        self._p = parameters
        self._threads = threads
        self._next = Advertise.KIND
        self._expected: set[PartyName] = set(parameters.clients)
        self._answered: set[PartyName] = set()
        self._keys: dict[PartyName, Keys] = {}
        self._sealed: dict[PartyName, SealedShares] = {}
        self._partners: dict[PartyName, set[PartyName]] = {}
        self._total = parameters.ring.zeros(parameters.length)
        self._survivors: frozenset[PartyName] = frozenset()
        self._consents: dict[int, bytes] = {}
        self._shares: dict[PartyName, dict[PartyName, bytes]] = {}

    @property
    def finished(self) -> bool:
        return self._next == _FINISHED

    @property
    def result(self) -> Vector:
        """The sum over the survivors; ``WrongRound`` before the end."""
        if not self.finished:
            raise WrongRound("the aggregation has not finished")
        return self._total

    @property
    def survivors(self) -> frozenset[PartyName]:
        """Whose inputs the result contains: known from the end of round 2 on."""
        return self._survivors

    @property
    def waiting_for(self) -> frozenset[PartyName]:
        return frozenset(self._expected - self._answered)

    def start(self) -> Iterable[Send]:
        return []

    def receive(self, sender: PartyName, message: bytes) -> Iterable[Send]:
        self._p.position(sender)
        if self.finished:
            raise WrongRound("the aggregation has finished")
        kind = header(message).kind
        if kind == self._next and sender in self._answered:
            raise DuplicateMessage(f"{sender} has already answered in this round")
        if kind != self._next or sender not in self._expected:
            raise WrongRound(f"not a message that is expected from {sender} now: too late, too early or dropped before")
        self._take(sender, message)
        self._answered.add(sender)
        return self.close_round() if self._answered == self._expected else []

    def close_round(self) -> list[Send]:
        """End the round with those who have answered; ``TooFewParties`` (and nothing changes) if they are too few."""
        if self._next == Advertise.KIND:
            return self._send_directory()
        if self._next == SealedShares.KIND:
            return self._deliver()
        if self._next == MaskedInput.KIND:
            return self._announce()
        if self._next == Consent.KIND:
            return self._request(self._answered)
        if self._next == Shares.KIND:
            total = self._total.copy()
            commitments = {name: sealed.commitment for name, sealed in self._sealed.items()}
            transcript = Transcript(self._keys, commitments, self._survivors)
            remove_masks(self._p, total, transcript, self._shares, self._threads)
            self._total, self._shares, self._next = total, {}, _FINISHED
            return []
        raise WrongRound("the aggregation has finished")

    def _take(self, sender: PartyName, message: bytes) -> None:
        session = self._p.session
        if self._next == Advertise.KIND:
            keys = Advertise.decode(message, session).keys
            k.verify_keys(self._p, sender, keys)
            self._keys[sender] = keys
        elif self._next == SealedShares.KIND:
            sealed = SealedShares.decode(message, session)
            if set(sealed.boxes) != {self._p.position(name) for name in self._partners[sender]}:
                raise MalformedMessage("sealed shares for other clients than the directory named")
            self._sealed[sender] = sealed
        elif self._next == MaskedInput.KIND:
            vector = MaskedInput.decode(message, session, self._p.length * self._p.ring.element_bytes).vector
            self._p.ring.add_into(self._total, self._p.ring.from_bytes(vector, self._p.length))
        elif self._next == Consent.KIND:
            signature = Consent.decode(message, session).signature
            k.verify_survivors(self._p, sender, signature, self._bitmap())
            self._consents[self._p.position(sender)] = signature
        else:
            self._take_shares(sender, Shares.decode(message, session).shares)

    def _take_shares(self, sender: PartyName, shares: dict[int, bytes]) -> None:
        if set(shares) != {self._p.position(name) for name in self._partners[sender]}:
            raise MalformedMessage("shares of other clients than were delivered")
        for share in shares.values():
            field.from_bytes(share, SHARE // field.ELEMENT_BYTES)
        for position, share in shares.items():
            self._shares.setdefault(self._p.clients[position], {})[sender] = share

    def _send_directory(self) -> list[Send]:
        self._set_partners(self._answered)
        self._advance(SealedShares.KIND, set(self._partners))
        return [
            self._send(to, Directory({self._p.position(name): self._keys[name] for name in near}))
            for to, near in self._partners.items()
        ]

    def _deliver(self) -> list[Send]:
        self._set_partners(self._answered)
        self._sealed = {name: self._sealed[name] for name in self._partners}
        self._advance(MaskedInput.KIND, set(self._partners))
        sends = []
        for to, near in self._partners.items():
            own = self._p.position(to)
            boxes = {self._p.position(name): self._sealed[name].boxes[own] for name in near}
            sends.append(self._send(to, Delivery(bytes(KEY), boxes)))
        return sends

    def _announce(self) -> list[Send]:
        survivors = frozenset(self._answered)
        self._check_enough(survivors)
        self._survivors = survivors
        if not self._p.signed:
            return self._request(survivors)
        self._advance(Consent.KIND, set(survivors))
        return [self._send(to, Survivors(self._bitmap())) for to in self._ordered(survivors)]

    def _request(self, consenting: Iterable[PartyName]) -> list[Send]:
        """Ask those who consented (all survivors, if unsigned) for their shares."""
        asked = set(consenting)
        self._check_enough(asked)
        self._advance(Shares.KIND, asked)
        return [self._send(to, Unmask(self._bitmap(), self._consents)) for to in self._ordered(asked)]

    def _set_partners(self, present: Iterable[PartyName]) -> None:
        """Keep the clients with at least ``threshold`` neighbours kept, and who is whose neighbour among them."""
        kept, before = set(present), -1
        while len(kept) != before:
            before = len(kept)
            kept = {name for name in kept if len(kept & set(self._p.graph[name])) >= self._p.threshold}
        self._check_enough(kept)
        self._partners = {name: kept & set(self._p.graph[name]) for name in self._ordered(kept)}

    def _check_enough(self, clients: Iterable[PartyName]) -> None:
        count = len(set(clients))
        if count < self._p.survivors:
            raise TooFewParties(f"{count} clients are left where at least {self._p.survivors} are summed")

    def _advance(self, kind: int, expected: set[PartyName]) -> None:
        self._next, self._expected, self._answered = kind, expected, set()

    def _bitmap(self) -> bytes:
        return to_bitmap((self._p.position(name) for name in self._survivors), len(self._p.clients))

    def _ordered(self, names: Iterable[PartyName]) -> list[PartyName]:
        return sorted(names, key=self._p.position)

    def _send(self, to: PartyName, message: Message) -> Send:
        if to not in self._p.clients:
            raise UnknownParty("the server writes to clients only")
        return Send(to, message.encode(self._p.session))

    def __repr__(self) -> str:
        return f"Server(session {self._p.session.hex()}, {len(self._p.clients)} clients, sums redacted)"
