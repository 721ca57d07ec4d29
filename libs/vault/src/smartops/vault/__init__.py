"""Personal data outside the log: sealed, by token, and deletable."""

from __future__ import annotations

from smartops.vault.errors import BadKeyFile, CannotOpen, VaultError
from smartops.vault.keeper import Keeper, Redacted
from smartops.vault.keys import Opener, Sealer, new_key, public_half, read_token_key
from smartops.vault.vault import Vault

__all__ = [
    "BadKeyFile",
    "CannotOpen",
    "Keeper",
    "Opener",
    "Redacted",
    "Sealer",
    "Vault",
    "VaultError",
    "new_key",
    "public_half",
    "read_token_key",
]
