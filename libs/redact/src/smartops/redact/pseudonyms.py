"""Replaces personal data by references, and says what was replaced, for the vault."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from smartops.redact.classes import (
    PLACEHOLDER,
    personal_reference,
    reference_to,
    text_for,
)
from smartops.redact.personal import Finder, PersonalHit

__all__ = ["Personal", "Pseudonyms", "tenant_key"]

_TOKEN_CHARS = 32

_PASSES = 8
"""A value that hung on another without a gap stands free once that is replaced, and is found."""

_SHORTEST = 4
"""Characters of a value that is found wherever it stands; shorter ones are there by chance."""


@dataclass(frozen=True, slots=True)
class Personal:
    """A value that was replaced."""

    token: str
    kind: str
    value: str | int = field(repr=False)
    """As it stood there, byte for byte: taking a change back must restore it exactly."""


@lru_cache(maxsize=1024)
def tenant_key(master: bytes, tenant: str) -> bytes:
    """A tenant's own key, so that equal values of two tenants have different tokens."""
    return hmac.digest(master, b"smartops/pii/v1\0" + tenant.encode(), hashlib.sha256)


class Pseudonyms:
    """Replaces personal data of one tenant. Make one per value: it remembers what it replaced.

    Args:
        finder: what counts as personal.
        key: the tenant's.
        foreign: the value comes from a tool. What looks like a placeholder there was put by
            somebody else, and must not be filled in when it becomes an argument.
        told: values to be found whatever they look like.

    Attributes:
        found: what was replaced, by token.
    """

    def __init__(
        self,
        finder: Finder,
        key: bytes,
        *,
        foreign: bool = False,
        told: Iterable[Personal] = (),
    ) -> None:
        self._finder = finder
        self._secret = key
        self._foreign = foreign
        known = [one for one in told if isinstance(one.value, int) or len(one.value) >= _SHORTEST]
        self._told = sorted(known, key=lambda one: len(str(one.value)), reverse=True)
        self.found: dict[str, Personal] = {}

    def value(self, value: Any) -> Any:
        """A copy of a JSON value, free of secrets already, with references instead of values.

        A text that is one value becomes a reference, any other has placeholders; so have keys.
        Doing it twice changes nothing, unless it is foreign.
        """
        if isinstance(value, str):
            return self._whole(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return self._number(value)
        if isinstance(value, Mapping):
            if personal_reference(value) is not None:
                return dict(value)
            return self._object(value)
        if isinstance(value, list | tuple):
            return [self.value(item) for item in value]
        return value

    def text(self, text: str) -> str:
        """The text with placeholders, also where all of it is one value."""
        if self._foreign and "[" in text:
            text = PLACEHOLDER.sub(lambda match: f"[{match[1]}:reference]", text)
        for one in self._told:
            if str(one.value) in text:
                text = text.replace(str(one.value), text_for(one.kind, one.token))
                self.found[one.token] = one
        for _ in range(_PASSES):
            hits = self._finder.hits(text)
            if not hits:
                break
            text = self._replaced(text, hits)
        return text

    def _replaced(self, text: str, hits: tuple[PersonalHit, ...]) -> str:
        parts: list[str] = []
        done = 0
        for hit in hits:
            token = self._note(hit.kind, text[hit.start : hit.end])
            parts += [text[done : hit.start], text_for(hit.kind, token)]
            done = hit.end
        return "".join([*parts, text[done:]])

    def mark(self, kind: str, value: str | int) -> dict[str, str]:
        """The reference to a value that is known to be personal, whatever it looks like."""
        return reference_to(kind, self._note(kind, value))

    def _number(self, number: int) -> Any:
        for one in self._told:
            if one.value == number:
                self.found[one.token] = one
                return reference_to(one.kind, one.token)
        return self.mark("card", number) if self._finder.is_card_number(number) else number

    def _whole(self, text: str) -> Any:
        for one in self._told:
            if one.value == text:
                self.found[one.token] = one
                return reference_to(one.kind, one.token)
        hits = self._finder.hits(text)
        if not hits and not self._told and "[" not in text:
            return text
        if len(hits) == 1 and (hits[0].start, hits[0].end) == (0, len(text)):
            return self.mark(hits[0].kind, text)
        return self.text(text)

    def _object(self, value: Mapping[Any, object]) -> dict[str, Any]:
        replaced: dict[str, Any] = {}
        for key, item in value.items():
            safe = self._key(key)
            while safe in replaced:
                safe += " (again)"
            replaced[safe] = self.value(item)
        return replaced

    def _key(self, key: str) -> str:
        # Most are names of fields: letters and underscores.
        return key if key.replace("_", "a").isalpha() and not self._told else self.text(key)

    def _note(self, kind: str, value: str | int) -> str:
        told = f"{kind}\0{json.dumps(value)}".encode()
        token = hmac.digest(self._secret, told, hashlib.sha256).hex()[:_TOKEN_CHARS]
        self.found[token] = Personal(token, kind, value)
        return token
