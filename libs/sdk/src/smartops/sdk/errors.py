"""What can go wrong between a person and the services.

SdkError
├── NoProfile      there is no installation at this home
├── NoIdentity     the installation holds no credentials of this name
├── BadId          a command cannot be named so
├── Unreachable    bus or database do not answer
├── Unauthorised   bus or database do not accept our credentials
├── Outdated       the installation is older than this client
├── NotSent        the bus did not take the command: nothing will come of it
├── Refused        the service that decides said no
├── Unknown        the command may or may not have taken effect
├── NotFound       no such task, plan or approval
├── Ambiguous      a short id fits several tasks
└── Unverified     bytes do not hash to what they should
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

__all__ = [
    "Ambiguous",
    "BadId",
    "NoIdentity",
    "NoProfile",
    "NotFound",
    "NotSent",
    "Outdated",
    "Refused",
    "SdkError",
    "Unauthorised",
    "Unknown",
    "Unreachable",
    "Unverified",
]


class SdkError(Exception):
    """The root of this library's errors. The message says what to do."""

    code: str = "sdk_error"
    retryable: bool = False


class NoProfile(SdkError):
    """You meet it before the first `smartops up`, or in another directory."""

    code = "no_profile"

    def __init__(self, home: Path, reason: str = "there is no installation here") -> None:
        self.home = home
        super().__init__(
            f"{home}: {reason}. Start one with `smartops up`, or name another with --home "
            "or $SMARTOPS_HOME."
        )


class NoIdentity(SdkError):
    """You meet it when `as_` names nobody whose credentials lie in this home."""

    code = "no_identity"

    def __init__(self, name: str, known: Sequence[str]) -> None:
        self.name = name
        names = ", ".join(sorted(known)) or "none"
        super().__init__(f"there are no credentials for {name!r} here; known: {names}.")


class BadId(SdkError):
    """You meet it when a command is given a name that no subject can hold. Nothing was sent."""

    code = "bad_id"

    def __init__(self, ident: str) -> None:
        super().__init__(
            f"--id {ident!r} may hold letters, digits, - and _ only, 1 to 128 of them."
        )


class Unreachable(SdkError):
    """You meet it when the services are down, or a network is."""

    code = "unreachable"
    retryable = True

    def __init__(self, what: str, where: str, reason: str) -> None:
        self.what = what
        super().__init__(
            f"{what} at {where} does not answer ({reason}). Is it running? `smartops up` starts it."
        )


class Unauthorised(SdkError):
    """You meet it when credentials were made for another installation, or withdrawn."""

    code = "unauthorised"

    def __init__(self, what: str, who: str) -> None:
        super().__init__(
            f"{what} does not accept the credentials of {who!r}. They belong to another "
            "installation, or were withdrawn."
        )


class Outdated(SdkError):
    """You meet it when this client asks for a view that the database does not have."""

    code = "outdated"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"the installed schema is older than this client ({reason}). Restart the services "
            "with the same version, so that they migrate it."
        )


class NotSent(SdkError):
    """You meet it when the command stream is full or missing. Nothing was stored: send again."""

    code = "not_sent"
    retryable = True

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(
            f"{name} was not taken ({reason}), and nothing will come of it. Try again."
        )


class Refused(SdkError):
    """You meet it when the deciding service answered `command.refused`: nothing was changed."""

    def __init__(self, code: str, message: str, *, field: str | None = None) -> None:
        self.code = code
        """Why, for programs: not_found, four_eyes, stale, decided, malformed, ..."""
        self.field = field
        """Which field to mend; None when it is the command as a whole."""
        self.message = message
        super().__init__(message if field is None else f"{field}: {message}")


class Unknown(SdkError):
    """You meet it when time ran out. The command may still take effect; it is not lost."""

    code = "unknown"
    retryable = True

    def __init__(self, what: str, *, find_out: str, task: UUID | None = None) -> None:
        self.task = task
        self.find_out = find_out
        super().__init__(f"{what}. To find out: {find_out}")


class NotFound(SdkError):
    """You meet it when an id names nothing that you may see."""

    code = "not_found"


class Ambiguous(SdkError):
    """You meet it when a short id fits several tasks."""

    code = "ambiguous"

    def __init__(self, prefix: str, candidates: Sequence[UUID]) -> None:
        self.candidates = tuple(candidates)
        shown = ", ".join(str(task) for task in self.candidates)
        super().__init__(f"{prefix!r} fits several tasks: {shown}. Type more of the id.")


class Unverified(SdkError):
    """You meet it when stored bytes are not those that a hash names. Do not approve; look why."""

    code = "unverified"
