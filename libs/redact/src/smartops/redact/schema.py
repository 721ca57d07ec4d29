"""Fields that say of themselves that they are personal, whatever stands in them.

`"x-pii": "person"` in a JSON schema. What nobody can find by looking, such as a name, is marked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from smartops.redact.classes import CLASSES

__all__ = ["PII_MARK", "marked"]

PII_MARK = "x-pii"

Mark = Callable[[str, str | int], Any]
"""From a class and a value to what stands in its place."""


def marked(value: Any, schema: Mapping[str, Any], mark: Mark) -> Any:
    """A copy in which each text and number of a marked field is replaced.

    Args:
        value: JSON that follows the schema.
        schema: with its definitions in `$defs`.
        mark: makes what stands in a value's place.
    """
    return _marked(value, [schema], schema.get("$defs", {}), mark)


def _marked(value: Any, schemas: list[Any], known: Mapping[str, Any], mark: Mark) -> Any:
    seen = list(_alternatives(schemas, known))
    if isinstance(value, str | int) and not isinstance(value, bool):
        kind = next((one[PII_MARK] for one in seen if one.get(PII_MARK) in CLASSES), None)
        return value if kind is None or value == "" else mark(kind, value)
    if isinstance(value, Mapping):
        return {
            name: _marked(
                item,
                [
                    (one.get("properties") or {}).get(name, one.get("additionalProperties"))
                    for one in seen
                ],
                known,
                mark,
            )
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [
            _marked(
                item,
                [
                    prefix[place]
                    if place < len(prefix := one.get("prefixItems", ()))
                    else one.get("items")
                    for one in seen
                ],
                known,
                mark,
            )
            for place, item in enumerate(value)
        ]
    return value


def _alternatives(schemas: list[Any], known: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """All that may describe one value; a mark anywhere among them counts."""
    for schema in schemas:
        if not isinstance(schema, Mapping):
            continue
        yield schema
        if "$ref" in schema:
            yield from _alternatives([known.get(str(schema["$ref"]).rpartition("/")[2])], known)
        for key in ("anyOf", "oneOf", "allOf"):
            yield from _alternatives(list(schema.get(key, ())), known)
