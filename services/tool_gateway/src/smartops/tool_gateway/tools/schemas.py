"""Looking things up in the JSON Schemas that tools are registered with."""

from __future__ import annotations

from typing import Any

from smartops.contracts.wire import JsonObject

__all__ = ["has_path", "properties", "reason_codes", "required"]


def properties(schema: JsonObject) -> dict[str, Any]:
    """The properties of an object's schema, by name."""
    found = schema.get("properties")
    return dict(found) if isinstance(found, dict) else {}


def required(schema: JsonObject) -> set[str]:
    """The names that must be there."""
    found = schema.get("required")
    return {str(name) for name in found} if isinstance(found, list) else set()


def reason_codes(schema: JsonObject) -> tuple[str, ...]:
    """The values that the argument `reason_code` may have; none if they are not listed."""
    for part in _parts(properties(schema).get("reason_code"), schema):
        if isinstance(listed := part.get("enum"), list):
            return tuple(map(str, listed))
        if "const" in part:
            return (str(part["const"]),)
    return ()


def has_path(schema: JsonObject, path: str) -> bool:
    """Whether documents of this schema can have something at a dotted path."""
    return _has(schema, path.split("."), schema)


def _has(schema: Any, path: list[str], root: JsonObject) -> bool:
    if not path:
        return True
    name, *rest = path
    for part in _parts(schema, root):
        if "items" in part and _has(part["items"], path, root):
            return True
        known = part.get("properties", {})
        inner = list(known.values()) if name == "*" else [known[name]] if name in known else []
        further = part.get("additionalProperties")
        if name == "*" and isinstance(further, dict):
            inner.append(further)
        if any(_has(one, rest, root) for one in inner):
            return True
    return False


def _parts(schema: Any, root: JsonObject) -> list[dict[str, Any]]:
    """What a schema allows, each alternative on its own, references followed."""
    if not isinstance(schema, dict):
        return []
    if "$ref" in schema:
        defined = root.get("$defs")
        name = str(schema["$ref"]).rpartition("/")[2]
        return _parts(defined.get(name), root) if isinstance(defined, dict) else []
    if "anyOf" in schema:
        return [part for one in schema["anyOf"] for part in _parts(one, root)]
    return [schema]
