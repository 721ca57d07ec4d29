"""Strict parsing of bytes that came from outside: bounded, unambiguous, naming the bad field.

A JSON parser that keeps the last of two equal keys lets policy, hash and tool see different
documents; one that takes NaN lets a threshold be passed by a value that compares with nothing.
Both are refused here, before any model sees the bytes.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError
from smartops.contracts.errors import Malformed

__all__ = ["MAX_BYTES", "MAX_DEPTH", "misfit", "parse_model", "strict_json"]

MAX_BYTES = 64 * 1024
"""Largest command payload, in bytes. Larger inputs belong into blobs."""

MAX_DEPTH = 32
"""Deepest nesting of objects and arrays; the C parser's own limit (about 1,000) is a crash, not
a refusal."""

M = TypeVar("M", bound=BaseModel)


def strict_json(raw: bytes, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH) -> Any:
    """Parse JSON, refusing what parsers read differently.

    Raises:
        Malformed: too large, too deep, not UTF-8, not JSON, duplicate keys, NaN or Infinity.
    """
    if len(raw) > max_bytes:
        raise Malformed(f"{len(raw)} bytes, at most {max_bytes} are allowed")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed(f"not UTF-8 at byte {error.start}") from error
    _check_depth(text, max_depth)
    try:
        return json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_float=_finite,
        )
    except Malformed:
        raise
    except (ValueError, RecursionError) as error:
        raise Malformed(f"not JSON: {error}") from error


def parse_model(model: type[M], raw: bytes, *, max_bytes: int = MAX_BYTES) -> M:
    """Parse bytes into a model, first strictly as JSON, then by the model's own rules.

    Values have the JSON types that the published schema says: `"yes"` is no boolean and `"1"` no
    number, whatever a lenient reader would make of them.

    Raises:
        Malformed: with `field` set to the first offending field.
    """
    strict_json(raw, max_bytes=max_bytes)
    try:
        return model.model_validate_json(raw, strict=True)
    except ValidationError as error:
        raise misfit(error) from error


def misfit(error: ValidationError, *, what: str = "") -> Malformed:
    """What to say of a document that does not fit its model: the first thing wrong with it.

    Args:
        error: as the model raised it. Its own text would repeat the document.
        what: put before the message.
    """
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    field = ".".join(str(part) for part in first["loc"]) or None
    return Malformed(what + _plain(first["type"], first["msg"]), field=field)


def _plain(kind: str, message: str) -> str:
    return "unknown field" if kind == "extra_forbidden" else message


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise Malformed("the key stands twice", field=key)
        found[key] = value
    return found


def _no_constant(name: str) -> NoReturn:
    raise Malformed(f"{name} is not a JSON number")


def _finite(literal: str) -> float:
    number = float(literal)
    if number in (float("inf"), float("-inf")):
        raise Malformed(f"{literal} is too large a number")
    return number


def _check_depth(text: str, limit: int) -> None:
    depth = 0
    in_string = escaped = False
    if text.count("[") + text.count("{") <= limit:
        return
    for char in text:
        if in_string:
            if escaped:
                escaped = False
            elif char == "\\":
                escaped = True
            elif char == '"':
                in_string = False
        elif char == '"':
            in_string = True
        elif char in "[{":
            depth += 1
            if depth > limit:
                raise Malformed(f"nested deeper than {limit}")
        elif char in "]}":
            depth -= 1
