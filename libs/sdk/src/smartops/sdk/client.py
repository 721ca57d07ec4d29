"""The client: commands that wait for what they bring about, and the events of a task as they come.

A command is an appeal, not a call: it is stored, and a service decides it. So each method waits
for the event that shows the effect, or for `command.refused`; and where neither comes in time it
says so instead of guessing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import timedelta
from typing import Literal, Self
from uuid import UUID

from smartops.contracts.bounds import Limits
from smartops.contracts.canonical import digest
from smartops.contracts.commands import (
    ApprovalDecide,
    CallReveal,
    CallSettle,
    GatewayParkedRetry,
    GrantRevoke,
    IntentSubmit,
    ParkedRetry,
    PiiErase,
    PlannerParkedRetry,
    PolicyParkedRetry,
    RunHalt,
    RunnerParkedRetry,
    RunPause,
    RunResume,
    TaskCancel,
)
from smartops.contracts.events import (
    AuditAppended,
    ParkedRetried,
    PiiErased,
    PiiRevealed,
    TaskApprovalGranted,
    TaskApprovalRecorded,
    TaskSubmitted,
)
from smartops.contracts.ids import task_id
from smartops.contracts.subjects import Subjects
from smartops.contracts.wire import CommandData
from smartops.sdk import effects, watching
from smartops.sdk.bus import Bus
from smartops.sdk.effects import Effect
from smartops.sdk.errors import NotFound, Refused
from smartops.sdk.event import Event
from smartops.sdk.orders import Orders, payload
from smartops.sdk.plan_card import PlanCard, card
from smartops.sdk.privacy import Erased, Question, Revealed, tokens_in
from smartops.sdk.profile import DEFAULT_IDENTITY, Profile
from smartops.sdk.reader import Reader
from smartops.sdk.results import Decided, Done, Retried, Submitted

__all__ = ["Client"]

DEFAULT_PATIENCE = timedelta(seconds=30)
"""How long a command waits for its effect."""

_RETRIES: Mapping[str, type[ParkedRetry]] = {
    "planner": PlannerParkedRetry,
    "policy": PolicyParkedRetry,
    "runner": RunnerParkedRetry,
    "tool_gateway": GatewayParkedRetry,
}
_ANSWER_LOOKS = 50
_ANSWER_PAUSE = 0.1
"""Seconds between two looks for an answer; nothing tells of it."""
_PROJECTION_LOOK = 1.0
"""Seconds after which the projection is asked again, should the bus not tell that it moved."""


class Client:
    """Talks to one installation as one identity. Safe to share between tasks of one event loop."""

    def __init__(self, profile: Profile, name: str, bus: Bus) -> None:
        self.profile = profile
        self.name = name
        self.tenant = profile.tenant
        self.principal = profile.principal(name)
        self.reader = Reader(profile)
        self._bus = bus
        self._subjects = Subjects(profile.prefix)
        self._orders = Orders(bus, self.reader, self._subjects, self.principal)

    @classmethod
    async def connect(cls, profile: Profile, as_: str = DEFAULT_IDENTITY) -> Client:
        """Connect to the bus; the database is asked when first needed.

        Raises:
            NoIdentity: there are no credentials of this name.
            Unreachable: the bus does not answer.
            Unauthorised: it does not accept them.
        """
        return cls(profile, as_, await Bus.connect(profile, as_))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Leave bus and database."""
        await self._bus.close()
        await self.reader.close()

    # --- commands

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

    async def decide(
        self,
        task: UUID,
        plan_hash: str,
        assessment_hash: str,
        decision: Literal["approve", "reject"],
        note: str = "",
        *,
        limits: Limits = Limits(),  # noqa: B008 - frozen
        id: str | None = None,  # noqa: A002 - it is called so everywhere
        patience: timedelta = DEFAULT_PATIENCE,
    ) -> Decided:
        """Approve or reject a plan, by the hashes that were seen.

        Args:
            task: whose plan.
            plan_hash: of the plan that was read.
            assessment_hash: of its assessment.
            decision: approve or reject.
            note: for the record.
            limits: how much of the plan is approved, where that is less than all of it.
            id: of the command; a repeat under the same id counts once. None: a new one.
            patience: how long to wait.

        Raises:
            Refused: not yours to decide, decided already, or another plan waits by now.
            NotSent: the command was not stored.
            Unknown: no answer in time.
        """
        command = ApprovalDecide(
            task=task,
            plan_hash=plan_hash,
            assessment_hash=assessment_hash,
            decision=decision,
            note=note,
            limits=limits,
        )
        order = self._orders.order(command, id)
        event, _ = await self._orders.carry_out(order, task, effects.DECIDE, patience)
        match event.data:
            case TaskApprovalGranted():
                return Decided(task, "granted", event)
            case TaskApprovalRecorded():
                return Decided(task, "recorded", event)
            case _:
                return Decided(task, "rejected", event)

    async def cancel(
        self,
        task: UUID,
        reason: str,
        *,
        keep_changes: bool = False,
        id: str | None = None,  # noqa: A002
        patience: timedelta = DEFAULT_PATIENCE,
    ) -> Done:
        """End a task; what is reversible is taken back unless the changes are to be kept.

        Returns when that is decided, not when it is done: `watch` tells.

        Raises:
            Refused: the task has ended already.
            NotSent: the command was not stored.
            Unknown: no answer in time.
        """
        command = TaskCancel(task=task, reason=reason, keep_changes=keep_changes)
        return await self._control(command, task, effects.CANCEL, id, patience)

    async def pause(
        self,
        task: UUID,
        reason: str,
        *,
        id: str | None = None,  # noqa: A002
        patience: timedelta = DEFAULT_PATIENCE,
    ) -> Done:
        """Let nothing more go out until resumed; `task.paused` follows once nothing is in flight.

        Raises:
            Refused: nothing is under way, or it is being rolled back.
            NotSent: the command was not stored.
            Unknown: no answer in time.
        """
        command = RunPause(task=task, reason=reason)
        return await self._control(command, task, effects.PAUSE, id, patience)

    async def resume(
        self,
        task: UUID,
        reason: str,
        *,
        id: str | None = None,  # noqa: A002
        patience: timedelta = DEFAULT_PATIENCE,
    ) -> Done:
        """Go on after a pause.

        Raises:
            Refused: it is not paused, or its grant was taken back.
            NotSent: the command was not stored.
            Unknown: no answer in time.
        """
        command = RunResume(task=task, reason=reason)
        return await self._control(command, task, effects.RESUME, id, patience)

    async def halt(
        self,
        task: UUID,
        reason: str,
        *,
        id: str | None = None,  # noqa: A002
        patience: timedelta = DEFAULT_PATIENCE,
    ) -> Done:
        """Emergency stop: nothing goes out any more, not even undo.

        Raises:
            Refused: the task has ended already.
            NotSent: the command was not stored.
            Unknown: no answer in time.
        """
        command = RunHalt(task=task, reason=reason)
        return await self._control(command, task, effects.HALT, id, patience)

    async def revoke(
        self,
        task: UUID,
        reason: str,
        *,
        id: str | None = None,  # noqa: A002
        patience: timedelta = DEFAULT_PATIENCE,
    ) -> Done:
        """Take the current grant back: nothing more is dispatched under it.

        Raises:
            Refused: nothing was granted, or the run has ended.
            NotSent: the command was not stored.
            Unknown: no answer in time.
        """
        command = GrantRevoke(task=task, reason=reason)
        return await self._control(command, task, effects.REVOKE, id, patience)

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

    # --- looking

    async def card(
        self,
        task: UUID,
        plan_hash: str | None = None,
        *,
        patience: timedelta = timedelta(seconds=10),
    ) -> PlanCard:
        """The verified plan card of a task; waits for the projection if it is behind.

        Args:
            task: whose plan.
            plan_hash: which; None: the newest that has an assessment.
            patience: how long the projection may take.

        Raises:
            NotFound: there is no such plan, or it did not appear in time.
            Unverified: its bytes are not those that were hashed.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + patience.total_seconds()
        projected = self._subjects.event_filter(AuditAppended.topic, tenant=self.tenant)
        async with self._bus.listen([projected]) as inbox:
            while True:
                for row in await self.reader.plans(task):
                    wanted = plan_hash is None or row["plan_hash"] == plan_hash
                    if wanted and row["document"] is not None and row["assessment"] is not None:
                        return card(
                            bytes(row["document"]),
                            bytes(row["assessment"]),
                            plan_hash=row["plan_hash"],
                            assessment_hash=row["assessment_hash"],
                            task=task,
                        )
                left = deadline - loop.time()
                if left <= 0:
                    raise NotFound(
                        f"task {task} has no plan to show yet. `smartops watch {task}` shows how "
                        "far it is."
                    )
                await inbox.stirred(min(left, _PROJECTION_LOOK))

    async def events(self, task: UUID) -> list[Event]:
        """What has happened in a task so far, from the log."""
        return await self.reader.events(task)

    def watch(self, task: UUID) -> AsyncGenerator[Event, None]:
        """What has happened in a task, and what happens, until it has ended.

        Each event comes once. The bus brings them at once; the log is asked first, and whenever
        the bus has been silent for a while. Leave it early inside `contextlib.aclosing`.

        Raises:
            Unreachable: the database does not answer at the beginning.
        """
        return watching.watch(self._bus, self.reader, self._subjects, task)

    def live(self, *, last: int = 0) -> AsyncGenerator[Event, None]:
        """The tenant's last events, then every one to come, for as long as one listens."""
        return watching.live(self._bus, self.reader, self._subjects, last=last)

    async def _answer(self, command: UUID) -> bytes | None:
        """A sealed answer: it is left a moment after the event that says so."""
        for _ in range(_ANSWER_LOOKS):
            sealed = await self.reader.answer(command)
            if sealed is not None:
                return sealed
            await asyncio.sleep(_ANSWER_PAUSE)
        return None

    async def _control(
        self,
        command: CommandData,
        task: UUID,
        effect: Effect,
        ident: str | None,
        patience: timedelta,
    ) -> Done:
        order = self._orders.order(command, ident)
        event, already = await self._orders.carry_out(order, task, effect, patience)
        return Done(task, event, already)
