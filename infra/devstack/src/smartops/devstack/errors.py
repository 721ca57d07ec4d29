"""What can go wrong while real servers are being run on one machine.

DevstackError
├── ServerStartError      a server did not come up, or a name it needs is taken
├── ServerReloadError     a running server refused its new configuration
├── CredentialError       a credential file is not what it must be
├── PeopleError           nobody can be given credentials as it is written down
└── BackupError           a backup or a restore did not come about; nothing was changed
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "BackupError",
    "CredentialError",
    "DevstackError",
    "PeopleError",
    "ServerReloadError",
    "ServerStartError",
]


class DevstackError(Exception):
    """The root of this package's errors.

    Attributes:
        code: A stable name for programs.
        retryable: Whether trying again without changing anything can help.
    """

    code: ClassVar[str] = "devstack"
    retryable: ClassVar[bool] = False


class ServerStartError(DevstackError):
    """A process did not become ready. The message quotes its last log lines."""

    code = "server_not_started"
    retryable = True

    def __init__(self, name: str, reason: str, *, advice: str, log_tail: str = "") -> None:
        self.name = name
        self.reason = reason
        self.log_tail = log_tail
        quoted = f"\nLast lines of its log:\n{log_tail}" if log_tail else ""
        super().__init__(f"{name} did not start: {reason}. {advice}{quoted}")


class ServerReloadError(DevstackError):
    """The server went on with its old configuration."""

    code = "server_not_reloaded"

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        super().__init__(
            f"{name} keeps its old configuration: {reason}. Correct it, then reload again."
        )


class CredentialError(DevstackError):
    """A credential file cannot be read. It is never replaced silently: others hold its twin."""

    code = "credential_unreadable"


class PeopleError(DevstackError):
    """Who is to have credentials cannot be read, or is called what no credential can be."""

    code = "people_unreadable"

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}. Correct it, then start again.")


class BackupError(DevstackError):
    """A backup or a restore did not come about. The message says what to do."""

    code = "backup_failed"
    retryable = True

    def __init__(self, reason: str, advice: str) -> None:
        super().__init__(f"{reason}. {advice}")
