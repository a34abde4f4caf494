"""The witness's loop: take the next checkpoint, check that it extends the last, store, cosign."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Final

from jobs.documents import Envelope, SigningKey
from sandbox.audit import Cosigner
from sandbox.errors import LogFailure
from sandbox.keys import Trust
from sandbox.link import HubAway, HubRefused, LogLink, claimed_size
from sandbox.witness.seen import SeenFile

_LOG: Final = logging.getLogger("unseen.witness")
_POLL_S: Final = 25.0
_RETRY_S: Final = 0.5


class Witness:
    """One witness of one log. Stops for good at the first evidence of a second history, which it keeps in the log."""

    def __init__(
        self,
        name: str,
        key: SigningKey,
        trust: Trust,
        hub: LogLink,
        seen: SeenFile,
        clock: Callable[[], datetime],
    ) -> None:
        self._name, self._key, self._trust = name, key, trust
        self._hub, self._seen, self._clock = hub, seen, clock
        self._stopping = threading.Event()

    def step(self, wait: float) -> bool:
        """Cosign the next checkpoint; returns whether there was one. Raises ``LogFailure``, ``HubAway``."""
        seen = self._seen.load()
        note = self._hub.checkpoint(seen.size, wait)
        if note is None:
            return False
        trusted = self._trust.rosters()
        for roster in self._hub.rosters():
            trusted.update(Envelope.from_json(roster))
        hub_key = trusted.current(self._clock()).document.hub_key()
        size = claimed_size(note)
        proof = self._hub.consistency(seen.size, size) if 0 < seen.size < size else ()
        step = Cosigner(self._name, self._key, self._trust.origin, hub_key).advance(seen, note, proof, self._clock())
        self._seen.store(step.seen)
        self._hub.cosign(step.seen.size, step.signature.line)
        return True

    def serve(self) -> None:
        """Run until ``stop``. Raises ``LogFailure`` when the log does not hold: nothing is cosigned after that."""
        while not self._stopping.is_set():
            try:
                self.step(_POLL_S)
            except (HubAway, HubRefused) as error:
                _LOG.info("%s; trying again", error)
                self._stopping.wait(_RETRY_S)
            except LogFailure as failure:
                _LOG.critical("the log does not hold: %s\n%s", failure, "\n".join(failure.evidence))
                raise

    def stop(self) -> None:
        self._stopping.set()
