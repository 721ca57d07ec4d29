"""Keys made, and added in front of those that are there."""

from __future__ import annotations

import os
from pathlib import Path

from smartops.vault.keys import new_key, public_half, read_private

__all__ = ["PRIVATE", "PUBLIC", "TOKENS", "make_keys"]

PRIVATE = "vault.key"
PUBLIC = "vault.pub"
TOKENS = "pii.key"


def make_keys(folder: Path) -> None:
    """Add a new pair in front of what is there; the key of tokens stays if it exists.

    Raises:
        BadKeyFile: what is there is no key.
    """
    private = folder / PRIVATE
    keys = [new_key(), *(read_private(private) if private.exists() else ())]
    # The gateway must be able to open before anybody seals.
    _write(private, "".join(f"{key.hex()}\n" for key in keys))
    _write(folder / PUBLIC, f"{public_half(keys[0]).hex()}\n")
    if not (folder / TOKENS).exists():
        _write(folder / TOKENS, f"{new_key().hex()}\n")


def _write(path: Path, text: str) -> None:
    """In place at once and whole, readable by its owner alone."""
    draft = path.with_name(f".{path.name}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    draft.replace(path)
