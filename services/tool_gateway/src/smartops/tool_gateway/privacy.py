"""Personal data revealed and erased: by those who may, on record, and never into the log.

An erasure is told after it was done, so that none is claimed that was not. A revelation is told
before the answer can be fetched, so that no value is seen that nobody recorded.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID

from smartops.contracts.commands import CallReveal, PiiErase
from smartops.contracts.events import ActorMapped, PiiErased, PiiRevealed
from smartops.contracts.wire import EventData
from smartops.eventstore.results import Already, Committed, Conflict
from smartops.redact import Personal
from smartops.runtime.cues import Order
from smartops.runtime.decision import Decision, Refusal
from smartops.runtime.people import People
from smartops.runtime.reactor import Reaction
from smartops.runtime.recording import UnitBuilder, command_stream
from smartops.runtime.service import Service
from smartops.vault import Vault

__all__ = ["Privacy", "may_not"]

_Act = Callable[[ActorMapped], Awaitable[EventData]]


class Privacy:
    """Decides `call.reveal` and `pii.erase`.

    Args:
        service: the floor.
        vault: where the values are.
        people: who is who.
        role: of those who may.
    """

    def __init__(self, service: Service, vault: Vault, people: People, role: str) -> None:
        self._service = service
        self._vault = vault
        self._people = people
        self._role = role

    async def reveal(self, order: Order[CallReveal]) -> Reaction:
        """Put it on record, then leave the values for the asker alone."""
        asked = order.data
        values: Mapping[str, Personal] = {}

        async def act(actor: ActorMapped) -> EventData:
            nonlocal values
            values = await self._vault.values(order.tenant, asked.task, asked.tokens)
            return PiiRevealed(
                command=order.key,
                principal=order.principal,
                actor=actor.actor,
                reason=asked.reason,
                tokens=tuple(sorted(values)),
                missing=tuple(sorted(set(asked.tokens) - set(values))),
                task=asked.task,
                call=asked.call,
                recipient=asked.recipient,
            )

        reaction, said = await self._carry_out(order, asked.task, act)
        if said is not None and values:
            # A process that dies here leaves a record without an answer: who asked asks again.
            recipient = bytes.fromhex(asked.recipient)
            await self._vault.tell(order.tenant, order.key, recipient, values)
        return reaction

    async def erase(self, order: Order[PiiErase]) -> Reaction:
        """Delete, then put it on record."""
        asked = order.data
        if asked.token is None and asked.task is None:
            await self._service.orders.refuse(
                order, Refusal("malformed", "name a token, a task, or both", "token")
            )
            return Reaction.DONE

        async def act(actor: ActorMapped) -> EventData:
            gone = await self._vault.erase(order.tenant, token=asked.token, task=asked.task)
            return PiiErased(
                command=order.key,
                principal=order.principal,
                actor=actor.actor,
                reason=asked.reason,
                token=asked.token,
                task=asked.task,
                values=gone,
            )

        reaction, _ = await self._carry_out(order, asked.task, act)
        return reaction

    async def _carry_out(
        self, order: Order[Any], task: UUID | None, act: _Act
    ) -> tuple[Reaction, EventData | None]:
        """How it ended, and the event that this very call of ours put on record."""
        store = self._service.store
        if await store.settled(order.handler, order.key) is not None:
            return Reaction.ALREADY, None
        fresh = False
        while True:
            who = await self._people.find(order.tenant, order.principal, fresh=fresh)
            actor = None if who is None else who.mapped
            reads = () if who is None else ((who.stream, who.version),)
            refusal = may_not(actor, self._role)
            said = None if refusal is not None or actor is None else await act(actor)
            events = () if said is None else (said,)
            decision = Decision(events, refusal=refusal, reads=reads)
            answers = command_stream(order)
            builder = UnitBuilder(self._service.recorder, answers, 0, store.db_now())
            builder.add(self._service.orders.cause(order, task), decision)
            match await store.append(builder.unit()):
                case Committed():
                    return Reaction.DONE, said
                case Already():
                    return Reaction.ALREADY, None
                case Conflict(stream=stream) if stream == answers:
                    # Only answers to this very command stand there: one was given meanwhile.
                    return Reaction.ALREADY, None
                case Conflict():
                    fresh = True  # Somebody is another by now, or may no longer.


def may_not(actor: ActorMapped | None, role: str) -> Refusal | None:
    """Why somebody may neither see nor erase personal data; None when they may."""
    if actor is None:
        return Refusal("unmapped", "this principal is mapped to no actor")
    if actor.disabled:
        return Refusal("forbidden", f"{actor.name} is disabled")
    if role not in actor.roles:
        return Refusal("forbidden", f"{actor.name} does not have the role {role}")
    return None
