"""Maintenance windows: the hours of a day, somewhere, in which changes may be made."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field
from smartops.contracts.errors import Malformed
from smartops.contracts.wire import Wire
from typing_extensions import override

__all__ = ["OUTSIDE_WINDOW", "MaintenanceWindow", "is_open", "opens_at"]

OUTSIDE_WINDOW = "outside_window"
"""The reason code of a step that came when its window was not open: it may come again."""

TimeOfDay = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]

_DAYS = range(-2, 3)
"""Around today in UTC: enough for every time zone, and for windows over midnight."""


class MaintenanceWindow(Wire):
    """Every day from `start` until `end`; over midnight if `end` is not after `start`."""

    start: TimeOfDay
    """Of the clock on the wall there: `22:00`."""
    end: TimeOfDay
    timezone: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_+/-]{0,63}$")]
    """Its name in the IANA database: `Europe/Berlin`, `UTC`."""

    @override
    def __str__(self) -> str:
        return f"{self.start} to {self.end} {self.timezone}"


def is_open(window: MaintenanceWindow, now: datetime) -> bool:
    """Whether changes may be made now.

    Raises:
        Malformed: nobody here knows the time zone.
    """
    return any(start <= now < end for start, end in _around(window, now))


def opens_at(window: MaintenanceWindow, now: datetime) -> datetime:
    """When it opens next, in UTC.

    Raises:
        Malformed: nobody here knows the time zone.
    """
    return min(start for start, _ in _around(window, now) if start > now)


def _around(window: MaintenanceWindow, now: datetime) -> list[tuple[datetime, datetime]]:
    try:
        zone = ZoneInfo(window.timezone)
    except (ZoneInfoNotFoundError, OSError, ValueError) as error:
        raise Malformed(f"there is no time zone {window.timezone!r}") from error
    start, end = time.fromisoformat(window.start), time.fromisoformat(window.end)
    overnight = timedelta(days=end <= start)
    today = now.astimezone(UTC).date()
    days = [today + timedelta(days=shift) for shift in _DAYS]
    return [(_utc(day, start, zone), _utc(day + overnight, end, zone)) for day in days]


def _utc(day: date, at: time, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, at, zone).astimezone(UTC)
