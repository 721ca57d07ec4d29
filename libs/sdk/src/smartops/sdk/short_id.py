"""Short names of tasks: the first characters of their ids, as people type them."""

from __future__ import annotations

import re
from uuid import UUID

__all__ = ["MIN_PREFIX", "short", "uuid_range"]

MIN_PREFIX = 4
"""Fewest characters that name a task."""

_SHOWN = 8
_DIGITS = 32


def short(ident: UUID | str) -> str:
    """The beginning of an id, as lists show it."""
    return str(ident)[:_SHOWN]


def uuid_range(text: str) -> tuple[UUID, UUID]:
    """The first and the last id that begin with `text`; equal when it is a whole id.

    Raises:
        ValueError: not the beginning of an id, or too little of it.
    """
    digits = text.strip().lower().replace("-", "")
    if not re.fullmatch(rf"[0-9a-f]{{1,{_DIGITS}}}", digits):
        raise ValueError(f"{text!r} is no task id: those are made of the digits 0-9 and a-f.")
    if len(digits) < MIN_PREFIX:
        raise ValueError(f"{text!r} is too short: type at least {MIN_PREFIX} characters.")
    return UUID(digits.ljust(_DIGITS, "0")), UUID(digits.ljust(_DIGITS, "f"))
