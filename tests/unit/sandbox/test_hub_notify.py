"""Wake-ups: none is lost between look and wait, none wakes the wrong listener, shutdown frees everybody."""

from __future__ import annotations

import asyncio
import threading

from sandbox.hub.core.notify import Notifier, Pace


def test_a_wake_from_another_thread_reaches_its_listener_only() -> None:
    async def main() -> tuple[bool, bool]:
        notifier = Notifier()
        notifier.start()
        async with notifier.listen("a", "b") as mine, notifier.listen("c") as other:
            threading.Thread(target=notifier.tell, args=(frozenset({"b"}),)).start()
            return await mine.wait(10), await other.wait(0.05)

    assert asyncio.run(main()) == (True, False)


def test_what_happens_between_look_and_wait_still_wakes() -> None:
    async def main() -> bool:
        notifier = Notifier()
        notifier.start()
        async with notifier.listen("a") as listener:
            notifier.tell(frozenset({"a"}))
            await asyncio.sleep(0)  # the news arrives before anybody waits
            return await listener.wait(0.05)

    assert asyncio.run(main())


def test_stopping_wakes_everybody_and_later_news_are_dropped() -> None:
    async def main() -> tuple[bool, bool]:
        notifier = Notifier()
        notifier.start()
        async with notifier.listen("a") as listener:
            notifier.stop()
            notifier.tell(frozenset({"a"}))
            return await listener.wait(10), notifier.running

    assert asyncio.run(main()) == (True, False)


def test_a_pace_is_due_when_the_log_stood_still() -> None:
    pace = Pace(600, 60, 0)
    assert pace.seconds_left() is None
    pace.grow()
    assert 59 < (pace.seconds_left() or 0) <= 60
    pace.take()
    assert pace.seconds_left() is None


def test_a_pace_does_not_wait_forever_for_a_log_that_never_stands_still() -> None:
    pace = Pace(60, 600, 0)
    pace.grow()
    pace.grow()
    assert 59 < (pace.seconds_left() or 0) <= 60


def test_the_end_of_a_job_is_signed_at_once_but_never_two_within_the_gap() -> None:
    pace = Pace(600, 60, 5)
    pace.grow()
    pace.grow(closed=True)
    assert pace.seconds_left() == 0
    pace.grow()  # what comes behind the end does not put it off
    assert pace.seconds_left() == 0
    pace.take()
    pace.grow(closed=True)
    assert 4 < (pace.seconds_left() or 0) <= 5
