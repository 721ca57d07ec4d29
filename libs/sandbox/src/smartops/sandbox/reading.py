"""What a child's answer means."""

from __future__ import annotations

import signal
from typing import Any

from smartops.contracts.errors import Malformed
from smartops.contracts.parsing import strict_json
from smartops.redact import redact
from smartops.sandbox.errors import NotStarted
from smartops.sandbox.levels import Level
from smartops.sandbox.limits import Limits
from smartops.sandbox.outcomes import Failed, Killed, Outcome, TimedOut, TooLarge, Value
from smartops.sandbox.talking import Answer

__all__ = ["FRAME_BYTES", "read"]

FRAME_BYTES = 32 * 1024
"""Of an answer, beside the result: the line about the fences, and an exception's text."""

_MAX_MESSAGE = 500
_SIGNALLED = 128
"""Added to a signal's number by those who end as their child did."""


def read(answer: Answer, level: Level, limits: Limits) -> tuple[tuple[str, ...], Outcome]:
    """The fences that stood, and what came of the code.

    The first line is ours: it is written before the code is looked at. What follows is the
    code's, which has the same pipe, and is believed no further than that.

    Raises:
        NotStarted: the fences did not all stand, so nothing was run.
    """
    first, _, rest = answer.output.partition(b"\n")
    fences = _fences(first, answer, level)
    if answer.late:
        return fences, TimedOut(limits.wall)
    if answer.long:
        return fences, TooLarge(limits.output_bytes)
    if not rest:
        return fences, _silent(answer.status)
    return fences, _outcome(rest.rstrip(b"\n"), limits)


def _fences(line: bytes, answer: Answer, level: Level) -> tuple[str, ...]:
    try:
        told = strict_json(line)
    except Malformed:
        told = None
    match told:
        case {"fences": [*names]}:
            return tuple(str(name) for name in names)
        case {"unguarded": str() as reason}:
            raise NotStarted(level, reason)
        case _ if answer.late:
            raise NotStarted(level, "it was not ready in time")
        case _:
            said = answer.complaint.splitlines()[-1:] or [f"it ended with {answer.status}"]
            raise NotStarted(level, str(redact(said[0][:_MAX_MESSAGE])))


def _outcome(line: bytes, limits: Limits) -> Outcome:
    try:
        told = strict_json(line, max_bytes=limits.output_bytes + FRAME_BYTES)
    except Malformed as error:
        return Failed("Malformed", f"the result is not legal JSON: {error.reason}"[:_MAX_MESSAGE])
    match told:
        case {"value": value} if len(told) == 1:
            return _value(value)
        case {"failed": {"error": str() as kind, "message": str() as message, "line": line_no}}:
            number = line_no if isinstance(line_no, int) and not isinstance(line_no, bool) else None
            return Failed(_safe(kind, 100), _safe(message, _MAX_MESSAGE), number)
        case {"too_large": int()}:
            return TooLarge(limits.output_bytes)
        case _:
            return Failed("Malformed", "the code wrote into the pipe for its result")


def _value(value: Any) -> Outcome:
    try:
        str(value).encode()
    except UnicodeEncodeError:
        return Failed("Malformed", "the result holds half of a surrogate pair, which is no text")
    return Value(value)


def _silent(status: int) -> Outcome:
    number = -status if status < 0 else status - _SIGNALLED
    try:
        name = signal.Signals(number).name
    except ValueError:
        return Killed(f"exit {status}")
    return Killed(name, "cpu" if name == "SIGXCPU" else None)


def _safe(text: str, length: int) -> str:
    """Without secrets, and cut afterwards, so that no half of one is left.

    Redaction must see the text as it will be stored.
    """
    plain = text.encode(errors="replace").decode()
    return str(redact(plain))[:length]
