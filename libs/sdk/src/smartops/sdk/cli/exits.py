"""Exit codes: what a script may conclude from how the command ended."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smartops.sdk.course import Course
    from smartops.sdk.errors import SdkError

__all__ = ["EPILOG", "Exit", "of_course", "of_error"]


class Exit(IntEnum):
    """How a command ended."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    REFUSED = 3
    WAITING = 4
    ROLLED_BACK = 5
    UNKNOWN = 6
    UNREACHABLE = 7
    INTERRUPTED = 130


EPILOG = """Exit codes:
  0 ok    1 failure    2 usage    3 refused by a service, by policy or by a person
  4 waiting for approval    5 rolled back    6 timeout, outcome unknown    7 unreachable
  130 interrupted

Global options may stand before or after the command. Data goes to stdout, progress and hints go
to stderr. NO_COLOR is obeyed."""

_OF_CODE = {
    "no_profile": Exit.UNREACHABLE,
    "unreachable": Exit.UNREACHABLE,
    "unauthorised": Exit.UNREACHABLE,
    "not_sent": Exit.UNREACHABLE,
    "unknown": Exit.UNKNOWN,
    "ambiguous": Exit.USAGE,
    "no_identity": Exit.USAGE,
    "bad_id": Exit.USAGE,
}

_OF_OUTCOME = {
    "completed": Exit.OK,
    "rolled_back": Exit.ROLLED_BACK,
    "rejected": Exit.REFUSED,
    "failed_retryable": Exit.FAILURE,
    "failed_terminal": Exit.FAILURE,
    "escalated_to_human": Exit.FAILURE,
    "cancelled": Exit.FAILURE,
}


def of_error(error: SdkError) -> Exit:
    """The exit code for an error."""
    from smartops.sdk.errors import Refused  # noqa: PLC0415 - help must not wait for it

    return Exit.REFUSED if isinstance(error, Refused) else _OF_CODE.get(error.code, Exit.FAILURE)


def of_course(course: Course) -> Exit:
    """The exit code for where a task stands when one stops watching it."""
    if course.outcome is not None:
        return _OF_OUTCOME[course.outcome]
    return Exit.WAITING if course.waiting else Exit.UNKNOWN
