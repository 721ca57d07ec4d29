"""Documents made from a JSON Schema: such as fit it, and such as nearly do."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from datetime import UTC
from typing import Any

from hypothesis import strategies as st

__all__ = ["nearly", "values"]

MOST = 3
"""Items of a list or free keys of an object: more of the same shows nothing new."""

_ODD: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 1.0, 0.5, 2**53 + 1, 2**63, 1e300),
    *("", "x", "yes", "1", "null", "2026-03-01", "\n", "\x00", "ü" * 201, "ü" * 4001),
    *("11111111111151118111111111111111", "sha256:" + "0" * 64 + "\n", "-", "production"),
    *([], {}, [[]], {"x": 1}, ["x"]),
)
"""What stands where something else should."""

_anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e9, 1e9) | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)


def values(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Documents that fit a schema as pydantic writes them."""
    return _values(schema, schema.get("$defs", {}))


def nearly(document: dict[str, Any]) -> Iterator[Any]:
    """The document with each of its values replaced by each odd one, left out, or joined."""
    for place in range(len(list(_holders(document)))):
        keys = list(_places(list(_holders(document))[place]))
        for key in keys:
            for odd in _ODD:
                changed = copy.deepcopy(document)
                list(_holders(changed))[place][key] = odd
                yield changed
            changed = copy.deepcopy(document)
            del list(_holders(changed))[place][key]
            yield changed
        changed = copy.deepcopy(document)
        holder = list(_holders(changed))[place]
        if isinstance(holder, dict):
            holder["unforeseen"] = 1
        else:
            holder.append(copy.deepcopy(holder[0]))
        yield changed


def _places(holder: Any) -> Iterator[Any]:
    yield from holder if isinstance(holder, dict) else range(len(holder))


def _holders(document: Any) -> Iterator[Any]:
    if isinstance(document, dict | list) and document:
        yield document
        for inner in document.values() if isinstance(document, dict) else document:
            yield from _holders(inner)


def _values(schema: dict[str, Any], known: dict[str, Any]) -> st.SearchStrategy[Any]:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return st.deferred(lambda: _values(known[name], known))
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "anyOf" in schema:
        return st.one_of(*(_values(part, known) for part in schema["anyOf"]))
    match schema.get("type"):
        case "object":
            return _objects(schema, known)
        case "array":
            return _lists(schema, known)
        case "string":
            return _texts(schema)
        case "integer":
            return st.integers(schema.get("minimum", -(2**53)), schema.get("maximum", 2**53))
        case "number":
            return st.floats(schema.get("minimum", -1e9), schema.get("maximum", 1e9))
        case "boolean":
            return st.booleans()
        case "null":
            return st.none()
        case None:
            return _anything
        case unforeseen:
            raise ValueError(f"no values for {unforeseen!r}")


def _objects(schema: dict[str, Any], known: dict[str, Any]) -> st.SearchStrategy[Any]:
    fields = {name: _values(one, known) for name, one in schema.get("properties", {}).items()}
    required = set(schema.get("required", []))
    listed = st.fixed_dictionaries(
        {name: one for name, one in fields.items() if name in required},
        optional={name: one for name, one in fields.items() if name not in required},
    )
    free = schema.get("additionalProperties", True)
    if free is False:
        return listed
    more = _values(free if isinstance(free, dict) else {}, known)
    keys = st.text(max_size=8)
    return st.builds(
        lambda some, rest: rest | some, listed, st.dictionaries(keys, more, max_size=MOST)
    )


def _lists(schema: dict[str, Any], known: dict[str, Any]) -> st.SearchStrategy[Any]:
    least = schema.get("minItems", 0)
    most = min(schema.get("maxItems", least + MOST), least + MOST)
    if "prefixItems" in schema:
        return st.tuples(*(_values(one, known) for one in schema["prefixItems"])).map(list)
    return st.lists(_values(schema.get("items", {}), known), min_size=least, max_size=most)


def _texts(schema: dict[str, Any]) -> st.SearchStrategy[str]:
    match schema.get("format"):
        case "uuid":
            return st.uuids().map(str)
        case "date-time":
            return st.datetimes(timezones=st.just(UTC)).map(lambda when: when.isoformat())
    least, most = schema.get("minLength", 0), schema.get("maxLength")
    if "pattern" in schema:
        fitting = st.from_regex(
            schema["pattern"].removeprefix("^").removesuffix("$"), fullmatch=True
        )
        return fitting if most is None else fitting.filter(lambda text: len(text) <= most)
    # Texts at the limit are as likely as short ones: the limit is what may be counted differently.
    short = st.text(min_size=least, max_size=max(least, min(most or 20, 20)))
    return short if most is None else short | st.just("\N{WASTEBASKET}" * most)
