"""Sending once more: what that needs again, what it waits for, and that nobody waits for it."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from smartops.contracts.events import ToolCallDispatched
from smartops.contracts.streams import parse_stream
from smartops.contracts.wire import Purpose
from smartops.eventstore.rows import TimerRow
from smartops.runtime.decision import NOTHING, Decision, SetTimer
from smartops.runtime.reactor import Decide, Reaction, Reactor
from smartops.runtime.service import Service
from smartops.tool_gateway.admission import Admission, Admitted, Later
from smartops.tool_gateway.sending import Fuse, Sender
from smartops.tool_gateway.state import Call
from smartops.tool_gateway.tools import Tool

__all__ = ["MAX_WAITS", "Resender", "waited"]

MAX_WAITS = 10
"""Pauses of a silent system that a lost answer waits for, some eight minutes in all; then a person
is asked: nobody can settle what the gateway is about to settle by itself."""

_WAITED = "~"
"""In the name of a timer, before how often it was put off."""


class Resender:
    """Lets out again what was let out before.

    A system that has fallen silent is left alone by these, too, and each takes a slot of its tool.

    Args:
        service: the floor.
        calls: where calls are decided.
        sender: carries them out.
        admission: what they need first.
    """

    def __init__(
        self, service: Service, calls: Reactor[Call], sender: Sender, admission: Admission
    ) -> None:
        self._service = service
        self._calls = calls
        self._sender = sender
        self._admission = admission

    async def admit(
        self, row: TimerRow, tool: Tool | None, purpose: Purpose
    ) -> Admitted | Later | None:
        """What a call needs to go out once more; None where there is no tool."""
        if tool is None:
            return None
        tenant = parse_stream(row.stream).tenant
        return await self._admission.admit(tenant, tool, purpose, again=True)

    async def put_off(self, row: TimerRow, sent: ToolCallDispatched, later: Later) -> bool:
        """Look again later; false when it was put off so often that a person should know."""
        timer, tries = waited(row.name)
        if later.reason == "circuit_open" and tries >= MAX_WAITS:
            return False
        again = SetTimer(f"{timer}{_WAITED}{tries + 1}", later.pause(tries), row.handler)

        async def decide(call: Call, _fresh: bool) -> Decision:  # noqa: FBT001
            return Decision(timers=[again]) if call.uncertain is not None else NOTHING

        cause = self._service.cause_of_timer(row, sent.facts.task)
        await self._calls.react(row.stream, cause, decide)
        return True

    async def react(
        self,
        row: TimerRow,
        sent: ToolCallDispatched,
        decide: Decide[Call],
        fuse: Callable[[], Fuse | None],
        tool: Tool | None,
        entry: Admitted | None,
    ) -> None:
        """Decide, and send what was decided to go out; free what was taken for it if it does not.

        Its timer has fired and is gone by then. Others wait for their turn with the timers, and a
        call may take a quarter of an hour, so nobody waits for its answer here.

        Args:
            row: the timer.
            sent: the newest send.
            decide: see `Reactor.react`.
            fuse: what it lit, once it has decided; None if nothing is to go out.
            tool: that is asked.
            entry: what was taken for it; without, nothing may go out.
        """
        cause = self._service.cause_of_timer(row, sent.facts.task)
        lit: Fuse | None = None
        try:
            if await self._calls.react(row.stream, cause, decide) is Reaction.DONE:
                lit = fuse()
        finally:
            if entry is not None and lit is None:
                entry.done(None)
        if lit is not None and tool is not None and entry is not None:
            ident = UUID(parse_stream(row.stream).id)
            sending = self._sender.send(row.stream, ident, tool, lit, entry)
            self._service.carry_on(sending, f"send {row.stream} again")


def waited(name: str) -> tuple[str, int]:
    """The name that a timer began with, and how often it was put off since."""
    first, _, tries = name.partition(_WAITED)
    return first, int(tries or 0)
