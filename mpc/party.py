"""The one shape of all protocols: a party takes a message and yields messages. No I/O, no clock, no threads of its own.

A concrete party is a class with its role's name in the paper (``Sender``, ``Receiver``, ``Client``, ``Server``). It
gets inputs, keys and randomness in its constructor, yields its first messages from ``start`` and all others from
``receive``, and has a ``result`` once ``finished``. A refused message raises an ``MpcError`` and changes nothing.

Whoever carries messages must authenticate the sender **and keep the content from everybody but the receiver**: some
protocols send seeds or shares as they are (``comparison``, ``sharing``), and whoever reads them all reads the inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NewType, Protocol

PartyName = NewType("PartyName", str)

RandomBytes = Callable[[int], bytes]
"""A source of secret randomness: ``secrets.token_bytes`` outside tests. Always an argument, never a global."""


@dataclass(frozen=True)
class Send:
    """One message for one receiver, as bytes of ``mpc.wire``. The content is that receiver's only: not in the repr."""

    to: PartyName
    message: bytes = field(repr=False)


class Party(Protocol):
    """What the driver, a Ray actor and a node's message loop all see of a protocol party."""

    @property
    def name(self) -> PartyName: ...

    @property
    def finished(self) -> bool: ...

    def start(self) -> Iterable[Send]:
        """Yield this party's first messages; called once."""
        ...

    def receive(self, sender: PartyName, message: bytes) -> Iterable[Send]:
        """Take one message from an authenticated sender; yield what follows from it. Raises ``MpcError``."""
        ...
