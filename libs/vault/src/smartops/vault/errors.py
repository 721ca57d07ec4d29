"""What can be wrong with the vault's keys.

VaultError
├── BadKeyFile     a file does not hold what it should
└── CannotOpen     a value was sealed to a key that is not here, or its bytes were changed
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["BadKeyFile", "CannotOpen", "VaultError"]


class VaultError(Exception):
    """Root of this library's errors."""

    code: str = "vault_error"
    retryable: bool = False


class BadKeyFile(VaultError):
    """Restore the file, or make keys anew with `python -m smartops.vault`."""

    code = "bad_key_file"

    def __init__(self, path: Path, wanted: str) -> None:
        super().__init__(f"{str(path)!r} does not hold {wanted}")


class CannotOpen(VaultError):
    """Give the tool gateway the key under which the value was sealed."""

    code = "cannot_open"

    def __init__(self, key_id: str) -> None:
        super().__init__(f"nothing here opens what was sealed to key {key_id}")
