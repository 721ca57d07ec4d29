"""Edits of a plan: values, and what comes of them.

An edit changes values of arguments, the pace of phases, and leaves targets out. It never changes
which tool is called on which target: that would be another plan, and wants another intent.

Both who decides on an edit and who carries it out use `edited`, so they cannot disagree on what
comes of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, JsonValue
from smartops.contracts.arguments import argument_problem
from smartops.contracts.computing import COMPUTE
from smartops.contracts.plan import MAX_STEPS, Phase, Plan, Requester, Step
from smartops.contracts.tools import ToolDescriptor
from smartops.contracts.watching import problems_of
from smartops.contracts.wire import (
    LONGEST_TEXT,
    JsonObject,
    ShortText,
    TargetName,
    ToolName,
    Wire,
)

__all__ = [
    "ArgumentChange",
    "Edit",
    "PhaseChange",
    "Unfit",
    "edited",
]

StepId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,199}$")]
ArgumentPath = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+){0,7}$")]
"""Names from the outside in, joined by dots; a number is a place in a list."""


class ArgumentChange(Wire):
    """Another value for one argument of some steps.

    Step, tool and phase say which: all that are given must fit, and one must be given.
    """

    step: StepId | None = None
    tool: ToolName | None = None
    phase: ShortText | None = None
    argument: ArgumentPath
    value: JsonValue


class PhaseChange(Wire):
    """Another pace. What is not given stays."""

    phase: ShortText | None = None
    """None: all phases."""
    batch: int | None = Field(default=None, ge=1, le=MAX_STEPS)
    """Steps that go out before health is looked at."""
    parallelism: int | None = Field(default=None, ge=1, le=100)
    """Calls in flight at once; only of a phase that is parallel."""
    wait_ms: int | None = Field(default=None, ge=0, le=86_400_000)
    """Pause between the last call and the first health sample."""


class Edit(Wire):
    """What is to be different."""

    changes: Annotated[tuple[ArgumentChange, ...], Field(max_length=100)] = ()
    phases: Annotated[tuple[PhaseChange, ...], Field(max_length=100)] = ()
    exclude: Annotated[tuple[TargetName, ...], Field(max_length=MAX_STEPS)] = ()
    """Targets to which nothing is done."""


@dataclass(frozen=True, slots=True)
class Unfit:
    """Why an edit cannot be applied: the field that says so, and what to do."""

    field: str
    message: str


def edited(
    plan: Plan,
    edit: Edit,
    editor: Requester,
    tools: Mapping[str, ToolDescriptor],
) -> Plan | Unfit:
    """The next plan: this one with an edit applied, resting on the same evidence.

    Args:
        plan: the one that is edited.
        edit: what is to be different.
        editor: who wants it so.
        tools: the plan's tools, as registered.
    """
    left = _left(plan, edit.exclude)
    if isinstance(left, Unfit):
        return left
    changed = dict(left)
    for place, change in enumerate(edit.changes):
        unfit = _change(plan, changed, change, f"changes.{place}", tools)
        if unfit is not None:
            return unfit
    phases = _paced(plan, changed, edit.phases)
    if isinstance(phases, Unfit):
        return phases
    if phases == plan.header.phases:
        return Unfit("changes", "nothing would be different: that is what the plan says already")
    header = plan.header.model_copy(
        update={
            "number": plan.header.number + 1,
            "editor": editor,
            "phases": phases,
            "summary": _summary(plan.header.summary, edit),
            "preconditions": tuple(
                held for held in plan.header.preconditions if held.target not in edit.exclude
            ),
        }
    )
    steps = tuple(changed[step.hash()] for step in plan.steps if step.hash() in changed)
    made = Plan(header=header, steps=steps)
    if problems := problems_of(made):
        path, message = problems[0]
        return Unfit("changes", f"no run could follow it: {path}: {message}")
    return made


# ---- which steps, which values -------------------------------------------------------------


def _left(plan: Plan, exclude: Sequence[str]) -> dict[str, Step] | Unfit:
    """Steps by their hash in the plan, without those on targets that are left out."""
    known = set(plan.targets())
    for place, target in enumerate(exclude):
        if target not in known:
            return Unfit(f"exclude.{place}", f"the plan does nothing to {target}")
    left = {h: step for h, step in plan.by_hash().items() if step.target not in exclude}
    return left or Unfit("exclude", "nothing would be left to do: reject the plan instead")


def _change(
    plan: Plan,
    steps: dict[str, Step],
    change: ArgumentChange,
    where: str,
    tools: Mapping[str, ToolDescriptor],
) -> Unfit | None:
    if change.step is None and change.tool is None and change.phase is None:
        return Unfit(where, "of which steps? Give step, tool or phase")
    members = {
        hashed
        for phase in plan.header.phases
        if change.phase in (None, phase.name)
        for hashed in phase.steps
    }
    chosen = [
        hashed
        for hashed, step in steps.items()
        if hashed in members and change.step in (None, step.id) and change.tool in (None, step.tool)
    ]
    if not chosen:
        return Unfit(where, "the plan has no such step")
    for hashed in chosen:
        made = _with_value(steps[hashed], change, where, tools)
        if isinstance(made, Unfit):
            return made
        steps[hashed] = made
    return None


def _with_value(
    step: Step, change: ArgumentChange, where: str, tools: Mapping[str, ToolDescriptor]
) -> Step | Unfit:
    field = f"{where}.argument"
    if step.tool == COMPUTE:
        return Unfit(where, f"{step.id} is code of the plan: reject it, and say what is wrong")
    tool = tools.get(step.tool)
    if tool is None or tool.digest() != step.schema_digest:
        return Unfit(where, f"{step.tool} has changed since the plan was made: have it made anew")
    name, *inner = change.argument.split(".")
    old = step.arguments.get(name)
    if _names(old, step.target):
        return Unfit(field, f"{name} says which target {step.id} is about, and that is not edited")
    new = _put(old, inner, change.value) if inner else change.value
    if isinstance(new, Unfit):
        return Unfit(field, f"{step.id}: {new.message}")
    arguments: JsonObject = {**step.arguments, name: new}
    problem = argument_problem(tool.input_schema, arguments, name)
    if problem is not None:
        return Unfit(f"{where}.value", f"{step.id}: {problem}")
    undo = step.undo
    if undo is not None and name in undo.arguments and undo.arguments[name] == old:
        # What takes it back was told the same value: it goes on to mean the same thing.
        undo = undo.model_copy(update={"arguments": {**undo.arguments, name: new}})
    return step.model_copy(update={"arguments": arguments, "undo": undo})


def _names(value: JsonValue, target: str) -> bool:
    """Whether a value, or anything within it, is the target's name."""
    if isinstance(value, dict):
        return any(_names(inner, target) for inner in value.values())
    if isinstance(value, list):
        return any(_names(inner, target) for inner in value)
    return value == target


def _put(old: JsonValue, path: Sequence[str], value: JsonValue) -> JsonValue | Unfit:
    """A copy of a value with another one somewhere within."""
    name, *inner = path
    if isinstance(old, dict):
        new = _put(old[name], inner, value) if inner and name in old else value
        if inner and name not in old:
            return Unfit("", f"there is no {name!r} to change something in")
        return new if isinstance(new, Unfit) else {**old, name: new}
    if isinstance(old, list) and name.isdecimal() and int(name) < len(old):
        place = int(name)
        new = _put(old[place], inner, value) if inner else value
        return new if isinstance(new, Unfit) else [*old[:place], new, *old[place + 1 :]]
    return Unfit("", f"there is no {name!r} to change")


# ---- phases --------------------------------------------------------------------------------


def _paced(
    plan: Plan, steps: Mapping[str, Step], changes: Sequence[PhaseChange]
) -> tuple[Phase, ...] | Unfit:
    """The phases with the steps that are left, at their new pace; none without steps."""
    named = {phase.name for phase in plan.header.phases}
    for place, change in enumerate(changes):
        if change.phase is not None and change.phase not in named:
            return Unfit(f"phases.{place}.phase", f"the plan has no phase {change.phase!r}")
    made = []
    for phase in plan.header.phases:
        members = tuple(steps[hashed].hash() for hashed in phase.steps if hashed in steps)
        if not members:
            continue
        update: dict[str, object] = {"steps": members}
        for place, change in enumerate(changes):
            if change.phase not in (None, phase.name):
                continue
            told = change.model_dump(exclude={"phase"}, exclude_none=True)
            if not told:
                return Unfit(f"phases.{place}", "what is to be different? Nothing is given")
            if change.parallelism is not None and phase.order == "sequential":
                if change.phase is None:
                    told.pop("parallelism")
                elif change.parallelism > 1:
                    return Unfit(
                        f"phases.{place}.parallelism", f"{phase.name} goes one step after the other"
                    )
            update |= told
        made.append(phase.model_copy(update=update))
    return tuple(made)


def _summary(summary: str, edit: Edit) -> str:
    """What people read first must not go on to tell what is no longer so."""
    told = [f"{change.argument} = {change.value}" for change in edit.changes]
    if edit.exclude:
        told.append(f"without {', '.join(edit.exclude)}")
    if edit.phases:
        told.append("another pace")
    text = f"{summary}; edited: {'; '.join(told)}"
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"
