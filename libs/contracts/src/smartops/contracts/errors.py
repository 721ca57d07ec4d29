"""What can be wrong with a message, for whoever receives it.

ContractError
├── Malformed        bytes, shape or values that no version of the contract allows
│   └── NoStream     a text that names no stream; a ValueError too
├── ForeignClaim     the payload says another tenant or principal than the subject does
└── UnknownVersion   a newer version than this process knows: give it back, do not park it
"""

from __future__ import annotations

__all__ = ["ContractError", "ForeignClaim", "Malformed", "NoStream", "UnknownVersion"]

_LONGEST_FIELD = 200
"""Characters; what `command.refused` may hold. Whoever names the keys chooses their length."""


class ContractError(Exception):
    """A message breaks the contract."""

    code: str = "contract_error"
    retryable: bool = False

    def __init__(self, message: str, *, field: str | None = None) -> None:
        message = _writable(message)
        field = _writable(field)[:_LONGEST_FIELD] if field else None
        super().__init__(message if field is None else f"{field}: {message}")
        self.field = field
        """Where in the payload, as dotted path; None when it is the message as a whole. Its
        keys are the sender's, so it is cut to what an answer can carry."""
        self.reason = message


class Malformed(ContractError):
    """The bytes are no message of this contract. Sending them again will not help."""

    code = "malformed"


class NoStream(Malformed, ValueError):
    """The text names no stream. Of a message it is malformed, of an argument a wrong value."""


class ForeignClaim(ContractError):
    """The payload names a tenant or principal that its subject does not."""

    code = "foreign_claim"


class UnknownVersion(ContractError):
    """The type is known, its version is newer than this process: a newer one will handle it."""

    code = "unknown_version"
    retryable = True


def _writable(text: str) -> str:
    """The text with lone surrogates spelled out: JSON can say them, UTF-8 cannot."""
    return text.encode("utf-8", "backslashreplace").decode()
