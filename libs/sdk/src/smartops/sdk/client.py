"""The client: commands that wait for what they bring about, and the events of a task as they come.

A command is an appeal, not a call: it is stored, and a service decides it. So each method waits
for the event that shows the effect, or for `command.refused`; and where neither comes in time it
says so instead of guessing.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Literal, Self
from uuid import UUID

from smartops.contracts.bounds import Limits
from smartops.contracts.canonical import digest
from smartops.contracts.commands import (
    ApprovalBreakGlass,
    ApprovalDecide,
    ApprovalDelegate,
    AutonomyLower,
    AutonomyRaise,
    BundleActivate,
    BundlePropose,
    BundleShadow,
    BundleSign,
    CallReveal,
    CallSettle,
    DelegationRevoke,
    GatewayParkedRetry,
    GrantRevoke,
    IntentSubmit,
    ParkedRetry,
    PiiErase,
    PlanEdit,
    PlannerParkedRetry,
    PolicyParkedRetry,
    RunHalt,
    RunnerParkedRetry,
    RunPause,
    RunResume,
    StandingGive,
    StandingRevoke,
    TaskCancel,
)
from smartops.contracts.constraints import UNCONSTRAINED, Constraints
from smartops.contracts.editing import Edit
from smartops.contracts.errors import Malformed
from smartops.contracts.events import (
    AuditAppended,
    CommandAnswered,
    CommandRefused,
    ParkedRetried,
    PiiErased,
    PiiRevealed,
    TaskApprovalGranted,
    TaskApprovalRecorded,
    TaskSubmitted,
)
from smartops.contracts.ids import delegation_id, standing_id, task_id
from smartops.contracts.plan import Plan
from smartops.contracts.streams import stream
from smartops.contracts.subjects import Subjects
from smartops.contracts.wire import CommandData
from smartops.sdk import effects, watching
from smartops.sdk.bus import Bus
from smartops.sdk.effects import Effect
from smartops.sdk.errors import NotFound, Refused, Unknown
from smartops.sdk.event import Event
from smartops.sdk.orders import Order, Orders, payload
from smartops.sdk.plan_card import PlanCard, card
from smartops.sdk.privacy import Erased, Question, Revealed, tokens_in
from smartops.sdk.profile import DEFAULT_IDENTITY, Profile
from smartops.sdk.reader import Reader
from smartops.sdk.results import Decided, Done, Mandated, Retried, Submitted

__all__ = ["Client"]

DEFAULT_PATIENCE = timedelta(seconds=30)
"""How long a command waits for its effect."""

_RETRIES: Mapping[str, type[ParkedRetry]] = {
    "planner": PlannerParkedRetry,
    "policy": PolicyParkedRetry,
    "runner": RunnerParkedRetry,
    "tool_gateway": GatewayParkedRetry,
}
BUNDLE_PATIENCE = timedelta(seconds=60)
"""The same for a bundle: a proposed one is compiled, and decides its cases."""
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
        then: Literal["archive", "replan"] = "archive",
        constraints: Constraints = UNCONSTRAINED,
        for_actor: UUID | None = None,
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
            then: after a rejection: end the task, or have another plan written.
            constraints: what that plan must keep to.
            for_actor: in whose name, where that one has handed one his voice; None: one's own.
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
            then=then,
            constraints=constraints,
            for_actor=for_actor,
        )
        order = self._orders.order(command, id)
        event, _ = await self._orders.carry_out(order, task, effects.DECIDE, patience)
        match event.data:
            case CommandAnswered() as said:
                return Decided(task, _outcome(said.outcome), event, True, said.message)  # noqa: FBT003
            case TaskApprovalGranted():
                return Decided(task, "granted", event)
            case TaskApprovalRecorded():
                return Decided(task, "recorded", event)
            case _:
                return Decided(task, "rejected", event)

    async def break_glass(
        self,
        task: UUID,
        plan_hash: str,
        assessment_hash: str,
        justification: str,
        *,
        id: str | None = None,  # noqa: A002
        patience: timedelta = DEFAULT_PATIENCE,
    ) -> Done:
        """Let a plan that waits for people run at once, alone, in an emergency.

        Raises:
            Refused: not yours to do, decided already, or another plan waits by now.
            NotSent: the command was not stored.
            Unknown: no answer in time.
        """
        command = ApprovalBreakGlass(
            task=task,
            plan_hash=plan_hash,
            assessment_hash=assessment_hash,
            justification=justification,
        )
        return await self._control(command, task, effects.BREAK_GLASS, id, patience)

    async def delegate(
        self,
        command: ApprovalDelegate,
        *,
        id: str | None = None,  # noqa: A002
        patience: timedelta = DEFAULT_PATIENCE,
    ) -> Mandated:
        """Hand one's voice to another, for a time.

        Raises:
            Refused: not yours to give, or not so long.
            NotSent: the command was not stored.
            Unknown: no answer in time.
        """
        order = self._orders.order(command, id)
        where = await self._own_stream()
        return await self._mandate(
            order, delegation_id(order.key), effects.DELEGATE, where, patience
        )

    async def end_delegation(
        self,
        delegation: UUID,
        reason: str,
        *,
        id: str | None = None,  # noqa: A002
        patience: timedelta = DEFAULT_PATIENCE,
    ) -> Mandated:
        """Take one's voice back.

        Raises:
            Refused: you have handed over no such voice.
            NotSent: the command was not stored.
            Unknown: no answer in time.
        """
        order = self._orders.order(DelegationRevoke(delegation=delegation, reason=reason), id)
        where = await self._own_stream()
        return await self._mandate(order, delegation, effects.END_DELEGATION, where, patience)

    async def give_standing(
        self,
        command: StandingGive,
        *,
        id: str | None = None,  # noqa: A002
        patience: timedelta = DEFAULT_PATIENCE,
    ) -> Mandated:
        """Agree beforehand to a class of plans.

        Raises:
            Refused: not yours to give, or not so long.
            NotSent: the command was not stored.
            Unknown: no answer in time.
        """
        order = self._orders.order(command, id)
        standing = standing_id(order.key)
        where = stream(self.tenant, "standing", standing)
        return await self._mandate(order, standing, effects.GIVE, where, patience)

    async def revoke_standing(
        self,
        standing: UUID,
        reason: str,
        *,
        id: str | None = None,  # noqa: A002
        patience: timedelta = DEFAULT_PATIENCE,
    ) -> Mandated:
        """Take back what was agreed to beforehand.

        Raises:
            Refused: not yours to take back, or there is none.
            NotSent: the command was not stored.
            Unknown: no answer in time.
        """
        order = self._orders.order(StandingRevoke(standing=standing, reason=reason), id)
        where = stream(self.tenant, "standing", standing)
        return await self._mandate(order, standing, effects.TAKE_BACK, where, patience)

    async def edit(
        self,
        task: UUID,
        plan_hash: str,
        edit: Edit,
        reason: str,
        *,
        id: str | None = None,  # noqa: A002
        patience: timedelta = DEFAULT_PATIENCE,
    ) -> Done:
        """Have the plan that awaits a decision written anew with other values.

        Returns when that is decided. The next plan comes as `task.planned`, and awaits a decision
        by somebody who has not edited any plan of the task.

        Args:
            task: whose plan.
            plan_hash: of the plan that was seen.
            edit: what is to be different.
            reason: why; for the record.
            id: of the command; a repeat under the same id counts once. None: a new one.
            patience: how long to wait.

        Raises:
            Refused: not yours to edit, decided already, or it cannot be: `field` tells what.
            NotSent: the command was not stored.
            Unknown: no answer in time.
        """
        command = PlanEdit(task=task, plan_hash=plan_hash, reason=reason, **dict(edit))
        return await self._control(command, task, effects.EDIT, id, patience)

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

    async def change_bundle(
        self,
        command: BundlePropose | BundleSign | BundleActivate | BundleShadow,
        *,
        id: str | None = None,  # noqa: A002
        patience: timedelta = BUNDLE_PATIENCE,
    ) -> Event:
        """Propose, sign or activate a policy bundle, or set the shadow.

        The platform's events reach no person by the bus, so the log is asked until it tells.

        Raises:
            Refused: not yours to do, nobody proposed it, it fails its own test, ...
            NotSent: the command was not stored.
            Unknown: no answer in time.
        """
        order = self._orders.order(command, id)
        await self._orders.store(order, order.key)
        deadline = asyncio.get_running_loop().time() + patience.total_seconds()
        while (event := await self.reader.bundle_change(order.key)) is None:
            if asyncio.get_running_loop().time() > deadline:
                raise Unknown(
                    f"{command.name} is stored, but nothing was heard of it; policy may be down",
                    find_out=f"`smartops policy list`; or send it again with `--id {order.id}`,"
                    " which counts once.",
                )
            await asyncio.sleep(_ANSWER_PAUSE)
        if isinstance(event.data, CommandRefused):
            raise Refused(event.data.code, event.data.message, field=event.data.field)
        return event

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

    async def set_level(
        self,
        command: AutonomyRaise | AutonomyLower,
        *,
        id: str | None = None,  # noqa: A002
        patience: timedelta = DEFAULT_PATIENCE,
    ) -> Done:
        """Raise or lower what an agent may do by itself.

        Raises:
            Refused: not yours to change, or not by so much.
            NotSent: the command was not stored.
            Unknown: no answer in time.
        """
        order = self._orders.order(command, id)
        where = stream(self.tenant, "autonomy", command.agent)
        event, _ = await self._orders.carry_out(
            order, order.key, effects.AUTONOMY, patience, where=where
        )
        return Done(order.key, event, isinstance(event.data, CommandAnswered))

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
                rows = await self.reader.plans(task)
                for row in rows:
                    wanted = plan_hash is None or row["plan_hash"] == plan_hash
                    if wanted and row["document"] is not None and row["assessment"] is not None:
                        found = card(
                            bytes(row["document"]),
                            bytes(row["assessment"]),
                            plan_hash=row["plan_hash"],
                            assessment_hash=row["assessment_hash"],
                            task=task,
                        )
                        return replace(found, before=_before(found.plan, rows))
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

    async def _own_stream(self) -> str | None:
        """Where it stands what this identity's person gives beforehand; None: it is nobody's."""
        for row in await self.reader.actors():
            if self.principal in row["principals"]:
                return stream(self.tenant, "actor", row["actor"])
        return None

    async def _mandate(
        self, order: Order, mandate: UUID, effect: Effect, where: str | None, patience: timedelta
    ) -> Mandated:
        event, already = await self._orders.carry_out(order, mandate, effect, patience, where=where)
        return Mandated(mandate, event, already)

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


def _outcome(told: str) -> Literal["granted", "rejected", "recorded"]:
    match told:
        case "granted" | "rejected":
            return told
        case _:
            return "recorded"


def _before(plan: Plan, rows: Sequence[Mapping[str, Any]]) -> Plan | None:
    """The plan before a plan; None for a first one, or where its bytes are not what was hashed."""
    for row in rows:
        if row["number"] == plan.header.number - 1 and row["document"] is not None:
            with contextlib.suppress(Malformed):
                return Plan.read(bytes(row["document"]), plan_hash=row["plan_hash"])
    return None
