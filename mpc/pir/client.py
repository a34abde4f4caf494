"""The client of SimplePIR (ePrint 2022/949, figure 2): ``Query`` and ``Recover``."""

from __future__ import annotations

import hmac
from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt

from mpc.errors import BadParameters, DuplicateMessage, MalformedMessage, UnknownParty, WrongRound
from mpc.party import PartyName, RandomBytes, Send
from mpc.pir import gaussian, keyword, table
from mpc.pir.layout import INDEX, Layout, StaleHint
from mpc.pir.matrix import Words, public_matrix, scan
from mpc.pir.messages import ANSWER, HINT, MAX_LOOKUPS, Answer, Ask, Hint, Query
from mpc.pir.parameters import LOG_DELTA, WIDE, Profile
from mpc.wire import header

Wanted = Sequence[int] | Sequence[bytes]


class Client:
    """Looks up ``wanted``: record numbers in an index table, or keys in a keyword table. One session, one batch.

    ``hint`` is one kept from an earlier session; without it the client asks first. ``accept`` names the parameter
    profiles it trusts: the server proposes, the client decides. ``pad_to`` hides the number of lookups behind dummy
    ones. ``result`` holds one value per wanted item, in order; None for a key that is not in the table.
    Every lookup has its own secret and errors; nothing is reused between lookups or sessions, only the hint.
    """

    def __init__(
        self,
        name: PartyName,
        server: PartyName,
        session: bytes,
        wanted: Wanted,
        randomness: RandomBytes,
        hint: Hint | None = None,
        accept: Collection[Profile] = (WIDE,),
        pad_to: int = 1,
        threads: int = 1,
    ) -> None:
        self._lookups = max(len(wanted), pad_to)
        if not (wanted and self._lookups <= MAX_LOOKUPS and threads >= 1):
            raise BadParameters(f"a session takes 1 to {MAX_LOOKUPS} lookups on at least one thread")
        if {type(item) for item in wanted} not in ({int}, {bytes}):
            raise BadParameters("wanted items are either all record numbers or all keys in bytes")
        self.name = name
        self.hint: Hint | None = None
        self._result: tuple[bytes | None, ...] | None = None
        self._server, self._session, self._randomness = server, session, randomness
        self._wanted: tuple[int | bytes, ...] = tuple(wanted)
        self._accept, self._threads = tuple(accept), threads
        self._secrets: Words | None = None
        self._asked = self._sent = False
        self._places: list[tuple[Sequence[int], int]] = []
        if hint is not None:
            self._take(hint)

    def __repr__(self) -> str:
        return f"Client(name={self.name!r}, finished={self.finished})"

    @property
    def finished(self) -> bool:
        return self._result is not None

    @property
    def result(self) -> tuple[bytes | None, ...]:
        """One value per wanted item, in order. Raises ``WrongRound`` before the answer has come."""
        if self._result is None:
            raise WrongRound("the server has not answered yet")
        return self._result

    def start(self) -> Sequence[Send]:
        if self._asked or self._sent:
            raise WrongRound("already started: a second batch needs a session of its own")
        if self.hint is not None:
            return self._query(self.hint.layout)
        self._asked = True
        return (Send(self._server, Ask(self._session).encode()),)

    def receive(self, sender: PartyName, message: bytes) -> Sequence[Send]:
        """Raises ``BadParameters`` for a table of another kind or profile, ``OutOfRange`` for a number beyond it."""
        if sender != self._server:
            raise UnknownParty("a message from a party that is not this lookup's server")
        kind = header(message).kind
        if kind == HINT:
            hint = Hint.decode(message, self._session)
            if self.hint is not None:
                raise DuplicateMessage("the hint is already here")
            if not self._asked:
                raise WrongRound("a hint that was not asked for")
            self._take(hint)
            return self._query(hint.layout)
        if kind == ANSWER:
            self._recover(Answer.decode(message, self._session))
            return ()
        raise MalformedMessage(f"a client takes no message of kind {kind}")

    def _take(self, hint: Hint) -> None:
        layout = hint.layout
        layout.check()
        if hint.matrix.shape != (layout.rows, layout.profile.dimension):
            raise BadParameters("a kept hint that is not what its layout says: read it with Hint.decode")
        if layout.profile not in self._accept:
            raise BadParameters(f"the server proposes parameters {layout.profile.name!r}, which are not accepted here")
        self._places = [_place(layout, item) for item in self._wanted]
        self.hint = hint

    def _query(self, layout: Layout) -> Sequence[Send]:
        """b = A s + e + Delta u, for each lookup; u marks the columns whose sum is wanted (none for a dummy)."""
        n = layout.profile.dimension
        secrets = np.frombuffer(self._randomness(4 * n * self._lookups), dtype="<u4").reshape(self._lookups, n)
        vectors = np.empty((self._lookups, layout.columns), dtype=np.uint32)
        for vector in vectors:
            vector[:] = gaussian.sample(layout.columns, self._randomness).view(np.uint32)
        for first, block in public_matrix(layout.seed, layout.columns, n):
            vectors[:, first : first + len(block)] += scan(block, secrets, self._threads)
        for vector, (columns, _) in zip(vectors, self._places, strict=False):
            vector[list(columns)] += np.uint32(1 << LOG_DELTA)
        self._secrets, self._sent = secrets, True
        return (Send(self._server, Query(self._session, layout.version, vectors).encode()),)

    def _recover(self, answer: Answer) -> None:
        if self.finished:
            raise DuplicateMessage("the answer is already here")
        if self._secrets is None or self.hint is None:
            raise WrongRound("an answer before the query")
        layout = self.hint.layout
        if not hmac.compare_digest(answer.version, layout.version):
            raise StaleHint("the answer is from another version of the table: drop the hint and ask again")
        if answer.sums.shape != (self._lookups, layout.rows):
            raise MalformedMessage("the answer has not the shape of query and table")
        numbers = range(len(self._wanted))
        self._result = tuple(self._open(self.hint, self._secrets, answer, lookup) for lookup in numbers)
        self._secrets = None

    def _open(self, hint: Hint, secrets: Words, answer: Answer, lookup: int) -> bytes | None:
        """a - H s on the rows of the wanted block alone: the rest of the answer is never decoded."""
        layout, block = hint.layout, self._places[lookup][1]
        rows = slice(block * layout.item_bytes, (block + 1) * layout.item_bytes)
        item = _decode(answer.sums[lookup, rows] - scan(hint.matrix[rows], secrets[lookup : lookup + 1])[0])
        wanted = self._wanted[lookup]
        return item.tobytes() if isinstance(wanted, int) else keyword.unmask(layout, wanted, item)


def _decode(noisy: Words) -> npt.NDArray[np.uint8]:
    """Round to the nearest multiple of Delta, modulo p."""
    return ((noisy + np.uint32(1 << (LOG_DELTA - 1))) >> np.uint32(LOG_DELTA)).astype(np.uint8)


def _place(layout: Layout, item: int | bytes) -> tuple[Sequence[int], int]:
    if isinstance(item, int) != (layout.kind == INDEX):
        raise BadParameters("record numbers go to index tables, keys to keyword tables")
    return table.place(layout, item) if isinstance(item, int) else keyword.place(layout, item)
