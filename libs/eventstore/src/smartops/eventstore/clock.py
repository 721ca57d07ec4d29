"""The database's clock, known in between two answers of the database."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

__all__ = ["DatabaseClock"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class DatabaseClock:
    """Follows the database's clock by the monotonic one.

    An answer proves that the database's clock stood at its timestamp at some moment between the
    sending and the receipt. That bounds the distance between both clocks from below and above. The
    estimate moves only when it leaves the bounds, and then no further than it must: so it is good
    to half a round trip, and follows a clock that drifts or is set.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._distance: float | None = None
        """Seconds since the epoch by the database, less our monotonic seconds."""

    def observe(self, answered: datetime, sent: float, received: float) -> None:
        """Learn from an answer.

        Args:
            answered: The database's clock.
            sent: Our monotonic clock before the question.
            received: And after the answer.
        """
        seconds = (answered - _EPOCH) / _MICROSECOND / 1e6
        lowest, highest = seconds - received, seconds - sent
        if self._distance is None:
            self._distance = (lowest + highest) / 2
        else:
            self._distance = min(max(self._distance, lowest), highest)

    def now(self) -> datetime:
        """The database's clock, estimated; aware, in UTC.

        Raises:
            RuntimeError: The database has not answered yet.
        """
        if self._distance is None:
            raise RuntimeError("the database's clock is unknown: connect the store first")
        return _EPOCH + timedelta(seconds=self._monotonic() + self._distance)
