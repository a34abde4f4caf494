"""The server of SimplePIR (ePrint 2022/949, figure 2): ``Setup`` is ``prepare``, ``Answer`` is ``Server.receive``."""

from __future__ import annotations

import hmac
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from mpc.errors import (
    BadParameters,
    DuplicateMessage,
    KeyPolicyViolation,
    MalformedMessage,
    OutOfRange,
    UnknownParty,
    WrongRound,
)
from mpc.party import PartyName, Send
from mpc.pir.layout import Layout, StaleHint
from mpc.pir.matrix import Cells, Words, hint, scan
from mpc.pir.messages import ASK, MAX_LOOKUPS, QUERY, Answer, Ask, Hint, Query
from mpc.pir.table import Table
from mpc.wire import header


class Meter:
    """Counts the lookups of one table version over all its sessions: answers use up what its random columns hide.

    It counts in memory. A server that has lost it builds the table anew.
    """

    def __init__(self, answers: int) -> None:
        self._left = answers
        self._lock = threading.Lock()

    @property
    def left(self) -> int:
        return self._left

    def take(self, lookups: int) -> None:
        """Raises ``KeyPolicyViolation``, and takes nothing, where fewer are left."""
        with self._lock:
            if lookups > self._left:
                raise KeyPolicyViolation(
                    f"{lookups} lookups of a table version that answers {self._left} more: build the table anew"
                )
            self._left -= lookups


@dataclass(frozen=True)
class Prepared:
    """A table ready to answer: shared by all sessions. ``cells`` are the owner's data: repr shows none."""

    layout: Layout
    cells: Cells = field(repr=False)
    hint: Words = field(repr=False)
    meter: Meter = field(repr=False, compare=False)


def prepare(table: Table, threads: int = 1) -> Prepared:
    """Compute the hint: once per table version, about half a minute for 1 GiB on two cores. Run by the server.

    The cells must not change afterwards: a changed table needs a new build, which gets a new version.
    """
    layout = table.layout
    layout.check()
    if table.cells.shape != (layout.rows, layout.columns) or table.cells.dtype != np.uint8:
        raise BadParameters("cells that are not what their layout says: use index_table or keyword_table")
    return Prepared(
        layout, table.cells, hint(table.cells, layout.seed, layout.profile.dimension, threads), Meter(layout.answers)
    )


class Server:
    """Answers one session: at most one ``Ask``, then one ``Query`` of at most ``at_most`` lookups; then it is finished.

    Learns that a lookup took place, how many records it was for and whether the client fetched the hint; under LWE
    nothing about which. ``at_most`` is what the caller has charged: a lookup tells whether a key is in the table, and a
    client that asks as it likes reads ``Layout.readable`` records.
    """

    def __init__(
        self, name: PartyName, client: PartyName, session: bytes, table: Prepared, at_most: int, threads: int = 1
    ) -> None:
        if not (1 <= at_most <= MAX_LOOKUPS and threads >= 1):
            raise BadParameters(f"a session takes 1 to {MAX_LOOKUPS} lookups on at least one thread")
        self.name = name
        self.finished = False
        self._client, self._session, self._table = client, session, table
        self._at_most, self._threads = at_most, threads
        self._asked = False

    def __repr__(self) -> str:
        return f"Server(name={self.name!r}, finished={self.finished})"

    def start(self) -> Sequence[Send]:
        return ()

    def receive(self, sender: PartyName, message: bytes) -> Sequence[Send]:
        """Raises ``StaleHint`` for a query to another table version, ``OutOfRange`` beyond the allowed lookups,
        ``KeyPolicyViolation`` when this version has answered all that it may."""
        if sender != self._client:
            raise UnknownParty("a message from a party that has no session here")
        kind = header(message).kind
        if kind == ASK:
            return self._hint(message)
        if kind == QUERY:
            return self._answer(message)
        raise MalformedMessage(f"a server takes no message of kind {kind}")

    def _hint(self, message: bytes) -> Sequence[Send]:
        Ask.decode(message, self._session)
        if self.finished:
            raise WrongRound("the session is over")
        if self._asked:
            raise DuplicateMessage("the hint was asked for and sent")
        self._asked = True
        return (Send(self._client, Hint(self._session, self._table.layout, self._table.hint).encode()),)

    def _answer(self, message: bytes) -> Sequence[Send]:
        query = Query.decode(message, self._session)
        if self.finished:
            raise DuplicateMessage("this session's query is answered")
        layout = self._table.layout
        if not hmac.compare_digest(query.version, layout.version):
            raise StaleHint("the query is for another version of the table: ask for the hint of this one")
        lookups, width = query.vectors.shape
        if width != layout.columns:
            raise MalformedMessage(f"a query of {width} columns to a table of {layout.columns}")
        if lookups > self._at_most:
            raise OutOfRange(f"{lookups} lookups in a session that allows {self._at_most}")
        self._table.meter.take(lookups)
        sums = scan(self._table.cells, query.vectors, self._threads)
        self.finished = True
        return (Send(self._client, Answer(self._session, layout.version, sums).encode()),)
