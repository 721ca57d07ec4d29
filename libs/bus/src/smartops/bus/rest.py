"""Pausing a pull loop: by order, or by itself while a dependency is away."""

from __future__ import annotations

from datetime import timedelta

from smartops.bus.backoff import Backoff
from smartops.bus.credit import Credit

__all__ = ["Rest"]


class Rest:
    """Decides how many messages may run: all, none during a rest, one to try after it.

    Time is loop time in seconds, and comes in; nothing here waits.

    Args:
        credit: whose limit is set.
        first: the first rest after an outage.
        longest: to which it grows with each failed probe.
    """

    def __init__(self, credit: Credit, first: timedelta, longest: timedelta) -> None:
        self._credit = credit
        self._backoff = Backoff(first, longest)
        self._until: float | None = None
        self.reason: str | None = None
        """Why nothing is asked for; None: it is."""
        self.probing = False
        """Whether the next message that meets no outage ends it all."""

    def pause(self, reason: str) -> None:
        """Let nothing run until `end`."""
        self.reason, self._until = reason, None
        self.probing = False
        self._credit.limit = 0

    def outage(self, reason: str, now: float) -> timedelta | None:
        """Let nothing run for a while; returns how long, None if that was decided before.

        All messages in work meet the same outage, so only the first report counts.
        """
        if self.reason is not None:
            return None
        rest = self._backoff.failed()
        self.pause(reason)
        self._until = now + rest.total_seconds()
        return rest

    def over(self, now: float) -> bool:
        """Whether messages may be asked for; begins the probe when a rest has just ended."""
        if self.reason is None:
            return True
        if self._until is None or now < self._until:
            return False
        self.reason = self._until = None
        self.probing = True
        # Messages that started before the outage may still run: one more than those.
        self._credit.limit = min(self._credit.concurrency, self._credit.running + 1)
        return True

    def end(self) -> None:
        """Let all run again."""
        self.reason = self._until = None
        self.probing = False
        self._backoff.worked()
        self._credit.limit = self._credit.concurrency
