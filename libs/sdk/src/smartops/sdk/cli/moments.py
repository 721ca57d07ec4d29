"""Moments as people write them: `14:00`, `45m`, `2026-11-21T14:00+01:00`."""

from __future__ import annotations

import re
from datetime import datetime, time, timedelta
from typing import Literal

from smartops.sdk.cli.session import Usage

__all__ = ["moment", "past_moment"]

_SPAN = re.compile(r"([1-9][0-9]{0,4})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_CLOCK = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")


def moment(text: str, now: datetime, option: str) -> datetime:
    """The moment to come that a person means.

    Args:
        text: a time of day (the next time that it is so late), a span from now, or a date with
            time and, unless the time zone here is meant, an offset.
        now: in the time zone that the person lives in.
        option: where it was written, for the message.

    Raises:
        Usage: it is none of these, or past.
    """
    found = _read(text, now, option, 1)
    if found <= now:
        raise Usage(f"{option} {text} is past")
    return found


def past_moment(text: str, now: datetime, option: str) -> datetime:
    """A moment that was: a time of day (the last time that it was so late), `45m` ago, or a date.

    Args:
        text: as a person writes it.
        now: in the time zone that the person lives in.
        option: where it was written, for the message.

    Raises:
        Usage: it is none of these, or yet to come.
    """
    found = _read(text, now, option, -1)
    if found > now:
        raise Usage(f"{option} {text} is yet to come")
    return found


def _read(text: str, now: datetime, option: str, way: Literal[1, -1]) -> datetime:
    """Spans and times of day lie ahead (1) or behind (-1)."""
    if (span := _SPAN.fullmatch(text)) is not None:
        return now + way * timedelta(**{_UNITS[span[2]]: int(span[1])})
    if (clock := _CLOCK.fullmatch(text)) is not None:
        today = datetime.combine(now.date(), time(int(clock[1]), int(clock[2])), now.tzinfo)
        is_there = today > now if way > 0 else today <= now
        return today if is_there else today + way * timedelta(days=1)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Usage(
            f"{option} {text!r} is no moment: write 14:00, 45m or 2026-11-21T14:00"
        ) from None
    return found if found.tzinfo is not None else found.replace(tzinfo=now.tzinfo)
