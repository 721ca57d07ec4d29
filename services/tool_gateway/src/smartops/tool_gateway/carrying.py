"""Carrying calls out: secrets go in last, answers come back typed and redacted."""

from __future__ import annotations

import time
from datetime import timedelta
from uuid import UUID

from pydantic import JsonValue, ValidationError
from smartops.contracts.events import CallFacts, ToolCallRequested
from smartops.contracts.streams import parse_stream
from smartops.contracts.wire import JsonObject
from smartops.redact import redact, resolve
from smartops.tool_gateway.ports import Answer, NotApplied, Outbound, Unknown
from smartops.tool_gateway.secrets import Secrets
from smartops.tool_gateway.tools import Tool

__all__ = ["Carrier"]


class Carrier:
    """Speaks to the systems operated on, through each tool's driver."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets

    async def carry_out(
        self,
        name: str,
        facts: CallFacts,
        arguments: JsonObject,
        tool: Tool,
        ident: UUID,
        key: UUID | None = None,
    ) -> tuple[Answer | NotApplied | Unknown, float]:
        """Call the tool; its answer in its declared shape, and how long it took in ms."""
        tenant = parse_stream(name).tenant
        resolved = resolve(arguments, self._secrets.lookup)
        if not isinstance(resolved, dict):
            raise TypeError("arguments are an object")
        outbound = Outbound(
            tool=facts.tool,
            target=facts.target,
            arguments=resolved,
            key=key or ident,
            headers=_headers(tenant, ident, facts.task, facts.grant),
            timeout=timedelta(milliseconds=tool.descriptor.timeout_ms),
        )
        began = time.perf_counter()
        answer = await tool.driver.call(outbound)
        took = (time.perf_counter() - began) * 1000
        return _typed(tool, answer), round(took, 3)

    async def look(
        self, reader: Tool, tenant: str, request: ToolCallRequested
    ) -> Answer | NotApplied | Unknown:
        """The state of a write's target, as the tool that reads it tells."""
        outbound = Outbound(
            tool=reader.descriptor.name,
            target=request.target,
            arguments={"asset": request.target},
            key=request.call,
            headers=_headers(tenant, request.call, request.task, None),
            timeout=timedelta(milliseconds=reader.descriptor.timeout_ms),
        )
        return _typed(reader, await reader.driver.call(outbound))


def _headers(tenant: str, call: UUID, task: UUID, grant: int | None) -> dict[str, str]:
    headers = {
        "x-smartops-tenant": tenant,
        "x-smartops-call": str(call),
        "x-smartops-task": str(task),
    }
    if grant is not None:
        headers["x-smartops-grant"] = f"{task}/{grant}"
    return headers


def _typed(tool: Tool, answer: Answer | NotApplied | Unknown) -> Answer | NotApplied | Unknown:
    """An answer in the tool's declared shape, redacted; another shape tells nothing."""
    if not isinstance(answer, Answer):
        return answer
    try:
        output: JsonValue = tool.output.model_validate(answer.output).model_dump(mode="json")
    except ValidationError as error:
        return Unknown(f"the answer is not what {tool.descriptor.name} declares: {error.title}")
    # A reference in an answer would be resolved when it comes back as an argument of an undo.
    return Answer(redact(output, keep_references=False))
