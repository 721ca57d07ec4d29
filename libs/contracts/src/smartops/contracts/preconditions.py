"""What was seen when a plan was made, and must still be so when it starts."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import JsonValue
from smartops.contracts.canonical import digest_of
from smartops.contracts.errors import Malformed

__all__ = ["seen_digest"]


def seen_digest(output: JsonValue, fields: Sequence[str]) -> str:
    """The digest of what a precondition compares of a tool's output.

    Args:
        output: all of it.
        fields: dotted paths, through lists as they come; empty for all of the output. What changes
            by itself, such as a load, is not named, or nothing would ever hold.

    Raises:
        Malformed: a field is not there, so nothing can be told.
    """
    if not fields:
        return digest_of(output)
    return digest_of({path: _picked(output, path.split("."), path) for path in fields})


def _picked(value: JsonValue, path: Sequence[str], told: str) -> JsonValue:
    if not path:
        return value
    if isinstance(value, list):
        return [_picked(item, path, told) for item in value]
    if not isinstance(value, dict) or path[0] not in value:
        raise Malformed(f"the output has no {told}")
    return _picked(value[path[0]], path[1:], told)
