"""What can be wrong with a message, for whoever receives it.

ContractError
├── Malformed        bytes, shape or values that no version of the contract allows
├── ForeignClaim     the payload says another tenant or principal than the subject does
└── UnknownVersion   a newer version than this process knows: give it back, do not park it
"""

from __future__ import annotations

__all__ = ["ContractError", "ForeignClaim", "Malformed", "UnknownVersion"]


class ContractError(Exception):
    """A message breaks the contract."""

    code: str = "contract_error"
    retryable: bool = False

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message if field is None else f"{field}: {message}")
        self.field = field
        """Where in the payload, as dotted path; None when it is the message as a whole."""
        self.reason = message


class Malformed(ContractError):
    """The bytes are no message of this contract. Sending them again will not help."""

    code = "malformed"


class ForeignClaim(ContractError):
    """The payload names a tenant or principal that its subject does not."""

    code = "foreign_claim"


class UnknownVersion(ContractError):
    """The type is known, its version is newer than this process: a newer one will handle it."""

    code = "unknown_version"
    retryable = True
