"""How late the event loop runs what is due: tells a service that is stuck from one that is busy."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import Final

__all__ = ["LoopLag"]

INTERVAL: Final = timedelta(milliseconds=500)
"""Between two looks: a block longer than this is always seen, a shorter one by chance."""

WINDOW: Final = timedelta(seconds=30)
"""The worst figure is of the last one to two windows."""


class LoopLag:
    """Sets itself an alarm again and again, and notes how late it rings."""

    def __init__(self, interval: timedelta = INTERVAL) -> None:
        self._interval = interval.total_seconds()
        self._alarm: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._last = 0.0
        self._worst = [0.0, 0.0]
        self._window_ends = 0.0

    def start(self) -> None:
        """Watch the running loop; again is harmless."""
        if self._alarm is None:
            self._window_ends = time.monotonic() + WINDOW.total_seconds()
            self._set_alarm()

    def stop(self) -> None:
        """Stop watching."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    @property
    def seconds(self) -> float:
        """How late the last alarm rang, or how late the next already is."""
        overdue = time.monotonic() - self._due if self._alarm is not None else 0.0
        return max(self._last, overdue)

    @property
    def worst_seconds(self) -> float:
        """The latest that an alarm rang within the last half to one minute."""
        return max(*self._worst, self.seconds)

    def _set_alarm(self) -> None:
        # The loop's own clock may stand still within a turn (libuv caches it), so it is not used.
        self._due = time.monotonic() + self._interval
        self._alarm = asyncio.get_running_loop().call_later(self._interval, self._ring)

    def _ring(self) -> None:
        now = time.monotonic()
        self._last = max(0.0, now - self._due)
        if now >= self._window_ends:
            self._window_ends = now + WINDOW.total_seconds()
            self._worst = [self._last, self._worst[0]]
        else:
            self._worst[0] = max(self._worst[0], self._last)
        self._set_alarm()
