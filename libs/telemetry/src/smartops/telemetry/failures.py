"""Failures as text that may be logged: type, message and stack, without the values that failed.

Two kinds of error carry payloads in their text. A pydantic error quotes the input that it refused;
a Postgres error has a DETAIL that may quote a whole row. Both are told without these parts.
"""

from __future__ import annotations

import sys
import traceback
from typing import Any, Final, TypedDict

__all__ = ["Failure", "describe", "failure_of", "message_of"]

FRAMES: Final = 30
"""Innermost frames kept per exception: recursion must not write megabytes."""

LINKS: Final = 8
"""Causes told of one failure, and members told of one group."""


class Failure(TypedDict):
    """One failure, as it stands in a log record."""

    type: str
    message: str
    stack: str
    """Frames of the error, then of its causes, each headed by its type and message."""


def failure_of(error: BaseException) -> Failure:
    """All that may be logged of a failure."""
    return {"type": _type_name(error), "message": message_of(error), "stack": _stack(error)}


def describe(error: BaseException) -> str:
    """Type and message in one line."""
    message = message_of(error)
    return f"{_type_name(error)}: {message}" if message else _type_name(error)


def message_of(error: BaseException) -> str:
    """The message of an error, less what it quotes of the data."""
    core: Any = sys.modules.get("pydantic_core")  # Not loaded: then no such error exists.
    if core is not None and isinstance(error, core.ValidationError):
        return _refusals(error)
    if hasattr(error, "sqlstate") and error.args:
        return str(error.args[0])  # `str(error)` would add DETAIL and HINT.
    try:
        return str(error)
    except Exception as broken:  # noqa: BLE001 - __str__ is foreign code; a log call must not raise.
        return f"<message lost: its __str__ raised {type(broken).__name__}>"


def _refusals(error: Any) -> str:
    found = error.errors(include_url=False, include_input=False, include_context=False)
    told = [
        f"{'.'.join(str(part) for part in one['loc']) or '(root)'}: {one['msg']}"
        for one in found[:LINKS]
    ]
    more = f"; and {len(found) - LINKS} more" if len(found) > LINKS else ""
    return f"{error.title}: {'; '.join(told)}{more}"


def _type_name(error: BaseException) -> str:
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else _dotted(kind)


def _dotted(kind: type[BaseException]) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _stack(error: BaseException) -> str:
    parts: list[str] = []
    seen: set[int] = set()
    relation = ""
    current: BaseException | None = error
    while current is not None and id(current) not in seen and len(seen) < LINKS:
        seen.add(id(current))
        parts += [relation + describe(current), *_frames(current)]
        if isinstance(current, BaseExceptionGroup):
            for member in current.exceptions[:LINKS]:
                parts += ["holding " + describe(member), *_frames(member)]
        relation = "caused by "
        if current.__cause__ is not None or current.__suppress_context__:
            current = current.__cause__
        else:
            relation, current = "while handling ", current.__context__
    return "\n".join(parts)


def _frames(error: BaseException) -> list[str]:
    return [line.rstrip("\n") for line in traceback.format_tb(error.__traceback__, limit=-FRAMES)]
