"""The fields of events and commands, from their models."""

from __future__ import annotations

import re
from typing import Any

from smartops.contracts.catalogue import COMMANDS, EVENTS
from smartops.contracts.wire import Wire

from blocks.markdown import code, first_sentence, sentence, table

__all__ = ["command_fields", "event_fields", "value_types"]


def event_fields() -> str:
    """Every event with its fields."""
    return "\n".join(_message(key, spec.data) for key, spec in sorted(EVENTS.items()))


def command_fields() -> str:
    """Every command with its fields."""
    return "\n".join(_message(key, spec.data) for key, spec in sorted(COMMANDS.items()))


def value_types() -> str:
    """The values that several messages share."""
    known: dict[str, tuple[Any, Any]] = {}
    models: list[type[Wire]] = [event.data for event in EVENTS.values()]
    models += [command.data for command in COMMANDS.values()]
    for model in models:
        defs = model.model_json_schema().get("$defs", {})
        known |= {name: (one, defs) for name, one in defs.items() if "properties" in one}
    return "\n".join(
        f"### {name}\n\n{first_sentence(schema.get('description', ''))}\n\n{_fields(schema, defs)}"
        for name, (schema, defs) in sorted(known.items())
    )


def _message(key: str, model: type[Wire]) -> str:
    schema = model.model_json_schema()
    return f"### {key}\n\n{sentence(model)}\n\n{_fields(schema, schema.get('$defs', {}))}"


def _fields(schema: dict[str, Any], defs: dict[str, Any]) -> str:
    required = schema.get("required", [])
    rows = [
        [
            code(name),
            _type(field, defs),
            "" if name in required else _default(field),
            first_sentence(field.get("description", "")),
        ]
        for name, field in schema.get("properties", {}).items()
    ]
    return table(["field", "type", "default", "meaning"], rows) if rows else "No fields.\n"


def _default(field: dict[str, Any]) -> str:
    default = field.get("default")
    if default is None:
        return "none"
    if default in ([], {}, "") or isinstance(default, dict):
        return "empty"
    return code(str(default).lower() if isinstance(default, bool) else default)


def _type(field: dict[str, Any], defs: dict[str, Any]) -> str:
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        words = defs.get(name, {}).get("enum")
        return _words(words) if words else _link(name)
    if "anyOf" in field:
        kinds = [_type(one, defs) for one in field["anyOf"] if one.get("type") != "null"]
        return " or ".join(kinds)
    if "enum" in field:
        return _words(field["enum"])
    if "const" in field:
        return code(field["const"])
    match field.get("type"):
        case "array":
            return f"list of {_type(field.get('items', {}), defs)}"
        case "object":
            return "object"
        case "string":
            return _text(field)
        case "integer":
            return "whole number"
        case "number" | "boolean" | "null" as kind:
            return {"number": "number", "boolean": "true or false", "null": "none"}[kind]
        case _:
            return "any JSON"


def _text(field: dict[str, Any]) -> str:
    pattern = field.get("pattern", "")
    if pattern.startswith("^sha256:"):
        return "digest"
    if alternatives := re.fullmatch(r"\^\(([a-z_0-9|]+)\)\$", pattern):
        return _words(alternatives[1].split("|"))
    return {"uuid": "UUID", "date-time": "time"}.get(field.get("format", ""), "text")


def _words(words: list[str]) -> str:
    return ", ".join(code(word) for word in words)


def _link(name: str) -> str:
    return "any JSON" if name == "JsonValue" else f"[{name}](#{name.lower()})"
