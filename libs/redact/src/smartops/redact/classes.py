"""Kinds of personal data, and how a value of one is written where the value must not be.

A whole value becomes `{"$pii": "email", "token": "<32 hex>"}`; within running text it becomes
`[email:<32 hex>]`. Both carry the same token, so equal values stay recognisable as equal.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

__all__ = [
    "CLASSES",
    "PII_KEY",
    "PLACEHOLDER",
    "TOKEN",
    "PersonalRef",
    "personal_reference",
    "placeholders",
    "reference_to",
    "text_for",
]

CLASSES: Final = ("email", "phone", "card", "iban", "address", "person")
"""`person` is never searched for: a field says it of itself."""

PII_KEY: Final = "$pii"

TOKEN: Final = re.compile(r"[0-9a-f]{32}")

PLACEHOLDER: Final = re.compile(rf"\[({'|'.join(CLASSES)}):([0-9a-f]{{32}})\]")


@dataclass(frozen=True, slots=True)
class PersonalRef:
    """What stands for a value."""

    kind: str
    token: str


def personal_reference(value: object) -> PersonalRef | None:
    """What a well-formed reference says, else None."""
    if not isinstance(value, Mapping) or len(value) != 2:  # noqa: PLR2004 - `$pii` and `token`
        return None
    kind, token = value.get(PII_KEY), value.get("token")
    if kind not in CLASSES or not isinstance(token, str) or not TOKEN.fullmatch(token):
        return None
    return PersonalRef(str(kind), token)


def reference_to(kind: str, token: str) -> dict[str, str]:
    """Stands where a whole value was."""
    return {PII_KEY: kind, "token": token}


def text_for(kind: str, token: str) -> str:
    """Stands where a value was in running text."""
    return f"[{kind}:{token}]"


def placeholders(value: Any) -> Iterator[str]:
    """Every token in a value, in document order, repeats included: references, texts and keys."""
    if isinstance(value, str):
        if "[" in value:
            yield from (match[2] for match in PLACEHOLDER.finditer(value))
    elif isinstance(value, Mapping):
        reference = personal_reference(value)
        if reference is not None:
            yield reference.token
            return
        for key, item in value.items():
            yield from placeholders(key)
            yield from placeholders(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from placeholders(item)
