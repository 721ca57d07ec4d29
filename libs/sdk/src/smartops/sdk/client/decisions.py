"""A person's word on a plan that waits: yes, no, otherwise, or at once."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal
from uuid import UUID

from smartops.contracts.bounds import Limits
from smartops.contracts.commands import ApprovalBreakGlass, ApprovalDecide, PlanEdit
from smartops.contracts.constraints import UNCONSTRAINED, Constraints
from smartops.contracts.editing import Edit
from smartops.contracts.events import CommandAnswered, TaskApprovalGranted, TaskApprovalRecorded
from smartops.sdk import effects
from smartops.sdk.client.connection import DEFAULT_PATIENCE, Connection
from smartops.sdk.results import Decided, Done

__all__ = ["Decisions"]


class Decisions(Connection):
    """Deciding on plans, by the hashes that were seen."""

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


def _outcome(told: str) -> Literal["granted", "rejected", "recorded"]:
    match told:
        case "granted" | "rejected":
            return told
        case _:
            return "recorded"
