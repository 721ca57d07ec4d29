"""Handing work over."""

from __future__ import annotations

from datetime import timedelta

from smartops.contracts.canonical import digest
from smartops.contracts.commands import IntentSubmit
from smartops.contracts.events import TaskSubmitted
from smartops.contracts.ids import task_id
from smartops.sdk import effects
from smartops.sdk.client.connection import DEFAULT_PATIENCE, Connection
from smartops.sdk.errors import Refused
from smartops.sdk.orders import payload
from smartops.sdk.privacy import tokens_in
from smartops.sdk.results import Submitted

__all__ = ["Intents"]


class Intents(Connection):
    """New tasks."""

    async def submit(
        self,
        intent: IntentSubmit,
        *,
        id: str | None = None,  # noqa: A002 - it is called so everywhere
        wait: bool = True,
        patience: timedelta = DEFAULT_PATIENCE,
    ) -> Submitted:
        """Ask for something to be done.

        Args:
            intent: what.
            id: makes the task's id; a repeat under the same id is the same task. None: a new one.
            wait: return only when the task exists. Otherwise when the command is stored, from
                when on it will be decided, but may be refused.
            patience: how long to wait.

        Raises:
            Refused: the planner said no, or this id was used for another intent.
            NotSent: the command was not stored.
            Unknown: no answer in time.
        """
        order = self._orders.order(intent, id)
        task = task_id(order.key)
        if not wait:
            await self._orders.store(order, task)
            return Submitted(task, order.key, order.id, None)
        event, _ = await self._orders.carry_out(order, task, effects.SUBMIT, patience)
        said = event.data
        if (
            isinstance(said, TaskSubmitted)
            and said.content != digest(payload(intent))
            and (said.intent, said.context) != (intent.intent, intent.context)
            # Personal data was taken out of it: then nobody can compare from here.
            and not tokens_in(said.intent, said.context.model_dump(mode="json"))
        ):
            # The server drops a repeated message id unseen, so no service could refuse it.
            raise Refused("conflict", f"{order.id!r} was used for another intent", field="id")
        return Submitted(task, order.key, order.id, event)
