"""What a tool is to the gateway."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict
from smartops.contracts.tools import ToolDescriptor
from smartops.contracts.wire import Category, Idempotence, JsonObject, Risk, Scope
from smartops.tool_gateway.ports import Driver

__all__ = ["Arguments", "Output", "Tool", "descriptor"]


class Arguments(BaseModel):
    """Base of tools' inputs: strict, nothing unknown."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Output(BaseModel):
    """Base of tools' outputs: what is not declared is dropped, so nothing unforeseen is stored.

    NaN and Infinity are no numbers here: they would be written down as null, which a health check
    reads as "nobody answered".
    """

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


@dataclass(frozen=True, slots=True)
class Tool:
    """A registered tool."""

    descriptor: ToolDescriptor
    arguments: type[Arguments]
    output: type[Output]
    driver: Driver


def descriptor(
    name: str,
    description: str,
    arguments: type[Arguments],
    output: type[Output],
    *,
    category: Category,
    risk: Risk,
    idempotence: Idempotence,
    scope: Scope = Scope.ASSET,
    version: str = "1",
    timeout_ms: int = 5000,
    undo_tool: str | None = None,
    before: str | None = None,
    **declared: Any,
) -> ToolDescriptor:
    """A descriptor whose schemas are those of the tool's own models.

    `declared` is the rest of what a `ToolDescriptor` can tell, by the names of its fields.
    """
    input_schema: JsonObject = arguments.model_json_schema()
    output_schema: JsonObject = output.model_json_schema()
    return ToolDescriptor(
        name=name,
        version=version,
        description=description,
        category=category,
        risk=risk,
        scope=scope,
        idempotence=idempotence,
        timeout_ms=timeout_ms,
        undo_tool=undo_tool,
        before=before,
        input_schema=input_schema,
        output_schema=output_schema,
        **declared,
    )
