"""What only a person can put right: a call of unknown outcome, a trigger that was parked."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Literal
from uuid import UUID

from smartops.contracts.commands import (
    CallSettle,
    GatewayParkedRetry,
    ParkedRetry,
    PlannerParkedRetry,
    PolicyParkedRetry,
    RunnerParkedRetry,
)
from smartops.contracts.events import ParkedRetried
from smartops.sdk import effects
from smartops.sdk.client.connection import DEFAULT_PATIENCE, Connection
from smartops.sdk.errors import NotFound
from smartops.sdk.results import Done, Retried

__all__ = ["Repairs"]

_RETRIES: Mapping[str, type[ParkedRetry]] = {
    "planner": PlannerParkedRetry,
    "policy": PolicyParkedRetry,
    "runner": RunnerParkedRetry,
    "tool_gateway": GatewayParkedRetry,
}


class Repairs(Connection):
    """Putting right what no service can."""

    async def settle(
        self,
        call: UUID,
        outcome: Literal["applied", "not_applied"],
        note: str,
        *,
        retry: bool = False,
        accept_double: bool = False,
        id: str | None = None,  # noqa: A002
        patience: timedelta = DEFAULT_PATIENCE,
    ) -> Done:
        """Say of a call of which no answer came whether it was applied, having looked.

        Args:
            call: which.
            outcome: what one has seen.
            note: how one knows; for the record.
            retry: not applied, and the run may attempt the step again.
            accept_double: also while the process that sent it may yet send it late.
            id: of the command; a repeat under the same id counts once. None: a new one.
            patience: how long to wait.

        Raises:
            Refused: not yours to settle, settled otherwise, or not left to a person.
            NotSent: the command was not stored.
            Unknown: no answer in time.
        """
        events = await self.reader.call_events(call)
        task = next((event.task for event in events if event.task is not None), call)
        command = CallSettle(
            call=call, outcome=outcome, note=note, retry=retry, accept_double=accept_double
        )
        order = self._orders.order(command, id)
        event, already = await self._orders.carry_out(
            order, task, effects.SETTLE, patience, call=call
        )
        return Done(task, event, already)

    async def retry_parked(
        self,
        service: str,
        handler: str,
        cause: UUID,
        reason: str,
        *,
        id: str | None = None,  # noqa: A002
        patience: timedelta = DEFAULT_PATIENCE,
    ) -> Retried:
        """Have a parked trigger tried once more, by the service that parked it.

        Args:
            service: which that is; as the other two, a row of `reader.parked()` tells.
            handler: its reaction.
            cause: the trigger.
            reason: why it should succeed now; for the record.
            id: of the command; a repeat under the same id tries nothing again. None: a new one.
            patience: how long to wait.

        Raises:
            NotFound: there is no service of that name that parks.
            Refused: it is not parked any more, or nobody handles such triggers any more.
            NotSent: the command was not stored.
            Unknown: no answer in time.
        """
        kind = _RETRIES.get(service)
        if kind is None:
            raise NotFound(f"{service!r} parks nothing; these do: {', '.join(_RETRIES)}.")
        order = self._orders.order(kind(handler=handler, cause=cause, reason=reason), id)
        event, _ = await self._orders.carry_out(order, order.key, effects.RETRY, patience)
        said = event.data
        if not isinstance(said, ParkedRetried):
            raise TypeError(f"{event.name} is no answer to {order.command.name}")
        return Retried(handler, cause, said.outcome, said.reason, event)
