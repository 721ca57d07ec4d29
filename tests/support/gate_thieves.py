"""Somebody who lies as a run, or changes a row: nothing but the gate is in his way."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from smartops.contracts.events import TaskApprovalGranted, TaskStarted, ToolCallRequested
from smartops.contracts.folds import GateView, RunView
from smartops.contracts.ids import call_id
from smartops.contracts.plan import Plan, seal
from smartops.contracts.streams import stream
from smartops.contracts.wire import EventData, Purpose
from smartops.tool_gateway.checks import Denial, Permit, check_step
from support.line_tools import TOOLS, Choose
from support.plans import TASK, TENANT

__all__ = ["ask_for_a_step", "change_a_row"]


def ask_for_a_step(
    choose: Choose, plan: Plan, grant: TaskApprovalGranted, gate: GateView, now: datetime
) -> Permit | Denial:
    """What the gateway says to a run that is just where any one step is due."""
    step = choose(plan.steps)
    number, phase = next(
        (n, phase) for n, phase in enumerate(plan.header.phases) if step.hash() in phase.steps
    )
    call = call_id(stream(TENANT, "run", grant.run), step.id, Purpose.DO, 1)
    request = ToolCallRequested(
        task=TASK,
        run=grant.run,
        call=call,
        purpose=Purpose.DO,
        tool=step.tool,
        version=step.version,
        target=step.target,
        question=step.id,
        attempt=1,
        phase=number,
        step=step.hash(),
    )
    started = TaskStarted(
        task=TASK,
        run=grant.run,
        number=grant.number,
        plan_hash=grant.plan_hash,
        document=grant.document,
        grant=grant.grant,
        environment=grant.environment,
        phases=tuple(phase.name for phase in plan.header.phases),
        claims=(),
    )
    run = RunView(
        started=started,
        phase=number,
        phases_completed=number,
        batch=phase.steps.index(step.hash()) // phase.batch if phase.batch else 0,
        requests={call: request},
        asked=(request,),
    )
    return check_step(request, TOOLS[step.tool], run, gate, plan, now)


def change_a_row(
    choose: Choose, events: Sequence[EventData], grant: TaskApprovalGranted, false: Plan
) -> tuple[list[EventData], TaskApprovalGranted]:
    """One row that names the granted plan names a false one; and the grant as a thief takes it."""
    plan_hash, document, _ = seal(false)
    named = {"plan_hash": plan_hash, "document": document}
    places = [n for n, e in enumerate(events) if getattr(e, "plan_hash", "") == grant.plan_hash]
    place = choose(places)
    row = events[place]
    fields = {name: value for name, value in named.items() if hasattr(row, name)}
    rows = [*events]
    rows[place] = row.model_copy(update=fields)
    return rows, grant.model_copy(update=named)
