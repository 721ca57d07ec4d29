"""Fields that are never stored, taken out of an answer before anybody else sees it."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import JsonValue

__all__ = ["without"]


def without(output: JsonValue, paths: Iterable[str]) -> JsonValue:
    """The output without what stands at these dotted paths.

    A list is passed through: the path goes on in each of its items. `*` stands for any name.
    """
    for path in paths:
        output = _without(output, path.split("."))
    return output


def _without(value: JsonValue, path: list[str]) -> JsonValue:
    if isinstance(value, list):
        return [_without(item, path) for item in value]
    if not isinstance(value, dict):
        return value
    name, *rest = path
    if not rest:
        return {key: kept for key, kept in value.items() if name not in (key, "*")}
    return {
        key: _without(inner, rest) if name in (key, "*") else inner for key, inner in value.items()
    }
