"""Personal data behind tokens: shown to one who may see it, or deleted."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from smartops.contracts.commands import CallReveal, PiiErase
from smartops.contracts.events import PiiErased, PiiRevealed
from smartops.sdk import effects
from smartops.sdk.client.connection import DEFAULT_PATIENCE, Connection
from smartops.sdk.errors import NotFound
from smartops.sdk.privacy import Erased, Question, Revealed

__all__ = ["Privacy"]

_LOOKS = 50
_PAUSE = 0.1
"""Seconds between two looks for an answer; nothing tells of it."""


class Privacy(Connection):
    """Seeing and deleting personal data."""

    async def reveal(
        self,
        tokens: Sequence[str],
        reason: str,
        *,
        task: UUID | None = None,
        call: UUID | None = None,
        id: str | None = None,  # noqa: A002
        patience: timedelta = DEFAULT_PATIENCE,
    ) -> Revealed:
        """What stands behind tokens; on record, and for this process alone.

        Args:
            tokens: at most 100.
            reason: why; for the record.
            task: only what this task knows.
            call: whose record they were read in; for the record.
            id: of the command. None: a new one.
            patience: how long to wait.

        Raises:
            Refused: not yours to see.
            NotSent: the command was not stored.
            Unknown: no answer in time.
            NotFound: it is on record, but the answer was lost on the way: ask again.
        """
        question = Question()
        command = CallReveal(
            tokens=tuple(tokens),
            task=task,
            call=call,
            recipient=question.recipient,
            reason=reason,
        )
        order = self._orders.order(command, id)
        event, _ = await self._orders.carry_out(order, order.key, effects.REVEAL, patience)
        said = event.data
        if not isinstance(said, PiiRevealed):
            raise TypeError(f"{event.name} is no answer to {order.command.name}")
        values: dict[str, str | int] = {}
        if said.tokens:
            sealed = await self._answer(order.key)
            if sealed is None or said.recipient != question.recipient:
                raise NotFound("the answer is not there; ask again, under another id.")
            values = question.open(sealed)
        return Revealed(values, said.missing, event)

    async def erase(
        self,
        reason: str,
        *,
        token: str | None = None,
        task: UUID | None = None,
        id: str | None = None,  # noqa: A002
        patience: timedelta = DEFAULT_PATIENCE,
    ) -> Erased:
        """Delete what stands behind a token, what a task knows, or what is both, for good.

        Raises:
            Refused: not yours to delete.
            NotSent: the command was not stored.
            Unknown: no answer in time.
        """
        order = self._orders.order(PiiErase(token=token, task=task, reason=reason), id)
        event, _ = await self._orders.carry_out(order, order.key, effects.ERASE, patience)
        said = event.data
        if not isinstance(said, PiiErased):
            raise TypeError(f"{event.name} is no answer to {order.command.name}")
        return Erased(said.values, event)

    async def _answer(self, command: UUID) -> bytes | None:
        """A sealed answer: it is left a moment after the event that says so."""
        for _ in range(_LOOKS):
            sealed = await self.reader.answer(command)
            if sealed is not None:
                return sealed
            await asyncio.sleep(_PAUSE)
        return None
