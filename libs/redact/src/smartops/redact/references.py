"""References: `{"$secret": "db/password"}` stands where the secret itself must not."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from smartops.redact.errors import ReservedKey, UnknownSecret
from smartops.redact.findings import SecretRef, pointer
from smartops.redact.text import clean

__all__ = ["NAME", "SECRET_KEY", "Lookup", "fill", "reference_name", "references"]

SECRET_KEY = "$secret"  # noqa: S105 - the key of a reference, no secret.

NAME = re.compile(r"[a-z][a-z0-9._/-]{0,127}")
"""How secrets may be named."""

Lookup = Callable[[str], str | None]
"""The secret of this name; None or a LookupError when there is none."""


def reference_name(value: object) -> str | None:
    """The name in a well-formed reference, else None."""
    if not isinstance(value, Mapping) or len(value) != 1:
        return None
    name = value.get(SECRET_KEY)
    return name if isinstance(name, str) and NAME.fullmatch(name) else None


def references(
    value: object, *, markers: Collection[str] = (), path: str = ""
) -> Iterator[SecretRef]:
    """All references, in document order. The value must have been walked within bounds before.

    Raises:
        ReservedKey: a key that begins with `$` and is neither a reference nor one of `markers`.
    """
    name = reference_name(value)
    if name is not None:
        yield SecretRef(path, name)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            below = pointer(path, clean(key))
            if key.startswith("$") and key not in markers:
                raise ReservedKey(below)
            yield from references(item, markers=markers, path=below)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from references(item, markers=markers, path=pointer(path, index))


def fill(value: Any, lookup: Lookup, path: str = "") -> Any:
    """A copy with each reference replaced by its secret.

    Raises:
        UnknownSecret: the lookup does not have it.
    """
    name = reference_name(value)
    if name is not None:
        return _secret(name, lookup, path)
    if isinstance(value, Mapping):
        return {key: fill(item, lookup, pointer(path, clean(key))) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [fill(item, lookup, pointer(path, index)) for index, item in enumerate(value)]
    return value


def _secret(name: str, lookup: Lookup, path: str) -> str:
    try:
        secret = lookup(name)
    except LookupError:
        secret = None
    if not isinstance(secret, str):
        raise UnknownSecret(path, name) from None
    return secret
