"""The span of each piece of a service's work, in the trace of the task that it is about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any
from uuid import UUID

from smartops.contracts.streams import parse_stream
from smartops.eventstore.rows import TimerRow
from smartops.runtime.cues import Cue, Order
from smartops.runtime.phasing import phase_of_cue, phase_of_service
from smartops.runtime.traces import Traces
from smartops.telemetry.attributes import TASK, TENANT, Phase
from smartops.telemetry.tracing import Link, Span, Tracer, link_from

__all__ = ["Spans"]


class Spans:
    """Opens spans for one service.

    Args:
        service: as the catalogue names it.
        tracer: records them.
        traces: where the trace of a task goes on.
    """

    def __init__(self, service: str, tracer: Tracer, traces: Traces) -> None:
        self._service = service
        self._tracer = tracer
        self._traces = traces

    def of_event(self, cue: Cue) -> AbstractContextManager[Span]:
        """For the reaction to an event: it goes on where the event's maker was."""
        phase = phase_of_cue(self._service, cue) if self._tracer.recording else None
        about = {TENANT: cue.tenant, TASK: cue.task}
        return self._span(cue.handler, cue.traceparent, about, phase=phase)

    async def of_order(self, order: Order[Any]) -> AbstractContextManager[Span]:
        """For a command: one about a task goes on in its trace, linked to where it came from."""
        task = getattr(order.data, "task", None)
        about = {TENANT: order.tenant, TASK: task}
        if isinstance(task, UUID):
            parent = await self._traces.of_task(order.tenant, task)
            if parent is not None:
                links = link_from(order.traceparent)
                return self._span(order.handler, parent, about, links=links)
        return self._span(order.handler, order.traceparent, about)

    async def of_timer(
        self, row: TimerRow, phase: Phase | None, task: UUID | None
    ) -> AbstractContextManager[Span]:
        """For a timer: it goes on in the trace of its stream, or of a task that has not begun it.

        Args:
            row: the timer.
            phase: what its work is for; None: what the service is for.
            task: whose it is, where that is known.
        """
        tenant = parse_stream(row.stream).tenant
        parent = await self._traces.of_stream(row.stream)
        if parent is None and task is not None:
            parent = await self._traces.of_task(tenant, task)
        return self._span(row.handler, parent, {TENANT: tenant, TASK: task}, phase=phase)

    def _span(
        self,
        name: str,
        parent: str | None,
        about: Mapping[str, object],
        *,
        phase: Phase | None = None,
        links: Iterable[Link] = (),
    ) -> AbstractContextManager[Span]:
        return self._tracer.span(
            name,
            "consumer",
            parent,
            about,
            phase=phase or phase_of_service(self._service),
            links=links,
        )
