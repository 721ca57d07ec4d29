"""Attempts at one thing: what those before an attempt say about it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar
from uuid import UUID

from smartops.contracts.events import ToolCallDispatched, ToolCallRequested
from smartops.contracts.folds import CallStatus, CallView
from smartops.contracts.ids import call_id

__all__ = ["LOOKED_AT", "earlier_attempt", "first_sent"]

LOOKED_AT = 100
"""Denied attempts in a row behind which none is due any more. Each costs a look into the log, and
whoever speaks for the runner may ask for as many as they like."""

T = TypeVar("T")
Load = Callable[[UUID], Awaitable[T]]
"""A call as the log shows it now."""


async def earlier_attempt(
    request: ToolCallRequested, where: str, load: Load[CallView]
) -> CallView | None:
    """The attempt that tells whether this one is due; None for a first attempt, or if none does.

    A denied one says nothing of those before it: the third attempt at what was done by the first
    would be due, because the second was denied for that very reason.

    Args:
        request: the attempt.
        where: the stream that it stands in.
        load: reads a call.
    """
    newest = request.attempt - 1
    for attempt in range(newest, max(0, newest - LOOKED_AT), -1):
        view = await load(call_id(where, request.question, request.purpose, attempt))
        if view.status is not CallStatus.DENIED or attempt == 1:
            return view
    return None


async def first_sent(
    request: ToolCallRequested, where: str, load: Load[ToolCallDispatched | None]
) -> ToolCallDispatched | None:
    """The first attempt before this one that was sent, whose before-state is that of the step.

    What stands there by now may be what that one did, late, and would be put back for ever.

    Args:
        request: the attempt; it is due.
        where: the stream that it stands in.
        load: reads what was sent of a call.
    """
    for attempt in range(1, request.attempt):
        sent = await load(call_id(where, request.question, request.purpose, attempt))
        if sent is not None:
            return sent
    return None
