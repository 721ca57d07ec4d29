"""Keys in files: the pair that seals and opens, and the one that tokens are made of.

| file | holds | who |
|---|---|---|
| `vault.pub` | the current public key, hex | planner |
| `vault.key` | private keys, hex, one a line, the current one first | tool gateway |
| `pii.key` | 32 random bytes, hex | planner and tool gateway |
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from pathlib import Path

from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, PublicKey, SealedBox
from smartops.vault.errors import BadKeyFile, CannotOpen

__all__ = [
    "KEY_BYTES",
    "Opener",
    "Sealer",
    "new_key",
    "public_half",
    "read_private",
    "read_token_key",
]

KEY_BYTES = 32


class Sealer:
    """Seals to a public key: whoever holds only this cannot open what it sealed.

    Attributes:
        key_id: names the key.
    """

    def __init__(self, public: bytes) -> None:
        self._box = SealedBox(PublicKey(public))
        self.key_id = hashlib.sha256(public).hexdigest()[:16]

    @classmethod
    def read(cls, path: Path) -> Sealer:
        """The sealer of a file with a public key.

        Raises:
            BadKeyFile: it holds something else.
        """
        [public] = _read(path, "one public key") or [b""]
        return cls(public)

    def seal(self, plain: bytes) -> bytes:
        """The bytes, for whoever holds the private key."""
        return self._box.encrypt(plain)


class Opener:
    """Opens what was sealed to any of its keys.

    Args:
        private: the current key first.

    Attributes:
        sealer: seals to the current key.
    """

    def __init__(self, private: list[bytes]) -> None:
        boxes: dict[str, SealedBox[PrivateKey]] = {}
        for key in private:
            half = PrivateKey(key)
            boxes[Sealer(bytes(half.public_key)).key_id] = SealedBox(half)
        self._boxes: Mapping[str, SealedBox[PrivateKey]] = boxes
        self.sealer = Sealer(public_half(private[0]))

    @classmethod
    def read(cls, path: Path) -> Opener:
        """The opener of a file with private keys.

        Raises:
            BadKeyFile: it holds something else.
        """
        return cls(read_private(path))

    def open(self, key_id: str, sealed: bytes) -> bytes:
        """The bytes that were sealed.

        Raises:
            CannotOpen: there is no such key here, or the bytes are not what was sealed.
        """
        box = self._boxes.get(key_id)
        if box is None:
            raise CannotOpen(key_id)
        try:
            return box.decrypt(sealed)
        except CryptoError:
            raise CannotOpen(key_id) from None


def new_key() -> bytes:
    """A private key, or one for tokens: any 32 random bytes are."""
    return secrets.token_bytes(KEY_BYTES)


def public_half(private: bytes) -> bytes:
    """The public key that belongs to a private one."""
    return bytes(PrivateKey(private).public_key)


def read_private(path: Path) -> list[bytes]:
    """The private keys of a file, the current one first.

    Raises:
        BadKeyFile: it holds something else.
    """
    return _read(path, "private keys", most=100)


def read_token_key(path: Path) -> bytes:
    """The key that tokens are made of.

    Raises:
        BadKeyFile: it holds something else.
    """
    return _read(path, "the key of tokens")[0]


def _read(path: Path, wanted: str, *, most: int = 1) -> list[bytes]:
    try:
        found = [bytes.fromhex(line) for line in path.read_text(encoding="ascii").split()]
    except (OSError, ValueError) as error:
        raise BadKeyFile(path, f"{wanted} ({type(error).__name__})") from None
    if not 1 <= len(found) <= most or any(len(key) != KEY_BYTES for key in found):
        raise BadKeyFile(path, f"{wanted}: {KEY_BYTES} bytes, hex, one a line")
    return found
