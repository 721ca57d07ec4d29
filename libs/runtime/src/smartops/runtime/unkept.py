"""Commands that lie parked where there is no key to cover them: nothing stays that must not.

A service without keys can only leave out. What people wrote about their reasons is cleaned, as it
is before it is decided on. What else looks like a secret or like personal data cannot be: it is
what is asked for. Such a command is not kept at all, and has to be given once more.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from smartops.contracts.errors import Malformed
from smartops.contracts.parsing import strict_json
from smartops.redact import Finder, Pseudonyms, RedactError, redact
from smartops.runtime.free_texts import FREE_TEXTS

__all__ = ["unkept"]

_NO_KEY = b""
"""Of the tokens that a search makes, and that are thrown away: only what it finds counts."""


def unkept(raw: bytes, clean: Callable[[str], str], finder: Finder) -> bytes | None:
    """A command's bytes as they may lie there; None if they may not.

    Args:
        raw: as it came.
        clean: makes a reason or a note fit to be stored.
        finder: of personal data.
    """
    try:
        told = strict_json(raw)
    except Malformed:
        return None  # It cannot be searched, and a retry could do nothing with it.
    if not isinstance(told, Mapping):
        return None
    texts = {name: told[name] for name in FREE_TEXTS if isinstance(told.get(name), str)}
    cleaned = {name: clean(text) for name, text in texts.items()}
    if not _harmless({name: value for name, value in told.items() if name not in texts}, finder):
        return None
    return raw if cleaned == texts else json.dumps({**told, **cleaned}).encode()


def _harmless(value: dict[str, Any], finder: Finder) -> bool:
    search = Pseudonyms(finder, _NO_KEY, foreign=True)
    try:
        search.value(value)
        return not search.found and redact(value) == value
    except RedactError:
        return False
