"""A party whose protocol is written top to bottom, as in its paper, although messages arrive in any order.

The script is a generator: it yields ``Send`` to send, and ``Await`` to get one message's bytes. Which messages a party
may receive, and how long each is, is known beforehand; anything else is refused and changes nothing. What only shows to
be bad when it is used (a point that is none) aborts the run. A neighbour may be ahead by a round or two: its messages
wait here.

The session on the wire is a hash of the caller's session and all public parameters, so parties that disagree on one
(threshold, width, number of counts, order of the parties, helper, batch of triples) get ``WrongSession``, never wrong
bits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

import numpy as np
import numpy.typing as npt

from mpc.comparison.messages import Words
from mpc.errors import BadParameters, DuplicateMessage, MalformedMessage, UnknownParty, WrongRound
from mpc.party import PartyName, Send
from mpc.wire import SESSION_BYTES


@dataclass(frozen=True)
class Await:
    """Go on when this sender's message of this round is there."""

    sender: PartyName
    round: int


Bits = npt.NDArray[np.bool_]
_T = TypeVar("_T")
Steps = Generator[Send | Await, bytes, _T]
"""A part of a script that returns something."""


class ScriptedParty(Generic[_T]):
    """``expected``: length in bytes of every message this party takes, by sender and round."""

    def __init__(
        self,
        name: PartyName,
        session: bytes,
        parameters: Sequence[str | int | bytes],
        expected: Mapping[tuple[PartyName, int], int],
    ) -> None:
        if len(session) != SESSION_BYTES:
            raise BadParameters(f"a session id has {SESSION_BYTES} bytes")
        self.name = name
        self.session = hashlib.sha256(session + repr(tuple(parameters)).encode()).digest()[:SESSION_BYTES]
        """What this run's messages carry."""
        self._expected = dict(expected)
        self._senders = {sender for sender, _ in expected}
        self._inbox: dict[tuple[PartyName, int], bytes] = {}
        self._taken: set[tuple[PartyName, int]] = set()
        self._running: Steps[_T] | None = None
        self._waiting: Await | None = None
        self._finished = False
        self._aborted = False
        self._outcome: _T | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    @property
    def finished(self) -> bool:
        return self._finished

    @property
    def result(self) -> _T:
        """What the script returned. Raises ``WrongRound`` before the end."""
        if not self._finished:
            raise WrongRound("the protocol has not ended yet")
        return cast(_T, self._outcome)

    def start(self) -> Iterable[Send]:
        if self._running is not None:
            raise WrongRound("already started")
        self._running = self._script()
        return self._advance(self._running, None)

    def receive(self, sender: PartyName, message: bytes) -> Iterable[Send]:
        if self._aborted:
            raise WrongRound("this run was aborted by an earlier error: start a new session")
        if sender not in self._senders:
            raise UnknownParty("a message from someone who sends nothing to this party")
        words = Words.decode(message, self.session)
        key = (sender, words.round)
        if key not in self._expected:
            raise WrongRound("this sender sends nothing in this round")
        if key in self._taken:
            raise DuplicateMessage("this message has arrived already")
        if len(words.data) != self._expected[key]:
            raise MalformedMessage("not as many words as this round carries")
        self._taken.add(key)
        self._inbox[key] = words.data
        if self._running is None or self._waiting is None:
            return []
        return self._advance(self._running, self._waiting)

    def _script(self) -> Steps[_T]:
        raise NotImplementedError

    def _send(self, to: PartyName, number: int, words: npt.NDArray[Any] | bytes) -> Send:
        data = words if isinstance(words, bytes) else words.tobytes()
        return Send(to, Words(self.session, number, data).encode())

    def _advance(self, script: Steps[_T], waiting: Await | None) -> list[Send]:
        """Run until a message is missing or the end; return all that is to be sent."""
        sends: list[Send] = []
        try:
            step = next(script) if waiting is None else waiting
            while True:
                if isinstance(step, Send):
                    sends.append(step)
                    step = next(script)
                    continue
                data = self._inbox.pop((step.sender, step.round), None)
                if data is None:
                    self._waiting = step
                    return sends
                step = script.send(data)
        except StopIteration as end:
            self._outcome, self._finished = end.value, True
            self._waiting = None
        except Exception:
            # Bad content in a message of the right shape, or a source of randomness that failed: the script cannot go
            # back, so this run ends here. Without this, a script that died would look like one that returned nothing.
            self._aborted = True
            raise
        return sends
