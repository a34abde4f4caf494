"""The witness's loop: take the next checkpoint, check that it extends the last, store, cosign."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from jobs.documents import Envelope, Roster, SigningKey, Verified
from jobs.errors import JobError
from sandbox.audit import Cosigner, SeenLog, Step
from sandbox.errors import BadLogSignature, ForeignLog, LogFailure, LogForked, LogRolledBack, MalformedNote
from sandbox.hub_http import HubAway, HubRefused
from sandbox.keys import Trust
from sandbox.keys.chain import current_roster, take_newer
from sandbox.log_link import Cosignature, Following, LogPort, News
from sandbox.logs import facts
from sandbox.reach import Reach
from sandbox.witness.seen import SeenFile

_LOG: Final = logging.getLogger("unseen.witness")
_POLL_S: Final = 25.0
_UNSIGNED_S: Final = 5.0
_ROSTER_LIFE: Final = timedelta(minutes=1)
"""A newer roster of the authority counts after this time, even if the old hub key still signs."""


class Witness:
    """One witness of one log. Stops for good at the first evidence of a second history, which it keeps on disk."""

    def __init__(
        self,
        name: str,
        key: SigningKey,
        trust: Trust,
        hub: LogPort,
        seen: SeenFile,
        clock: Callable[[], datetime],
    ) -> None:
        self._name, self._key, self._trust = name, key, trust
        self._hub, self._seen, self._clock = hub, seen, clock
        self._stopping = threading.Event()
        self._following = Following()
        self._heard: datetime | None = None
        self._reach = Reach(_LOG)

    def step(self, wait: float) -> bool:
        """Cosign the next checkpoint; returns whether there was one. Raises ``LogFailure``, ``HubAway``, ``JobError``.

        Raises ``IntegrityFailure`` if what it remembers is damaged.
        """
        self._seen.check_no_evidence()
        seen = self._seen.load()
        news = self._following.news(self._hub, seen.size, (), wait)
        try:
            step = self._advance(seen, news)
        except (LogForked, LogRolledBack) as failure:
            self._seen.keep_evidence(failure)
            raise
        if not self._following.is_due(seen.size, step.seen.size):
            return False
        self._seen.store(step.seen)  # on the disk: now the signature may leave, with the next call
        self._following.cosign(Cosignature(step.seen.size, step.signature.line))
        return True

    def _advance(self, seen: SeenLog, news: News) -> Step:
        if self._heard is None or self._clock() - self._heard > _ROSTER_LIFE:
            self._hear()
        try:
            return self._cosigner().advance(seen, news.note, news.consistency, self._clock())
        except BadLogSignature:
            self._hear()  # the authority may have given the hub a new key
            return self._cosigner().advance(seen, news.note, news.consistency, self._clock())

    def _cosigner(self) -> Cosigner:
        """The hub's key is that of the newest roster this witness has ever accepted, whatever the hub shows now."""
        trusted = self._seen.rosters(self._trust)
        roster = current_roster(trusted, self._clock(), self._trust.oldest_roster)
        return Cosigner(self._name, self._key, self._trust.origin, roster.document.hub_key())

    def serve(self) -> None:
        """Run until ``stop``. Raises ``LogFailure`` when the log does not hold: nothing is cosigned after that."""
        _LOG.info("witness %s follows the log", self._name, extra=facts(event="witness.ready"))
        while not self._stopping.is_set():
            try:
                with self._reach.call():
                    self.step(_POLL_S)
            except (HubAway, HubRefused) as error:
                self._stopping.wait(self._reach.pause(error))
            except (JobError, MalformedNote, BadLogSignature, ForeignLog) as error:
                # nothing that the hub's key signed: it convicts nobody, and nothing is cosigned
                _LOG.error("%s; trying again", error, extra=facts(event="log.trouble"))
                self._stopping.wait(_UNSIGNED_S)
            except LogFailure as failure:
                named = facts(event="log.failed", evidence=list(failure.evidence))
                _LOG.critical("the log does not hold: %s", failure, extra=named)
                raise

    def _hear(self) -> None:
        """Take the rosters that the hub distributes, if the pinned root signed them."""
        trusted = self._seen.rosters(self._trust)

        def accept(envelope: Envelope) -> Verified[Roster]:
            verified = trusted.update(envelope)
            self._seen.add_roster(envelope)
            return verified

        take_newer(trusted, self._hub.rosters(), accept)
        self._heard = self._clock()

    def stop(self) -> None:
        self._stopping.set()
