"""The gateway's reactions, one short function per entry of the catalogue."""

from __future__ import annotations

from smartops.contracts.commands import CallReveal, CallSettle, PiiErase
from smartops.eventstore.rows import TimerRow
from smartops.runtime.cues import Cue, Order
from smartops.runtime.reactor import Reaction
from smartops.runtime.service import Service
from smartops.tool_gateway.calls import Calls
from smartops.tool_gateway.domain import (
    DEADLINE_HANDLER,
    PROBE_HANDLER,
    RETRY_HANDLER,
    WATCH_HANDLER,
)
from smartops.tool_gateway.privacy import Privacy
from smartops.tool_gateway.stops import STOPS_HANDLER, Stops
from smartops.tool_gateway.waiting import WAIT_HANDLER

__all__ = ["register"]


def register(service: Service, calls: Calls, privacy: Privacy) -> None:
    """Join the gateway's reactions to the bus and the timers."""
    doubts = calls.doubts
    stops = Stops(service, calls)

    @service.on_event("tool_gateway.calls")
    async def handle_call(cue: Cue) -> None:
        await calls.handle(cue)

    @service.on_event(STOPS_HANDLER)
    async def heed_stop(cue: Cue) -> Reaction:
        return await stops.heed(cue)

    @service.on_command("tool_gateway.settlements")
    async def settle(order: Order[CallSettle]) -> Reaction:
        return await doubts.settle(order)

    @service.on_command("tool_gateway.privacy")
    async def reveal_or_erase(order: Order[CallReveal] | Order[PiiErase]) -> Reaction:
        if isinstance(order.data, CallReveal):
            return await privacy.reveal(order)
        return await privacy.erase(order)

    @service.on_timer(DEADLINE_HANDLER)
    async def deadline_passed(row: TimerRow) -> None:
        await calls.deadline_passed(row)

    @service.on_timer(WAIT_HANDLER)
    async def go_on(row: TimerRow) -> None:
        await calls.waited(row)

    @service.on_timer(RETRY_HANDLER)
    async def send_again(row: TimerRow) -> None:
        await doubts.send_again(row)

    @service.on_timer(WATCH_HANDLER)
    async def watch(row: TimerRow) -> None:
        await doubts.watch(row)

    @service.on_timer(PROBE_HANDLER)
    async def read_back(row: TimerRow) -> None:
        await doubts.read_back(row)
