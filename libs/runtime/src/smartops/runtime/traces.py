"""Where the trace of a task goes on, for what brings no context along: timers and people.

An event carries the context of the work that made it, so whoever reacts to it goes on from there.
A timer carries none, and a person who approves a task brings, at best, a context of their own. Both
belong into the trace of the task, which the first event of its stream knows.
"""

from __future__ import annotations

from uuid import UUID

from smartops.contracts.envelope import read_hint
from smartops.contracts.errors import ContractError
from smartops.contracts.streams import stream
from smartops.eventstore.store import EventStore
from smartops.runtime.cues import Cue
from smartops.telemetry.traceparent import normal_traceparent

__all__ = ["Traces"]

_REMEMBERED = 10_000
"""Streams whose context is known without asking the log; about 3 MB."""


class Traces:
    """Remembers, per stream, what to go on from; asks the log for what it has not seen."""

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self._known: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._known)

    def note(self, cue: Cue, traceparent: str) -> None:
        """A reaction to an event of a task has been verified and has ended."""
        if cue.task is not None:
            self._remember(f"{cue.tenant}/task-{cue.task}", traceparent)

    async def of_task(self, tenant: str, task: UUID) -> str | None:
        """The context to go on from in a task; None if there is no such task."""
        return await self.of_stream(stream(tenant, "task", task))

    async def of_stream(self, name: str) -> str | None:
        """The context of a stream's first event, or a later one of its task.

        Raises:
            StoreUnavailable: the log cannot be asked.
        """
        known = self._known.get(name)
        if known is not None:
            return known
        rows = await self._store.read_stream(name, 0, 1)
        if not rows:
            return None
        try:
            found = normal_traceparent(read_hint(rows[0].state).traceparent)
        except ContractError:  # What cannot be read is for the handler to say, not for a trace.
            return None
        if found is not None:
            self._remember(name, found)
        return found

    def _remember(self, name: str, traceparent: str) -> None:
        self._known.pop(name, None)
        self._known[name] = traceparent
        if len(self._known) > _REMEMBERED:
            del self._known[next(iter(self._known))]
