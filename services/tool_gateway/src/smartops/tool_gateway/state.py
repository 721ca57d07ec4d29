"""The call's state, folded from `call-<call>`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import UUID

from smartops.contracts.events import (
    CallFacts,
    ToolCallCompleted,
    ToolCallDenied,
    ToolCallDispatched,
    ToolCallFailed,
    ToolCallSettled,
    ToolCallUncertain,
)
from smartops.contracts.wire import EventData

__all__ = ["Call", "evolve"]


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call: denied, dispatched, or at its outcome."""

    dispatched: ToolCallDispatched | None = None
    """The newest send."""
    sends: int = 0
    senders: frozenset[UUID] = frozenset()
    """The incarnations that sent it: while one of them lives, it may yet send late."""
    facts: CallFacts | None = None
    """What was let out, as the gateway wrote it down; None as long as nothing was."""
    uncertain: ToolCallUncertain | None = None
    settled: ToolCallSettled | None = None
    ended: str | None = None
    """denied, succeeded, failed or settled."""

    @property
    def new(self) -> bool:
        """Nothing was decided yet."""
        return self.dispatched is None and self.ended is None

    @property
    def applied(self) -> bool:
        """It is certain that it was applied; that stays so."""
        settled = self.settled is not None and self.settled.applied
        return self.ended == "succeeded" or settled


def evolve(call: Call, event: EventData) -> Call:
    """Fold one event; never fails, never decides."""
    match event:
        case ToolCallDenied():
            return replace(call, ended="denied")
        case ToolCallDispatched():
            return replace(
                call,
                dispatched=event,
                facts=event.facts,
                sends=event.send,
                senders=call.senders | {event.incarnation},
                uncertain=None,
            )
        case ToolCallCompleted():
            return replace(call, ended="succeeded", facts=event.facts, uncertain=None)
        case ToolCallFailed():
            return replace(call, ended="failed", uncertain=None)
        case ToolCallUncertain():
            return replace(call, uncertain=event)
        case ToolCallSettled():
            return replace(call, ended="settled", settled=event, uncertain=None)
        case _:
            return call
