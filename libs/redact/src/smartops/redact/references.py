"""References: `{"$secret": "db/password"}` stands where the secret itself must not."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from smartops.redact.classes import PLACEHOLDER, personal_reference
from smartops.redact.errors import MissingPersonal, ReservedKey, UnknownSecret
from smartops.redact.findings import SecretRef, pointer
from smartops.redact.text import clean

__all__ = [
    "NAME",
    "SECRET_KEY",
    "Filling",
    "Lookup",
    "PersonalLookup",
    "reference_name",
    "references",
]

SECRET_KEY = "$secret"  # noqa: S105 - the key of a reference, no secret.

NAME = re.compile(r"[a-z][a-z0-9._/-]{0,127}")
"""How secrets may be named."""

Lookup = Callable[[str], str | None]
"""The secret of this name; None or a LookupError when there is none."""

PersonalLookup = Callable[[str], str | int | None]
"""The value behind a token of personal data; None or a LookupError when there is none."""


def reference_name(value: object) -> str | None:
    """The name in a well-formed reference, else None."""
    if not isinstance(value, Mapping) or len(value) != 1:
        return None
    name = value.get(SECRET_KEY)
    return name if isinstance(name, str) and NAME.fullmatch(name) else None


def references(
    value: object, *, markers: Collection[str] = (), path: str = ""
) -> Iterator[SecretRef]:
    """All references to secrets, in document order; those to personal data are legal, too.

    The value must have been walked within bounds before.

    Raises:
        ReservedKey: a key that begins with `$` and is neither a reference nor one of `markers`.
    """
    name = reference_name(value)
    if name is not None:
        yield SecretRef(path, name)
    elif personal_reference(value) is not None:
        return
    elif isinstance(value, Mapping):
        for key, item in value.items():
            below = pointer(path, clean(key))
            if key.startswith("$") and key not in markers:
                raise ReservedKey(below)
            yield from references(item, markers=markers, path=below)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from references(item, markers=markers, path=pointer(path, index))


class Filling:
    """Fills references in: secrets by name, personal data by token.

    Args:
        secret: finds a secret.
        personal: finds what is behind a token.
    """

    def __init__(self, secret: Lookup, personal: PersonalLookup) -> None:
        self._secret = secret
        self._personal = personal

    def fill(self, value: Any, path: str = "") -> Any:
        """A copy with each reference replaced by what it stands for.

        Raises:
            UnknownSecret: there is no such secret.
            MissingPersonal: nothing stands behind a token.
        """
        if isinstance(value, str):
            return self._text(value, path)
        if isinstance(value, list | tuple):
            return [self.fill(item, pointer(path, index)) for index, item in enumerate(value)]
        if not isinstance(value, Mapping):
            return value
        name = reference_name(value)
        if name is not None:
            return self._secret_of(name, path)
        reference = personal_reference(value)
        if reference is not None:
            return self._personal_of(reference.token, path)
        return {
            self._text(key, path): self.fill(item, pointer(path, clean(key)))
            for key, item in value.items()
        }

    def _text(self, text: str, path: str) -> str:
        if "[" not in text:
            return text
        return PLACEHOLDER.sub(lambda match: str(self._personal_of(match[2], path)), text)

    def _secret_of(self, name: str, path: str) -> str:
        try:
            secret = self._secret(name)
        except LookupError:
            secret = None
        if not isinstance(secret, str):
            raise UnknownSecret(path, name) from None
        return secret

    def _personal_of(self, token: str, path: str) -> str | int:
        try:
            value = self._personal(token)
        except LookupError:
            value = None
        if value is None:
            raise MissingPersonal(path, token) from None
        return value
