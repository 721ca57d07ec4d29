"""The base of everything that crosses a wire, and the value types that many messages share."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from typing_extensions import override

__all__ = [
    "ERROR_LIMIT",
    "INCONCLUSIVE_LIMIT",
    "LONGEST_TEXT",
    "Category",
    "Check",
    "CommandData",
    "Digest",
    "Environment",
    "EventData",
    "Idempotence",
    "JsonObject",
    "LongText",
    "Purpose",
    "Risk",
    "RiskLevel",
    "Scope",
    "ShortText",
    "TargetName",
    "ToolName",
    "Wire",
    "added",
]

Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
"""SHA-256 of stored canonical bytes, as `sha256:<hex>`."""

ShortText = Annotated[str, Field(min_length=1, max_length=200)]
LONGEST_TEXT = 4000
"""Characters of a `LongText`."""

LongText = Annotated[str, Field(max_length=LONGEST_TEXT)]
ToolName = Annotated[
    str, Field(pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*){0,3}$", max_length=64)
]
TargetName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
"""An asset operated on; unique within its environment."""

JsonObject = dict[str, JsonValue]


class Environment(StrEnum):
    """Where a task acts."""

    PRODUCTION = "production"
    STAGING = "staging"
    DEVELOPMENT = "development"
    SANDBOX = "sandbox"


class RiskLevel(StrEnum):
    """How much can go wrong, as people read it."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class Category(StrEnum):
    """What a tool does to the world."""

    READ = "read"
    REVERSIBLE = "reversible"
    IRREVERSIBLE = "irreversible"


class Risk(StrEnum):
    """The risk class that a tool declares."""

    READ_ONLY = "read_only"
    PLAN_ONLY = "plan_only"
    STATE_CHANGE_NONPROD = "state_change_nonprod"
    STATE_CHANGE_PROD = "state_change_prod"


class Scope(StrEnum):
    """How far one call of a tool can reach."""

    ASSET = "asset"
    ENVIRONMENT = "environment"
    ORGANIZATION = "organization"


class Idempotence(StrEnum):
    """What may be done when the answer to a call was lost."""

    IDEMPOTENT = "idempotent"
    """The tool dedupes by our key: ask again with the same one."""
    PROBEABLE = "probeable"
    """A read tells whether it was applied."""
    OPAQUE = "opaque"
    """Nobody can tell: a person decides."""


class Purpose(StrEnum):
    """Why a tool is called."""

    EVIDENCE = "evidence"
    DO = "do"
    UNDO = "undo"
    OBSERVE = "observe"


class Wire(BaseModel):
    """A frozen value with no unknown fields, and no number that JSON cannot write."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False
    )

    @override
    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy, with other values where given; what was derived of the old ones is forgotten."""
        copied = super().model_copy(update=update, deep=deep)
        for name in set(copied.__dict__) - set(type(self).model_fields):
            del copied.__dict__[name]
        return copied


class EventData(Wire):
    """The `data` of an event. Its name and version are part of the contract, its class is not."""

    topic: ClassVar[str]
    schema_version: ClassVar[int] = 1

    @classmethod
    def type_key(cls) -> str:
        """Name and version in one: `task.planned.v1`."""
        return f"{cls.topic}.v{cls.schema_version}"


class CommandData(Wire):
    """The payload of a command."""

    name: ClassVar[str]
    schema_version: ClassVar[int] = 1

    @classmethod
    def type_key(cls) -> str:
        """Name and version in one: `intent.submit.v1`."""
        return f"{cls.name}.v{cls.schema_version}"


INCONCLUSIVE_LIMIT = 2
"""Rounds in a row that show nothing and are forgiven, where nobody says otherwise."""

ERROR_LIMIT = 4
"""Samples in a row that could not be taken and are forgiven, where nobody says otherwise."""


def added(default: Any, **traits: Any) -> Any:
    """A field that a stored document got later: it is left out where it says nothing new.

    So a document from before has the same bytes, and the same hash, as ever; and one that uses the
    field is refused by whoever does not know it.
    """
    return Field(default=default, exclude_if=lambda value: value == default, **traits)


class Check(Wire):
    """A health check that a phase must pass, sampled through the gateway over a window.

    Limits count what is forgiven: one more, and the verdict stands. A failed sample shows that
    something is wrong; one that shows nothing (no number, an empty answer) is inconclusive; one
    that could not be taken at all is an error.
    """

    type: Annotated[str, Field(pattern=r"^(http_200|error_rate|latency_p99|custom_metric)$")]
    target: str = Field(default="/health", max_length=200)
    """Path asked for by `http_200`; ignored by the others."""
    threshold: (
        Annotated[str, Field(pattern=r"^(<|<=|>|>=) ?-?[0-9]+(\.[0-9]+)?(%|ms|s)?$", max_length=40)]
        | None
    ) = None
    """What must hold for every target: `< 1%` for `error_rate`, `< 500ms` for `latency_p99`, a
    bare number for `custom_metric`. Ignored by `http_200`, which wants 200 of all."""
    window_ms: int = Field(default=3000, ge=0, le=3_600_000)
    """How long the phase must stay healthy."""
    interval_ms: int = Field(default=500, ge=50, le=600_000)
    """Time between two samples."""
    failure_limit: int = Field(default=0, ge=0, le=100)
    """Failed samples that are forgiven."""
    inconclusive_limit: int = added(INCONCLUSIVE_LIMIT, ge=0, le=100)
    """Inconclusive samples in a row that are forgiven; beyond them the run pauses."""
    consecutive_error_limit: int = added(ERROR_LIMIT, ge=0, le=100)
    """Errors in a row that are forgiven; beyond them the phase counts as unhealthy."""
    timeout_ms: int | None = added(None, ge=50, le=3_600_000)
    """How long the run waits for one sample before it counts as an error; None: as long as the
    gateway does."""
    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")] | None = added(None)
    """What `rollback_if` calls the metric of a `custom_metric`."""
    query: Annotated[str, Field(min_length=1, max_length=2000)] | None = added(None)
    """PromQL, for `custom_metric`: an instant query that gives numbers."""

    @override
    def model_post_init(self, _context: Any) -> None:
        """A type means nothing without what it compares."""
        example = _THRESHOLDS.get(self.type)
        if example is not None and (
            self.threshold is None or not re.fullmatch(example[1], self.threshold)
        ):
            raise ValueError(f"{self.type} needs a threshold such as {example[0]!r}")
        if (self.type == "custom_metric") != (self.query is not None):
            raise ValueError("custom_metric, and no other type, needs a query")
        if (self.type == "custom_metric") != (self.name is not None):
            raise ValueError("custom_metric, and no other type, needs a name")


_THRESHOLDS = {
    "error_rate": ("< 1%", r"(<|<=) ?[0-9.]+%"),
    "latency_p99": ("< 500ms", r"(<|<=) ?[0-9.]+(ms|s)"),
    "custom_metric": ("< 100", r"(<|<=|>|>=) ?-?[0-9.]+"),
}
"""By type: an example for people, and what such thresholds look like."""
