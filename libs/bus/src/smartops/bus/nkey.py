"""NKEY key pairs of users."""

from __future__ import annotations

import os
from typing import NamedTuple

import nkeys  # type: ignore[import-untyped]
from typing_extensions import override

__all__ = ["UserKey", "new_user_key", "public_key_of"]

_SEED_BYTES = 32


class UserKey(NamedTuple):
    """A key pair. The server needs the public half only."""

    public: str
    """`U...`: goes into the server's configuration."""
    seed: str
    """`SU...`: goes to the user, and nowhere else."""

    @override
    def __repr__(self) -> str:
        """Without the seed, which would otherwise end up in logs."""
        return f"UserKey(public={self.public!r})"


def new_user_key() -> UserKey:
    """Make a key pair from the system's randomness."""
    seed = nkeys.encode_seed(os.urandom(_SEED_BYTES), nkeys.PREFIX_BYTE_USER)
    text = bytes(seed).decode()
    return UserKey(public_key_of(text), text)


def public_key_of(seed: str) -> str:
    """The public half of a seed.

    Raises:
        ValueError: it is no user's seed.
    """
    try:
        pair = nkeys.from_seed(bytearray(seed.strip().encode()))
        public: str = pair.public_key.decode()
    except (nkeys.NkeysError, ValueError) as error:
        raise ValueError("this is no NKEY seed (SU...)") from error
    if not public.startswith("U"):
        raise ValueError(f"this is the seed of {public[0]!r}, not of a user (SU...)")
    return public
