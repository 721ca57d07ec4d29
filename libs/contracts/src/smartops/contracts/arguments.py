"""Arguments of a tool against the schema that it declares."""

from __future__ import annotations

from pydantic import JsonValue
from smartops.contracts.wire import JsonObject

__all__ = ["argument_problem"]


def argument_problem(schema: JsonObject, arguments: JsonObject, name: str) -> str | None:
    """Why one of the arguments does not fit; None when it does.

    The others are left alone: a reference may stand where a value will, and only the gateway knows
    it. It looks at all of them, once nothing stands for anything else.

    Args:
        schema: as the tool declares it, JSON Schema 2020-12.
        arguments: all of them.
        name: the one that is asked about.
    """
    # A tenth of a second to import, and seldom needed.
    from jsonschema import (  # type: ignore[import-untyped]  # noqa: PLC0415
        Draft202012Validator,
    )

    known = schema.get("properties")
    if not isinstance(known, dict) or name not in known:
        return f"the tool takes no {name!r}"
    alone: dict[str, JsonValue] = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    inner = known[name]
    alone |= inner if isinstance(inner, dict) else {"const": None}
    if "$defs" in schema:
        alone["$defs"] = schema["$defs"]
    errors = Draft202012Validator(alone).iter_errors(arguments.get(name))
    first = min(errors, key=lambda error: list(map(str, error.absolute_path)), default=None)
    if first is None:
        return None
    where = ".".join([name, *map(str, first.absolute_path)])
    return f"{where}: {first.message}"[:1000]
