"""The witness's loop: take the next checkpoint, check that it extends the last, store, cosign."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Final

from jobs.documents import Envelope, PublicKey, Roster, SigningKey, Verified
from jobs.errors import JobError
from sandbox.audit import Cosigner
from sandbox.errors import BadLogSignature, ForeignLog, LogFailure, LogForked, LogRolledBack, MalformedNote
from sandbox.hub_http import HubAway, HubRefused
from sandbox.keys import Trust
from sandbox.keys.chain import current_roster, take_newer
from sandbox.log_link import LogLink, claimed_size
from sandbox.witness.seen import SeenFile

_LOG: Final = logging.getLogger("unseen.witness")
_POLL_S: Final = 25.0
_RETRY_S: Final = 0.5


class Witness:
    """One witness of one log. Stops for good at the first evidence of a second history, which it keeps on disk."""

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
        self._cosigned = -1

    def step(self, wait: float) -> bool:
        """Cosign the next checkpoint; returns whether there was one. Raises ``LogFailure``, ``HubAway``, ``JobError``.

        Raises ``IntegrityFailure`` if what it remembers is damaged.
        """
        self._seen.check_no_evidence()
        seen = self._seen.load()
        # a crash between store and cosignature left this size without ours: ask for it again
        known = seen.size if self._cosigned == seen.size else max(seen.size - 1, 0)
        note = self._hub.checkpoint(known, wait)
        if note is None:
            return False
        size = claimed_size(note)
        proof = self._hub.consistency(seen.size, size) if 0 < seen.size < size else ()
        cosigner = Cosigner(self._name, self._key, self._trust.origin, self._hub_key())
        try:
            step = cosigner.advance(seen, note, proof, self._clock())
        except (LogForked, LogRolledBack) as failure:
            self._seen.keep_evidence(failure)
            raise
        if step.seen.size == self._cosigned:
            return False
        self._seen.store(step.seen)
        self._hub.cosign(step.seen.size, step.signature.line)
        self._cosigned = step.seen.size
        return True

    def serve(self) -> None:
        """Run until ``stop``. Raises ``LogFailure`` when the log does not hold: nothing is cosigned after that."""
        while not self._stopping.is_set():
            try:
                self.step(_POLL_S)
            except (HubAway, HubRefused) as error:
                _LOG.info("%s; trying again", error)
                self._stopping.wait(_RETRY_S)
            except (JobError, MalformedNote, BadLogSignature, ForeignLog) as error:
                # nothing that the hub's key signed: it convicts nobody, and nothing is cosigned
                _LOG.error("%s; trying again", error)
                self._stopping.wait(10 * _RETRY_S)
            except LogFailure as failure:
                _LOG.critical("the log does not hold: %s\n%s", failure, "\n".join(failure.evidence))
                raise

    def _hub_key(self) -> PublicKey:
        """The hub's key by the newest roster this witness has ever accepted, whatever the hub shows now."""
        trusted = self._seen.rosters(self._trust)

        def accept(envelope: Envelope) -> Verified[Roster]:
            verified = trusted.update(envelope)
            self._seen.add_roster(envelope)
            return verified

        take_newer(trusted, self._hub.rosters(), accept)
        return current_roster(trusted, self._clock(), self._trust.oldest_roster).document.hub_key()

    def stop(self) -> None:
        self._stopping.set()
