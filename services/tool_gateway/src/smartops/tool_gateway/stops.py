"""Runs that stop: what they asked for and has not gone out yet is denied, and not waited for.

A call that was put off looks again by its timer, which may be a minute away; the run is at rest
only when all that it asked for has come back. A run stops seldom, so its history is read for it.
"""

from __future__ import annotations

import asyncio

from smartops.contracts.events import TaskStepSettled, ToolCallRequested
from smartops.eventstore.rows import StoredRow
from smartops.runtime.cues import Cue, cue_of_row
from smartops.runtime.reactor import Reaction, decode
from smartops.runtime.service import Service
from smartops.tool_gateway.calls import Calls

__all__ = ["STOPS_HANDLER", "Stops"]

STOPS_HANDLER = "tool_gateway.stops"


class Stops:
    """Looks at what a stopping run waits for."""

    def __init__(self, service: Service, calls: Calls) -> None:
        self._service = service
        self._calls = calls

    async def heed(self, cue: Cue) -> Reaction:
        """A run said that nothing more goes out: deny what has not gone out.

        What is on its way stays on its way. Were this lost, each call would see the stop at its own
        next look, only later.
        """
        run = await self._service.views.verified(self._service.views.run, cue)
        if run.state.stopping is not None:
            rows = await self._service.store.read_stream(cue.stream)
            # Each in a unit of its own, whose cause is the request: repeats are settled by that.
            cues = (cue_of_row(STOPS_HANDLER, row) for row in _open(rows))
            await asyncio.gather(*map(self._calls.deny_waiting, cues))
        return await self._service.nothing_follows(cue)


def _open(rows: list[StoredRow]) -> list[StoredRow]:
    """The requests of a run whose outcome it does not know, in order."""
    asked: dict[object, StoredRow] = {}
    for row in rows:
        event = decode(row)
        if isinstance(event, ToolCallRequested):
            asked.setdefault(event.call, row)
        elif isinstance(event, TaskStepSettled):
            asked.pop(event.call, None)
    return list(asked.values())
