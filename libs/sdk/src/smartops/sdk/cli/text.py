"""Words for terminals: what other people wrote made harmless, quantities made readable."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from datetime import datetime, timedelta

__all__ = ["age", "clip", "count", "duration", "harmless", "listing", "one_line"]

_MINUTE = 60
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR
_HIDING = frozenset("\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u3164\uffa0")
"""Letters by category that are drawn as nothing."""


def harmless(text: str) -> str:
    """Text by others, fit for a terminal: what would steer it, or hide in it, is spelled out.

    Intents and plans may come from strangers. An escape sequence could repaint an approval card,
    a right-to-left mark could reverse a word, a zero-width character could part one.
    """
    return "".join(char if _shows(char) else f"<U+{ord(char):04X}>" for char in text)


def one_line(text: str) -> str:
    """The same, on one line."""
    return harmless(" ".join(text.split()))


def clip(text: str, width: int) -> str:
    """The beginning of a text, marked where it was cut."""
    return text if len(text) <= width else text[: width - 1].rstrip() + "…"


def listing(names: Sequence[str], shown: int = 3) -> str:
    """The first few names, and how many more there are."""
    rest = len(names) - shown
    head = ", ".join(one_line(name) for name in names[:shown])
    return head if rest <= 0 else f"{head} and {rest} more"


def count(number: int, noun: str, plural: str | None = None) -> str:
    """`1 step`, `3 steps`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def duration(span: timedelta) -> str:
    """A span, as exact as one cares for."""
    seconds = max(0.0, span.total_seconds())
    if seconds < _MINUTE:
        return (
            f"{seconds:.1f} s".replace(".0 s", " s") if seconds >= 1 else f"{seconds * 1000:.0f} ms"
        )
    whole = round(seconds)
    if whole < _HOUR:
        return _two(whole, _MINUTE, "min", 1, "s")
    if whole < _DAY:
        return _two(whole, _HOUR, "h", _MINUTE, "min")
    return _two(whole, _DAY, "d", _HOUR, "h")


def age(moment: datetime | None, now: datetime) -> str:
    """How long ago, or in how long, roughly."""
    if moment is None:
        return "-"
    seconds = (now - moment).total_seconds()
    past, seconds = seconds >= 0, abs(seconds)
    if seconds < _MINUTE:
        rough = f"{seconds:.0f} s"
    elif seconds < _HOUR:
        rough = f"{seconds / _MINUTE:.0f} min"
    elif seconds < 2 * _DAY:
        rough = f"{seconds / _HOUR:.0f} h"
    else:
        rough = f"{seconds / _DAY:.0f} d"
    return f"{rough} ago" if past else f"in {rough}"


def _two(seconds: int, large: int, name: str, small: int, other: str) -> str:
    """`4 h 5 min`, and `4 h` where there are no minutes."""
    rest = seconds % large // small
    return f"{seconds // large} {name}" + (f" {rest} {other}" if rest else "")


def _shows(char: str) -> bool:
    if char == "\n":
        return True
    return unicodedata.category(char)[0] != "C" and char not in _HIDING and not _separates(char)


def _separates(char: str) -> bool:
    return unicodedata.category(char) in ("Zl", "Zp")
