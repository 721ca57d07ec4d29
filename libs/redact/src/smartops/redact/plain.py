"""A quick look at values that hold nothing special, as most do."""

from __future__ import annotations

import math
from typing import Any

from smartops.redact.classes import PLACEHOLDER

__all__ = ["NotPlain", "plain_copy"]

_MAX_DEPTH = 8
_MAX_VALUES = 500
_MAX_CHARS = 65_536
"""Well within a redactor's own bounds: what is beyond gets the long look, and perhaps refused."""


class NotPlain(Exception):
    """It may hold references, or something that is no JSON: look closely."""


def plain_copy(value: object) -> Any:
    """A copy of a small JSON value without anything that stands for something else.

    Raises:
        NotPlain: anything else, whatever it is.
    """
    return _Copying().copy(value, 0)


class _Copying:
    def __init__(self) -> None:
        self._values = _MAX_VALUES
        self._chars = _MAX_CHARS

    def copy(self, value: object, depth: int) -> Any:
        self._values -= 1
        kind = type(value)
        if isinstance(value, str):
            self._chars -= len(value)
            if "[" in value and PLACEHOLDER.search(value):
                raise NotPlain
        if depth > _MAX_DEPTH or self._values < 0 or self._chars < 0:
            raise NotPlain
        if value is None or kind is str or kind is bool or kind is int:
            return value
        if kind is float and math.isfinite(value):  # type: ignore[arg-type]
            return value
        if kind is dict:
            return self._object(value, depth)  # type: ignore[arg-type]
        if kind is list or kind is tuple:
            return [self.copy(item, depth + 1) for item in value]  # type: ignore[attr-defined]
        raise NotPlain

    def _object(self, value: dict[Any, object], depth: int) -> dict[str, Any]:
        copied = {}
        for key, item in value.items():
            if type(key) is not str or key.startswith("$") or "[" in key:
                raise NotPlain
            self._chars -= len(key)
            copied[key] = self.copy(item, depth + 1)
        return copied
