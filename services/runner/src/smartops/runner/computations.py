"""Carrying a computed step out: its code from the approved plan, its inputs from the log."""

from __future__ import annotations

from datetime import timedelta

from smartops.contracts.computing import computation_of, filled, references
from smartops.contracts.errors import Malformed
from smartops.contracts.events import TaskComputationEnded, TaskComputationRequested
from smartops.contracts.plan import Plan
from smartops.runner.outputs import outputs_of
from smartops.runner.sandboxing import Computed, Sandboxing
from smartops.runner.state import Run
from smartops.runtime.service import Service

__all__ = ["carry_out"]


async def carry_out(
    service: Service,
    sandbox: Sandboxing,
    name: str,
    run: Run,
    plan: Plan,
    asked: TaskComputationRequested,
) -> TaskComputationEnded:
    """Compute a step. Whatever goes wrong with it is what it brought out.

    Args:
        service: reads the log.
        sandbox: runs the code.
        name: the run's stream.
        run: its state, in which the step is in flight.
        plan: the approved one.
        asked: the request.
    """
    found = await _compute(service, sandbox, name, run, plan, asked)
    return TaskComputationEnded(
        task=asked.task,
        run=asked.run,
        call=asked.call,
        question=asked.question,
        outcome=found.outcome,
        ok=found.ok,
        detail=found.detail,
        output=found.output,
        level=found.level,
        duration_ms=found.duration / timedelta(milliseconds=1),
    )


async def _compute(
    service: Service,
    sandbox: Sandboxing,
    name: str,
    run: Run,
    plan: Plan,
    asked: TaskComputationRequested,
) -> Computed:
    step = plan.by_hash().get(asked.step)
    if step is None or step.id != asked.question:
        return Computed("failed", ok=False, detail="no such step in the approved plan")
    try:
        computation = computation_of(step.arguments)
    except Malformed as error:
        return Computed("failed", ok=False, detail=str(error)[:4000])
    outputs = await outputs_of(service, name, run, references(computation))
    try:
        inputs = filled(computation, outputs)
    except KeyError as error:
        return Computed("failed", ok=False, detail=f"step {error} has brought nothing out")
    return await sandbox.compute(computation, inputs)
