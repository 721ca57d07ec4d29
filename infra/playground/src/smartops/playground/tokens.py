"""Bearer tokens: one for the fleet's API, one for the switches."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from pathlib import Path

from smartops.playground.errors import InvalidOption, Unauthorized

__all__ = ["Tokens", "read_token"]


@dataclass(frozen=True, slots=True)
class Tokens:
    """Who may ask. Without a token everyone may."""

    fleet: str | None = field(default=None, repr=False)
    """Opens the fleet's API, health and metrics included."""
    admin: str | None = field(default=None, repr=False)
    """Opens the switches; None to let the fleet's token do so."""

    def check(self, authorization: str | None, *, admin: bool) -> None:
        """Insist on the right token.

        Args:
            authorization: The header of this name, None if it was not sent.
            admin: Whether the switches are asked for.

        Raises:
            Unauthorized: The token is missing or another.
        """
        wanted = self.admin if admin and self.admin is not None else self.fleet
        if wanted is None:
            return
        scheme, _, sent = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(sent.encode(), wanted.encode()):
            raise Unauthorized


def read_token(path: Path) -> str:
    """The token that a file holds, without the blanks around it.

    Raises:
        InvalidOption: The file cannot be read, or holds no token: an empty one would open the door.
    """
    try:
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidOption(f"No token can be read from {str(path)!r}: {error}.") from error
    if not token or not all("!" <= char <= "~" for char in token):
        raise InvalidOption(f"Put one token of visible characters into {str(path)!r}.")
    return token
