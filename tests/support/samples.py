"""A representative of any message: every field filled, the same in every run."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID, uuid5

from pydantic import BaseModel
from smartops.contracts.catalogue import EVENTS
from smartops.contracts.envelope import EventMeta, encode
from smartops.contracts.ids import event_id
from smartops.contracts.wire import EventData

__all__ = ["sample", "stored"]

M = TypeVar("M", bound=BaseModel)

_NAMES = UUID("99999999-9999-5999-8999-999999999999")
_TASK = uuid5(_NAMES, "task")
_CAUSE = uuid5(_NAMES, "cause")

_BY_PATTERN = {
    r"^(applied|failed|denied|uncertain|inconclusive)$": "applied",
    r"^(approve|reject)$": "approve",
    r"^(value|failed|timed_out|killed|too_large|not_run)$": "value",
    r"^(healthy|unhealthy|inconclusive)$": "healthy",
    r"^(holds|broken|unknown)$": "holds",
    r"^(pause|roll_back|cancel|cancel_and_keep|escalate)$": "cancel_and_keep",
    r"^(retry|probe|human)$": "retry",
    r"^(rolled_back|cancelled)$": "cancelled",
    r"^[0-9A-Za-z.+-]{1,40}$": "1.0.0",
    r"^(\*|[0-9A-Za-z.+-]{1,40})$": "1.0.0",
    r"^(\*|production|staging|development|sandbox)$": "staging",
    r"^\*$": "*",
    r"^[+-]*$": "++-+",
    r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$": "web-01",
    r"^[a-z0-9][a-z0-9:_.-]{0,63}$": "team:web",
    r"^[a-z][a-z0-9-]{0,62}$": "web-server",
    r"^[a-z][a-z0-9_-]{0,62}$": "drift",
    r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*){0,3}$": "apply_patch",
    r"^(http_200|error_rate|latency_p99|custom_metric)$": "custom_metric",
    r"^(<|<=|>|>=) ?-?[0-9]+(\.[0-9]+)?(%|ms|s)?$": "< 100",
    r"^[a-z][a-z0-9_]{0,62}$": "queue_depth",
    r"^([01][0-9]|2[0-3]):[0-5][0-9]$": "22:00",
    r"^[A-Za-z][A-Za-z0-9_+/-]{0,63}$": "Europe/Berlin",
    r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,199}$": "canary/1-apply_patch/web-01",
    r"^[0-9a-z][0-9a-z.:-]{0,252}$": "fleet.example",
    r"^[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+){0,7}$": "options.0.level",
    r"^[0-9a-f]{32}$": "0123456789abcdef" * 2,
    r"^[0-9a-f]{64}$": "0123456789abcdef" * 4,
    r"^sha256:[0-9a-f]{64}$": "sha256:" + "0123456789abcdef" * 4,
}
"""What fits a pattern; a new pattern wants its line here."""


def sample(model: type[M]) -> M:
    """An instance with every field filled."""
    schema = model.model_json_schema()
    return model.model_validate(_fill(schema, schema.get("$defs", {}), "it"))


def stored(data: EventData) -> bytes:
    """The bytes of an event as the log would hold them."""
    spec = EVENTS[data.type_key()]
    category = next(iter(spec.decided_by.values()), "audit")
    stream = f"acme/{category}-{_TASK}"
    meta = EventMeta(
        id=event_id(_CAUSE, stream, 0),
        tenant="acme",
        stream=stream,
        version=7,
        entity=str(_TASK),
        task=_TASK,
        cause=_CAUSE,
        party="runner",
        time=datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=UTC),
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )
    return encode(meta, data)


def _fill(schema: dict[str, Any], known: dict[str, Any], name: str) -> Any:
    if "$ref" in schema:
        return _fill(known[schema["$ref"].rpartition("/")[2]], known, name)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        some = next(part for part in schema["anyOf"] if part.get("type") != "null")
        return _fill(some, known, name)
    match schema.get("type"):
        case "string":
            return _text(schema, name)
        case "integer":
            return int(schema.get("minimum", 0)) + 1
        case "number":
            return 12.5
        case "boolean":
            return True
        case "array":
            return [_fill(schema["items"], known, name)]
        case "object" if "properties" in schema:
            parts = schema["properties"].items()
            return {part: _fill(inner, known, part) for part, inner in parts}
        case "object" if "$ref" in str(schema.get("additionalProperties")):
            return {"a key": _fill(schema["additionalProperties"], known, name)}
        case _:
            return {"a key": ["a value", 1, None, {"deep": True}]}


def _text(schema: dict[str, Any], name: str) -> str:
    if "pattern" in schema:
        return _BY_PATTERN[schema["pattern"]]
    match schema.get("format"):
        case "uuid":
            return str(uuid5(_NAMES, name))
        case "date-time":
            return "2026-03-01T16:00:00Z"
        case _:
            return f"the {name.replace('_', ' ')} \u2013 ü"[: schema.get("maxLength", 200)]
