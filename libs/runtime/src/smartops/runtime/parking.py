"""What is given up is parked, and gets one more try because a person asks for it.

What is parked is an event of the log, found again by its id, or a command, whose bytes lie with the
inbox row: no log holds them, and its message was terminated long ago.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

from smartops.bus.delivery import Delivery
from smartops.bus.errors import Outage, Retryable
from smartops.bus.topology import EVENTS_STREAM
from smartops.contracts.commands import ParkedRetry
from smartops.contracts.errors import ContractError, Malformed
from smartops.contracts.events import ParkedRetried
from smartops.contracts.streams import parse_stream
from smartops.contracts.subjects import Subjects
from smartops.contracts.wire import LONGEST_TEXT
from smartops.eventstore.results import Conflict
from smartops.eventstore.rows import ParkedRow, StoredRow
from smartops.eventstore.store import EventStore
from smartops.redact import blanked
from smartops.runtime.cues import Cue, Order, cue_of_message, cue_of_row
from smartops.runtime.decision import Decision, Refusal
from smartops.runtime.orders import Orders, unpack_command
from smartops.runtime.reactor import Reaction
from smartops.runtime.recording import Recorder, UnitBuilder, command_stream

__all__ = ["Parking"]

_log = logging.getLogger(__name__)

ASIDE = "~"
"""Behind the handler's name: a command's bytes while it is tried again. Its own row must go, or the
append would call it settled; but a process that dies in between must not take the bytes along."""
TRIES = 3
"""At what says of itself that it may succeed a moment later."""
_MOST = 100_000
"""Parked triggers that are looked through."""

React = Callable[[Cue], Awaitable[None]]
Obey = Callable[[str, bytes], Awaitable[None]]
"""Takes a command's subject and bytes, as if they had just come in."""
Translate = Callable[[Exception], Exception | None]
"""As in the bus's error mapping."""


@dataclass(frozen=True, slots=True)
class _Found:
    """What is to be tried: either an event of the log or a command."""

    parked: ParkedRow
    row: StoredRow | None = None
    command: tuple[str, bytes] | None = None


class Parking:
    """Parks for one service, and decides `parked.retry_*`.

    Args:
        store: connected as the service's role, so that it sees only what this service parked.
        orders: answers what cannot be obeyed.
        recorder: of this service.
        subjects: in which parked commands are written.
        events: reactions to events, by handler.
        commands: reactions to commands, by handler.
        translate: tells outages from failures.
        on_parked: told of a handler that parked something.
    """

    def __init__(
        self,
        store: EventStore,
        orders: Orders,
        recorder: Recorder,
        subjects: Subjects,
        *,
        events: Mapping[str, React],
        commands: Mapping[str, Obey],
        translate: Translate,
        on_parked: Callable[[str], None],
    ) -> None:
        self._store = store
        self._orders = orders
        self._recorder = recorder
        self._subjects = subjects
        self._events = events
        self._commands = commands
        self._translate = translate
        self._on_parked = on_parked

    async def give_up(self, handler: str, delivery: Delivery, reason: str) -> None:
        """Park what a message stands for: an event if the log has it, or a command.

        Errors like to quote what they stumbled over; the reason is shown, and told in the log.
        """
        self._on_parked(handler)
        message, reason = delivery.message, blanked(reason)
        if delivery.about.stream != EVENTS_STREAM:
            await self._orders.park(handler, message.subject, message.data, reason)
            return
        try:
            cue = cue_of_message(handler, self._subjects, message.subject, message.data)
        except ContractError:
            return  # No event of ours: the dead letter is all there is to say of it.
        rows = await self._store.read_stream(cue.stream, cue.version - 1, 1)
        if rows and rows[0].event_id == cue.id:
            await self._store.park(handler, cue.id, reason)

    async def retry(self, order: Order[ParkedRetry]) -> Reaction:
        """Try once, and say by event how it ended; a repeat of the command tries nothing.

        Raises:
            Outage: the database is away. The command comes again, and the trigger is not lost: an
                event is found by a sweep, a command lies aside until its retry comes again.
        """
        if await self._store.settled(order.handler, order.key) is not None:
            return Reaction.ALREADY
        found = await self._find(order)
        if isinstance(found, Refusal):
            await self._orders.refuse(order, found)
            return Reaction.DONE
        reason = await self._try(found)
        _log.info(
            "parked trigger tried again",
            extra={"handler": found.parked.handler, "outcome": reason or "handled"},
        )
        return await self._tell(order, found.parked, reason)

    async def _find(self, order: Order[ParkedRetry]) -> _Found | Refusal:
        handler, cause = order.data.handler, order.data.cause
        rows = {row.handler: row for row in await self._store.parked(_MOST) if row.cause == cause}
        parked = rows.get(handler + ASIDE) or rows.get(handler)
        found = None if parked is None else await self._describe(parked, handler)
        if found is None or _tenant(self._subjects, found) != order.tenant:
            return await self._not_parked(handler, order)
        known = self._events if found.row is not None else self._commands
        if handler not in known:
            return Refusal(
                "no_handler", f"{handler} does not handle such triggers any more", "handler"
            )
        return found

    async def _describe(self, parked: ParkedRow, handler: str) -> _Found | None:
        parked = replace(parked, handler=handler)
        if parked.position is not None:
            row = await self._store.event(parked.cause)
            return None if row is None else _Found(parked, row=row)
        if parked.payload is None:
            return None  # It held what must not lie there: whoever gave it gives it once more.
        return _Found(parked, command=unpack_command(self._orders.uncover(parked.payload)))

    async def _not_parked(self, handler: str, order: Order[ParkedRetry]) -> Refusal:
        settled = await self._store.settled(handler, order.data.cause)
        state = (
            "" if settled is None or settled.outcome == "parked" else f": it is {settled.outcome}"
        )
        return Refusal("not_parked", f"{handler} has not parked {order.data.cause}{state}", "cause")

    async def _try(self, found: _Found) -> str | None:
        """Why it lies parked again; None when it was handled."""
        parked, row = found.parked, found.row
        if row is not None:
            # From here on a sweep may handle it as well; the inbox lets only one of them.
            await self._store.unpark(parked.handler, parked.cause)
            react = self._events[parked.handler]
            reason = await self._attempt(lambda: react(cue_of_row(parked.handler, row)))
            if reason is not None:
                await self._park(parked, reason)
            return reason
        subject, raw = found.command or ("", b"")
        aside = parked.handler + ASIDE
        tenant = _tenant(self._subjects, found)
        await self._store.park(aside, parked.cause, parked.reason, parked.payload, tenant)
        await self._store.unpark(parked.handler, parked.cause)
        obey = self._commands[parked.handler]
        reason = await self._attempt(lambda: obey(subject, raw))
        if reason is not None:
            await self._park(parked, reason, tenant)
        await self._store.unpark(aside, parked.cause)
        return reason

    async def _attempt(self, call: Callable[[], Awaitable[None]]) -> str | None:
        reason = ""
        for _ in range(TRIES):
            try:
                await call()
            except Exception as error:
                known = self._translate(error) or error
                if isinstance(known, Outage):
                    raise known from error
                reason = blanked(f"{type(error).__name__}: {error}")
                if not isinstance(known, Retryable):
                    _log.warning("a retried trigger failed", exc_info=error)
                    return reason
            else:
                return None
        return reason

    async def _park(self, parked: ParkedRow, reason: str, tenant: str | None = None) -> None:
        await self._store.park(parked.handler, parked.cause, reason, parked.payload, tenant)
        self._on_parked(parked.handler)

    async def _tell(
        self, order: Order[ParkedRetry], parked: ParkedRow, reason: str | None
    ) -> Reaction:
        said = ParkedRetried(
            command=order.key,
            principal=order.principal,
            handler=parked.handler,
            trigger=parked.cause,
            was=parked.reason[:LONGEST_TEXT],
            outcome="handled" if reason is None else "parked",
            reason=(reason or "")[:LONGEST_TEXT],
            note=order.data.reason,
        )
        builder = UnitBuilder(self._recorder, command_stream(order), 0, self._store.db_now())
        builder.add(self._orders.cause(order, None), Decision(events=[said]))
        result = await self._store.append(builder.unit())
        if isinstance(result, Conflict):
            # Only answers to this very command stand in its stream: one was given meanwhile.
            return Reaction.ALREADY
        return Reaction.DONE


def _tenant(subjects: Subjects, found: _Found) -> str | None:
    """Whose it is; None when that cannot be told."""
    if found.row is not None:
        return parse_stream(found.row.stream).tenant
    try:
        return subjects.read_command((found.command or ("", b""))[0]).tenant
    except Malformed:
        return None
