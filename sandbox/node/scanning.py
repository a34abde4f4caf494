"""How far a long scan is: whole for the owner, who asks the node; for the hub a fraction, on a clock.

The number of parts follows from the number of rows, which the hub knows a bound of only. So it is told a percentage
that goes on between parts, and an estimate of the time left; how long a scan took it sees anyway, by its message.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from jobs.runner.port import Progress
from sandbox.logs import facts
from sandbox.node.hub_port import HubAway, HubPort, HubRefused

EVERY_S: Final = 2.0
"""Between two words to the hub, and before the first: a shorter scan says nothing."""
_DAY_S: Final = 86_400
_LOG: Final = logging.getLogger("unseen.node")


class ScanReport:
    """Of one local step of one job. Called by the runner after each part; a thread of its own tells the hub.

    It is a courtesy: nothing waits for it, and what the hub answers changes nothing.
    """

    def __init__(
        self, hub: HubPort, job: str, every: float = EVERY_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._hub, self._job, self._every, self._clock = hub, job, every, clock
        self._last: tuple[Progress, float] | None = None
        self._ended = threading.Event()

    def __call__(self, state: Progress) -> None:
        first = self._last is None
        self._last = state, self._clock()
        if first:
            threading.Thread(target=self._tell, name=f"scan of {self._job}", daemon=True).start()

    @property
    def latest(self) -> Progress | None:
        """What the runner said last; for the owner."""
        return None if self._last is None or self._ended.is_set() else self._last[0]

    def stop(self) -> None:
        """The step has ended, or its job has. May be called twice."""
        self._ended.set()

    def said(self) -> tuple[int, int]:
        """Percent done and seconds left now, as the hub hears them. Needs one call of the runner before."""
        if self._last is None:
            return 0, 0
        state, at = self._last
        since = self._clock() - at
        done = state.parts_done / state.parts
        whole = state.seconds_left / (1 - done) if done < 1 else 0.0
        if whole > 0:  # between two parts it goes on evenly, up to where the next one would be
            done += min(since / whole, 1 / state.parts)
        return min(99, int(100 * done)), min(_DAY_S, max(0, round(state.seconds_left - since)))

    def _tell(self) -> None:
        while not self._ended.wait(self._every):
            try:
                self._hub.scan(self._job, *self.said())
            except HubRefused as refused:
                _LOG.info("the hub does not take how far the scan is: %s", refused, extra=facts(job=self._job))
                return
            except HubAway:
                continue
