"""Carrying calls out: secrets go in last, answers come back typed and redacted."""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
from collections.abc import Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from pydantic import JsonValue, ValidationError
from smartops.contracts.canonical import canonical
from smartops.contracts.errors import Malformed
from smartops.contracts.events import CallFacts, ToolCallRequested
from smartops.contracts.streams import parse_stream
from smartops.contracts.wire import JsonObject
from smartops.redact import MissingPersonal, Personal, UnknownSecret, resolve
from smartops.runtime.phasing import phase_of_call
from smartops.telemetry.attributes import (
    CALL,
    OPERATION,
    RUN,
    TASK,
    TENANT,
    TOOL_NAME,
    Phase,
    execute_tool,
)
from smartops.telemetry.tracing import Fields, Span, Tracer
from smartops.tool_gateway.bindings import NotBound
from smartops.tool_gateway.ports import Answer, NotApplied, Outbound, Unknown
from smartops.tool_gateway.secrets import Secrets, looked_up
from smartops.tool_gateway.tools import Tool
from smartops.tool_gateway.tools.sensitive import without

__all__ = ["Carrier"]

_log = logging.getLogger(__name__)

_OVERTIME = timedelta(seconds=1)
"""For a driver to say itself that its time is over."""


@dataclass(frozen=True, slots=True)
class _Told:
    """What a tool was told that it must not give away, and whose it is."""

    tenant: str
    task: UUID
    personal: Collection[Personal]
    secret: Collection[str]


class Carrier:
    """Speaks to the systems operated on, through each tool's driver."""

    def __init__(self, secrets: Secrets, tracer: Tracer) -> None:
        self._secrets = secrets
        self._tracer = tracer

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
        personal = await self._secrets.personal(tenant, facts.task, arguments)
        try:
            telling = self._secrets.telling(tenant, tool.descriptor.name)
            resolved = resolve(arguments, telling, personal=looked_up(personal))
        except (MissingPersonal, NotBound, UnknownSecret) as error:
            # It was there when the call was let go, and was erased or unbound since; or a write
            # is read back through a tool that is not told what the write was.
            return NotApplied(error.code, str(error), retryable=False), 0.0
        if not isinstance(resolved, dict):
            raise TypeError("arguments are an object")
        phase = phase_of_call(facts.purpose)
        about = {TENANT: tenant, TASK: facts.task, RUN: facts.run, CALL: ident}
        with self._span(facts.tool, phase, about) as span:
            outbound = Outbound(
                tool=facts.tool,
                target=facts.target,
                arguments=resolved,
                key=key or ident,
                headers=_headers(tenant, ident, facts.task, facts.grant, span),
                timeout=timedelta(milliseconds=tool.descriptor.timeout_ms),
                max_bytes=tool.descriptor.max_output_bytes,
            )
            began = time.perf_counter()
            answer = await _asked(tool, outbound)
            took = (time.perf_counter() - began) * 1000
            # By all that the call is about: what a write was told, its read-back may say.
            secret = self._secrets.told(facts.arguments)
            told = _Told(tenant, facts.task, personal.values(), secret)
            typed = await self._typed(tool, answer, told)
            _mark(span, typed)
        return typed, round(took, 3)

    async def look(
        self, reader: Tool, tenant: str, request: ToolCallRequested
    ) -> Answer | NotApplied | Unknown:
        """The state of a write's target, as the tool that reads it tells."""
        name = reader.descriptor.name
        about = {TENANT: tenant, TASK: request.task, RUN: request.run, CALL: request.call}
        with self._span(name, "act", about) as span:
            outbound = Outbound(
                tool=name,
                target=request.target,
                arguments={"asset": request.target},
                key=request.call,
                headers=_headers(tenant, request.call, request.task, None, span),
                timeout=timedelta(milliseconds=reader.descriptor.timeout_ms),
                max_bytes=reader.descriptor.max_output_bytes,
            )
            told = _Told(tenant, request.task, (), self._secrets.told(None))
            typed = await self._typed(reader, await _asked(reader, outbound), told)
            _mark(span, typed)
        return typed

    async def _typed(
        self, tool: Tool, answer: Answer | NotApplied | Unknown, told: _Told
    ) -> Answer | NotApplied | Unknown:
        """An answer in the tool's declared shape, redacted; another shape tells nothing.

        Nor does one that no event can hold. The log would refuse its outcome, the call would be
        carried out again, and again.
        """
        match answer:
            case NotApplied():
                return replace(answer, message=await self._text(answer.message, told))
            case Unknown():
                return replace(answer, reason=await self._text(answer.reason, told))
            case Answer():
                pass
        try:
            output: JsonValue = tool.output.model_validate(answer.output).model_dump(mode="json")
        except ValidationError as error:
            return _odd(f"the answer is not what {tool.descriptor.name} declares: {error.title}")
        output = without(output, tool.descriptor.sensitive_fields)
        redacted = self._secrets.keeper.take_out_foreign(
            told.tenant,
            output,
            told=told.personal,
            secret=told.secret,
            schema=tool.descriptor.output_schema,
        )
        try:
            stored = canonical(redacted.value)
        except Malformed as error:
            return _odd(f"the answer cannot be recorded: {error}")
        limit = tool.descriptor.max_output_bytes
        if limit is not None and len(stored) > limit:
            # Drivers stop reading there; of one that does not, no more is believed for that.
            return _odd(f"the answer is longer than {limit} bytes")
        await self._secrets.keeper.keep(told.tenant, told.task, redacted.found)
        return Answer(redacted.value)

    async def _text(self, text: str, told: _Told) -> str:
        """What is said of a failure, fit to be stored: other systems quote what they were sent."""
        redacted = self._secrets.keeper.take_out_foreign(
            told.tenant, text, told=told.personal, secret=told.secret, as_text=True
        )
        await self._secrets.keeper.keep(told.tenant, told.task, redacted.found)
        return str(redacted.value)

    def _span(self, tool: str, phase: Phase, about: Fields) -> AbstractContextManager[Span]:
        about = {OPERATION: "execute_tool", TOOL_NAME: tool, **about}
        return self._tracer.span(execute_tool(tool), "client", None, about, phase=phase)


async def _asked(tool: Tool, outbound: Outbound) -> Answer | NotApplied | Unknown:
    """What its driver says; one that breaks its word, by raising or by never ending, says nothing.

    Nobody knows how far it had come. Without an outcome the call would be asked for again and
    again, or waited for until its deadline, or hold its slot for ever.
    """
    try:
        async with asyncio.timeout((outbound.timeout + _OVERTIME).total_seconds()):
            return await tool.driver.call(outbound)
    except TimeoutError:
        _log.error("the driver of %s did not keep to its time", outbound.tool)
        return Unknown(f"its driver did not end within {outbound.timeout.total_seconds():g} s")
    except Exception as error:  # noqa: BLE001 - logged, and recorded as what it is: unknown.
        # Where, and not what: its text may hold what the tool was told.
        place = traceback.extract_tb(error.__traceback__)[-1]
        told = (outbound.tool, type(error).__name__, place.filename, place.lineno)
        _log.error("the driver of %s failed: %s at %s:%s", *told)
        return Unknown(f"its driver failed: {type(error).__name__}")


def _odd(reason: str) -> Unknown:
    return Unknown(reason, answered=True)


def _mark(span: Span, answer: Answer | NotApplied | Unknown) -> None:
    """Say by a code that the call came to nothing, or to nobody knows what."""
    if isinstance(answer, NotApplied):
        span.fail("not_applied")
    elif isinstance(answer, Unknown):
        span.fail("unknown")


def _headers(tenant: str, call: UUID, task: UUID, grant: int | None, span: Span) -> dict[str, str]:
    headers = {
        "x-smartops-tenant": tenant,
        "x-smartops-call": str(call),
        "x-smartops-task": str(task),
        "traceparent": span.traceparent,
    }
    if grant is not None:
        headers["x-smartops-grant"] = f"{task}/{grant}"
    return headers
