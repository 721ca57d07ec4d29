"""Waiting longer after each failure, and never in step with others."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta

__all__ = ["Backoff", "growing_delay"]


def growing_delay(
    attempt: int,
    *,
    first: timedelta = timedelta(seconds=1),
    longest: timedelta = timedelta(seconds=60),
) -> timedelta:
    """Delay before the next try: `first` after attempt 1, doubled each time, at most `longest`."""
    doublings = min(max(attempt, 1) - 1, 30)
    return min(longest, first * (1 << doublings))


class Backoff:
    """Exponential back-off with jitter.

    Args:
        first: delay after the first failure, before jitter.
        longest: upper bound.
        chance: returns a number in [0, 1); the jitter takes up to half of the delay away, so
            that many clients of one lost server do not come back in the same instant.
    """

    def __init__(
        self,
        first: timedelta,
        longest: timedelta,
        *,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._first = first
        self._longest = longest
        self._chance = chance
        self.failures = 0
        """Failures in a row."""

    def failed(self) -> timedelta:
        """Note a failure; returns how long to wait now."""
        self.failures += 1
        full = growing_delay(self.failures, first=self._first, longest=self._longest)
        return full * (1 - self._chance() / 2)

    def worked(self) -> None:
        """Note a success: the next failure begins anew."""
        self.failures = 0
