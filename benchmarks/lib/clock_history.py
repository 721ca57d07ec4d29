"""What the database's clock showed when, and so when an event was really recorded."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

__all__ = ["KNOWN_AFTER", "ClockHistory"]

KNOWN_AFTER = timedelta(seconds=3)
"""Every service asks the database for its clock once a second, and what it decides takes time to
be recorded: so long after a jump, both readings count."""

_MARGIN = timedelta(minutes=2)


class ClockHistory:
    """Offsets of a clock, in the order in which they were set.

    They differ by an hour at least, and the run is shorter: so a reading tells which one held.
    """

    def __init__(self) -> None:
        """The clock is right when this is made."""
        self._set: list[tuple[datetime, timedelta]] = [(datetime.now(UTC) - _MARGIN, timedelta(0))]

    def note(self, offset: timedelta) -> None:
        """It was set just now."""
        self._set.append((datetime.now(UTC), offset))

    def true_time(self, reading: datetime) -> datetime:
        """When the clock showed this.

        Raises:
            LookupError: it never did.
        """
        began, ends = self._set[0][0], datetime.now(UTC) + _MARGIN
        for _, offset in self._set:
            if began <= reading - offset <= ends:
                return reading - offset
        raise LookupError(f"the clock never showed {reading.isoformat()}")

    def readings(self, at: datetime) -> Sequence[datetime]:
        """What the clock showed at a true time; right after a jump, what it showed before too."""
        shown = []
        ends: Sequence[datetime | None] = [*(since for since, _ in self._set[1:]), None]
        for (since, offset), until in zip(self._set, ends, strict=True):
            if since <= at and (until is None or at <= until + KNOWN_AFTER):
                shown.append(at + offset)
        return shown
