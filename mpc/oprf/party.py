"""The two roles of RFC 9497 as parties: the client has inputs, the server has a key.

Model: the client learns one 64-byte pseudonym per input and nothing about the key; the server learns how many inputs
there were and nothing about them, even if it is malicious. In OPRF mode a malicious server may answer with another key
(and so tell clients apart); VOPRF and POPRF modes prove that it did not. Both sides must know mode, public key and info
beforehand. Each answered query is one use of an oracle: the server's owner counts and budgets them.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Executor

from mpc.errors import BadParameters, DuplicateMessage, MalformedMessage, UnknownParty, WrongRound
from mpc.oprf.keys import Mode, PrivateKey
from mpc.oprf.messages import BlindedElements, EvaluatedElements
from mpc.oprf.modes import Blinded, blind, evaluate, finalize
from mpc.oprf.proof import MOST_PAIRS
from mpc.party import PartyName, RandomBytes, Send


class Client:
    """Section 3.3, left column: sends blinded inputs, receives evaluated ones, outputs pseudonyms in input order."""

    def __init__(
        self,
        name: PartyName,
        server: PartyName,
        session: bytes,
        mode: Mode,
        inputs: Iterable[bytes],
        random_bytes: RandomBytes,
        public: bytes | None = None,
        info: bytes = b"",
        executor: Executor | None = None,
    ) -> None:
        """``public`` is the server's pinned key, needed in the verifiable modes; 1 to 65535 inputs there."""
        self.name = name
        self._server, self._session, self._mode, self._executor = server, session, mode, executor
        self._public, self._info = public, info
        if mode is not Mode.OPRF and public is None:
            raise BadParameters("the verifiable modes need the server's public key, obtained before")
        if info and mode is not Mode.POPRF:
            raise BadParameters("only POPRF mode takes public info")
        self._blinded: Blinded = blind(inputs, mode, random_bytes, executor)
        if not self._blinded.inputs or (mode is not Mode.OPRF and len(self._blinded.inputs) > MOST_PAIRS):
            raise BadParameters(f"at least one input, and in the verifiable modes at most {MOST_PAIRS}")
        self._started = False
        self._result: tuple[bytes, ...] | None = None

    def __repr__(self) -> str:
        return f"Client({self.name!r}, {self._mode.name}, inputs={len(self._blinded.inputs)})"

    @property
    def finished(self) -> bool:
        return self._result is not None

    @property
    def result(self) -> tuple[bytes, ...]:
        """64 bytes per input. Raises ``WrongRound`` before the protocol has finished."""
        if self._result is None:
            raise WrongRound("the server has not answered yet")
        return self._result

    def start(self) -> Iterable[Send]:
        if self._started:
            raise WrongRound("already started")
        self._started = True
        return [Send(self._server, BlindedElements(self._session, self._blinded.elements).encode())]

    def receive(self, sender: PartyName, message: bytes) -> Iterable[Send]:
        if sender != self._server:
            raise UnknownParty("only the server writes to a client")
        answer = EvaluatedElements.decode(message, self._session)
        if self._result is not None:
            raise DuplicateMessage("the server has answered already")
        if not self._started:
            raise WrongRound("an answer before the question")
        if len(answer.elements) != len(self._blinded.elements):
            raise MalformedMessage("not as many evaluated elements as were sent")
        if (answer.proof is None) != (self._mode is Mode.OPRF):
            raise MalformedMessage("a proof where the mode has none, or none where it has one")
        self._result = finalize(
            self._blinded, answer.elements, answer.proof, self._public, self._mode, self._info, self._executor
        )
        return []


class Server:
    """Section 3.3, right column: evaluates one batch of blinded elements for one client."""

    def __init__(
        self,
        name: PartyName,
        client: PartyName,
        session: bytes,
        mode: Mode,
        key: PrivateKey,
        random_bytes: RandomBytes,
        at_most: int,
        info: bytes = b"",
        executor: Executor | None = None,
    ) -> None:
        """``at_most`` is what the caller has charged: a larger batch is refused with ``BadParameters``."""
        self.name = name
        self._client, self._session, self._mode, self._key = client, session, mode, key
        self._random, self._at_most, self._info, self._executor = random_bytes, at_most, info, executor
        self.finished = False

    def __repr__(self) -> str:
        return f"Server({self.name!r}, {self._mode.name})"

    def start(self) -> Iterable[Send]:
        return []

    def receive(self, sender: PartyName, message: bytes) -> Iterable[Send]:
        if sender != self._client:
            raise UnknownParty("only the client writes to a server")
        if self.finished:
            raise DuplicateMessage("this session's batch has been answered: open a new session")
        question = BlindedElements.decode(message, self._session, self._at_most)
        evaluated, proof = evaluate(question.elements, self._key, self._mode, self._random, self._info, self._executor)
        self.finished = True
        return [Send(self._client, EvaluatedElements(self._session, evaluated, proof).encode())]
