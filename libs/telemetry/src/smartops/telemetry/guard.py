"""The guard that keeps payloads and secrets out of logs and spans.

A field is let through when its name is no payload's and its value is a plain scalar or a short
list of them; everything else is dropped and *named*, so that the loss is seen and mended. It works
by shape, not by search: what hides in a harmless string is for the redaction rules, which can be
plugged in as `scrub`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from itertools import pairwise
from pathlib import PurePath
from typing import Final, TypeAlias
from uuid import UUID

from smartops.telemetry.failures import describe

__all__ = ["Guard", "Plain", "may_be_told"]

Scalar: TypeAlias = str | int | float | bool | None
Plain: TypeAlias = Scalar | list[Scalar]
"""What a field holds once it has passed."""

PAYLOADS: Final = frozenset(
    {"data", "payload", "body", "arguments", "output", "input", "content", "prompt", "document"}
)
SECRETS: Final = frozenset(
    {"password", "secret", "token", "credential", "credentials", "authorization", "cookie", "dsn"}
    | {"apikey", "passphrase"}
)
KEYS: Final = frozenset({"api", "private", "signing", "access"})
"""Words that make a following `key` a secret; other keys are ids of commands and rows."""

MEASURES: Final = frozenset(
    {"bytes", "count", "digest", "hash", "id", "kind", "length", "ms", "name", "seconds", "size"}
    | {"tokens", "total", "type", "version"}
)
"""Last words that make a name harmless: `payload_bytes` and `secret_name` tell no content."""

TEXT_LIMIT: Final = 2_000
"""Characters kept of one string. A longer one is most likely a payload under another name."""

LIST_LIMIT: Final = 20
"""Members kept of one list."""

_CREDENTIALS = re.compile(r"(?<=://)[^/\s@]+@")
_WORDS = re.compile(r"[._\-\s]+")
_INT_LIMIT: Final = 2**63
_UNTOLD: Final = object()


@lru_cache(maxsize=1024)
def may_be_told(name: str) -> bool:
    """Whether a field of this name may be written at all."""
    words = _WORDS.split(name.lower())
    if words[-1] in MEASURES:
        return True
    if any(word in PAYLOADS or word in SECRETS for word in words):
        return False
    return not any(second == "key" and first in KEYS for first, second in pairwise(words))


class Guard:
    """Lets fields and texts through in a form that may be written."""

    def __init__(self, scrub: Callable[[str], str] | None = None) -> None:
        self._scrub = scrub

    def text(self, text: str, limit: int = TEXT_LIMIT) -> str:
        """A text without credentials in URLs, of bounded length."""
        if len(text) > limit:
            text = f"{text[:limit]}... ({len(text) - limit} more characters)"
        if "://" in text:
            text = _CREDENTIALS.sub("***@", text)
        return text if self._scrub is None else self._scrub(text)

    def fields(self, fields: Mapping[str, object]) -> tuple[dict[str, Plain], list[str]]:
        """Split fields into those that may be told and the names of those that may not."""
        told: dict[str, Plain] = {}
        withheld: list[str] = []
        for name, value in fields.items():
            plain = self._plain(value) if may_be_told(name) else _UNTOLD
            if plain is _UNTOLD:
                withheld.append(name)
            else:
                told[name] = plain  # type: ignore[assignment] # _plain: Plain or _UNTOLD.
        return told, withheld

    def argument(self, value: object) -> object:
        """A %-argument of a log message: unchanged, unless printing it would print a payload."""
        if isinstance(value, BaseException):
            return describe(value)
        if _is_payload(value):
            return f"<{type(value).__name__} withheld>"
        return value

    def _plain(self, value: object) -> object:
        scalar = self._scalar(value)
        if scalar is not _UNTOLD or not isinstance(value, list | tuple | set | frozenset):
            return scalar
        members = [self._scalar(member) for member in list(value)[:LIST_LIMIT]]
        return _UNTOLD if any(member is _UNTOLD for member in members) else members

    def _scalar(self, value: object) -> object:
        match value:
            case None | bool():
                return value
            case Enum():
                return self._scalar(value.value)
            case str():
                return self.text(value)
            case int():
                return int(value) if abs(value) < _INT_LIMIT else self.text(hex(value))
            case float():
                return value if math.isfinite(value) else str(value)
            case UUID() | Decimal() | PurePath():
                return self.text(str(value))
            case date():
                return value.isoformat()
            case timedelta():
                return value.total_seconds()
            case BaseException():
                return self.text(describe(value))
            case _:
                return _UNTOLD


def _is_payload(value: object) -> bool:
    """Whether the printed form of a value would hold data: bytes, mappings, models, lists of them.

    Models are known by the marks that pydantic and dataclasses leave, so neither is imported.
    """
    if isinstance(value, bytes | bytearray | memoryview | Mapping):
        return True
    if isinstance(value, list | tuple | set | frozenset):
        return len(value) > LIST_LIMIT or any(_is_payload(member) for member in value)
    kind = type(value)
    return hasattr(kind, "__pydantic_validator__") or hasattr(kind, "__dataclass_fields__")
