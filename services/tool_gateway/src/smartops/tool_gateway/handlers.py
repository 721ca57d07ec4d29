"""The gateway's reactions, one short function per entry of the catalogue."""

from __future__ import annotations

from smartops.eventstore.rows import TimerRow
from smartops.runtime.cues import Cue
from smartops.runtime.service import Service
from smartops.tool_gateway.calls import Calls
from smartops.tool_gateway.domain import DEADLINE_HANDLER, RETRY_HANDLER

__all__ = ["register"]


def register(service: Service, calls: Calls) -> None:
    """Join the gateway's reactions to the bus and the timers."""

    @service.on_event("tool_gateway.calls")
    async def handle_call(cue: Cue) -> None:
        await calls.handle(cue)

    @service.on_timer(DEADLINE_HANDLER)
    async def deadline_passed(row: TimerRow) -> None:
        await calls.deadline_passed(row)

    @service.on_timer(RETRY_HANDLER)
    async def send_again(row: TimerRow) -> None:
        await calls.send_again(row)
