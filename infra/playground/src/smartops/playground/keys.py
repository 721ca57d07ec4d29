"""Remembers the first answer given under each idempotency key."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from smartops.playground.errors import KeyReused

__all__ = ["MAX_KEYS", "KeyRing"]

MAX_KEYS = 50_000
"""How many keys are remembered, about 20 MB; the oldest are forgotten first."""


class KeyRing:
    """First answers by key. A key means one write, for as long as it is remembered."""

    def __init__(self, limit: int = MAX_KEYS, kept: Iterable[tuple[str, str, str]] = ()) -> None:
        self._limit = limit
        # Dictionaries keep the order of insertion, so the first entry is the oldest key.
        self._first = {key: (meaning, answer) for key, meaning, answer in kept}

    def __len__(self) -> int:
        return len(self._first)

    def recall(self, key: str, meaning: str) -> dict[str, Any] | None:
        """The answer first given under `key`, or None for a new key.

        Raises:
            KeyReused: The key was given for a write of another meaning.
        """
        if key not in self._first:
            return None
        first_meaning, answer = self._first[key]
        if first_meaning != meaning:
            raise KeyReused(key)
        remembered: dict[str, Any] = json.loads(answer)
        return remembered

    def remember(self, key: str, meaning: str, answer: dict[str, Any]) -> None:
        """Keep `answer` for every later request under `key`."""
        # A string takes a third of the memory of the dictionary it spells.
        self._first[key] = (meaning, json.dumps(answer))
        if len(self._first) > self._limit:
            del self._first[next(iter(self._first))]

    def kept(self) -> list[tuple[str, str, str]]:
        """Everything remembered, oldest first, as the constructor takes it back."""
        return [(key, meaning, answer) for key, (meaning, answer) in self._first.items()]
