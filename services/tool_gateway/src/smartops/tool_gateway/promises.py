"""What a tool declares of its calls, held to: how far they reach, why, rehearsed first. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from smartops.contracts.folds import RunView, TaskView
from smartops.contracts.plan import Plan, Step
from smartops.contracts.rehearsing import REASON_CODE, same_but_reason
from smartops.contracts.tools import ToolDescriptor
from smartops.contracts.wire import JsonObject, Purpose, Risk, Scope
from smartops.tool_gateway.checks import Denial
from smartops.tool_gateway.ports import Answer, NotApplied, Unknown
from smartops.tool_gateway.tools.schemas import properties, reason_codes

__all__ = ["as_rehearsed", "check_promises", "rehearsals"]

_ASSET = "asset"
_TARGETS = "targets"
_OK = "ok"
_DETAIL = "detail"


def check_promises(
    tool: ToolDescriptor, purpose: Purpose, target: str, arguments: JsonObject, *, simulated: bool
) -> Denial | None:
    """Why a call breaks what its tool declares; None when it keeps to it.

    Args:
        tool: as registered here, now.
        purpose: a step taken back was rehearsed, or not, when it was taken.
        target: what is claimed, looked at before and told to people.
        arguments: as approved.
        simulated: whether the log shows that the rehearsal of this very call succeeded.
    """
    named = arguments.get(_ASSET, target)
    if tool.scope is Scope.ASSET and _ASSET in properties(tool.input_schema) and named != target:
        return Denial(
            "other_target", "gateway.target", f"its {_ASSET} is {named!r}, its target {target}"
        )
    listed = arguments.get(_TARGETS)
    if tool.blast_radius and isinstance(listed, list | tuple) and len(listed) > tool.blast_radius:
        return Denial(
            "too_wide",
            "gateway.blast_radius",
            f"one call changes at most {tool.blast_radius} assets, this one names {len(listed)}",
        )
    if tool.reason_code:
        known = reason_codes(tool.input_schema)
        if arguments.get(REASON_CODE) not in known:
            return Denial(
                "no_reason_code",
                "gateway.reason_code",
                f"{tool.name} wants a {REASON_CODE}, one of {', '.join(known)}",
            )
    if tool.simulate is not None and purpose is Purpose.DO and not simulated:
        return Denial(
            "not_simulated",
            "gateway.simulate_first",
            f"{tool.simulate} has not succeeded with these arguments, in this run or as evidence "
            "of its task",
        )
    return None


def as_rehearsed(
    tool: ToolDescriptor, answer: Answer | NotApplied | Unknown
) -> Answer | NotApplied | Unknown:
    """What a read came to; a rehearsal that answers that it would not work has failed.

    Such a tool answers `{"ok": false, "detail": "why"}`, or else refuses, which is the same. Only
    what succeeded counts as a rehearsal, so this is where a no becomes one for everybody.
    """
    if tool.risk is not Risk.PLAN_ONLY or not isinstance(answer, Answer):
        return answer
    told = answer.output
    if not isinstance(told, dict) or told.get(_OK) is not False:
        return answer
    why = str(told.get(_DETAIL) or "the rehearsal says no, and not why")
    return NotApplied("would_not_work", why, retryable=False)


def rehearsals(
    tool: ToolDescriptor, step: Step, run: RunView, task: TaskView, plan: Plan
) -> Iterator[UUID]:
    """The calls that would count as the rehearsal of a step, if they succeeded.

    They name the tool's rehearsal, the same target and the same arguments; only the reason is the
    call's own.
    """
    wanted = same_but_reason(step.arguments)
    steps = plan.by_hash()
    for call, asked in run.requests.items():
        rehearsed = steps.get(asked.step or "")
        if (
            asked.purpose is Purpose.DO
            and rehearsed is not None
            and (rehearsed.tool, rehearsed.target) == (tool.simulate, step.target)
            and same_but_reason(rehearsed.arguments) == wanted
        ):
            yield call
    for call, asked in task.requests:
        if (
            asked.purpose is Purpose.EVIDENCE
            and (asked.tool, asked.target) == (tool.simulate, step.target)
            and same_but_reason(asked.arguments or {}) == wanted
        ):
            yield call
