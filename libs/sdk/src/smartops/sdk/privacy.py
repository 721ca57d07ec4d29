"""Personal data shown to the asker alone: the answer is sealed to a key that only this process has.

The key is made for one question and forgotten with it. So what lies in the database for a few
minutes is of use to nobody else, and to nobody at all later.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from nacl.public import PrivateKey, SealedBox
from smartops.sdk.event import Event

__all__ = ["Erased", "Question", "Revealed", "tokens_in"]

_TOKEN = re.compile(r'(?:"token": ?"|\[[a-z]{1,20}:)([0-9a-f]{32})["\]]')
_BARE = re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")


@dataclass(frozen=True, slots=True)
class Revealed:
    """What stands behind tokens."""

    values: dict[str, str | int] = field(repr=False)
    """By token."""
    missing: tuple[str, ...]
    """Erased, or never known."""
    event: Event


@dataclass(frozen=True, slots=True)
class Erased:
    """What is gone."""

    values: int
    """A value counts once per task that knew it."""
    event: Event


class Question:
    """One question, and the only key that opens its answer."""

    def __init__(self) -> None:
        self._key = PrivateKey.generate()

    @property
    def recipient(self) -> str:
        """The public key, as the command carries it."""
        return bytes(self._key.public_key).hex()

    def open(self, sealed: bytes) -> dict[str, str | int]:
        """The answer."""
        told: dict[str, str | int] = json.loads(SealedBox(self._key).decrypt(sealed))
        return told


def tokens_in(*values: Any) -> tuple[str, ...]:
    """The tokens that records hold, or that people type: each once, in order."""
    found: list[str] = []
    for value in values:
        if isinstance(value, str):
            found += _TOKEN.findall(value) or _BARE.findall(value)
        else:
            found += _TOKEN.findall(json.dumps(value, default=str))
    return tuple(_once(found))


def _once(tokens: Iterable[str]) -> dict[str, None]:
    return dict.fromkeys(tokens)
