"""Secrets that come back: a tool that was told one may say it again, in no shape we know."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

__all__ = ["without_echoes"]

_SHORTEST = 4
"""Characters; what is shorter stands in too many texts by chance."""

_INSTEAD = "[secret:told]"


def without_echoes(value: Any, secrets: Collection[str]) -> Any:
    """A copy in which none of these stands, in no text and in no key."""
    known = sorted((one for one in secrets if len(one) >= _SHORTEST), key=len, reverse=True)
    return _without(value, known) if known else value


def _without(value: Any, known: list[str]) -> Any:
    if isinstance(value, str):
        for secret in known:
            value = value.replace(secret, _INSTEAD)
        return value
    if isinstance(value, Mapping):
        return {_without(key, known): _without(item, known) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without(item, known) for item in value]
    return value
