"""What steps were spelled out for: how their targets stand, as evidence and as preconditions. Pure.

Whoever writes a runbook has looked at its targets. What he saw is looked at again when the plan is
written, by the very read that the gateway makes ahead of each write; and it must still be so when
the plan starts. Only the fields that the undo would put back are compared.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from pydantic import JsonValue
from smartops.contracts.errors import Malformed
from smartops.contracts.plan import Precondition, Step
from smartops.contracts.preconditions import seen_digest
from smartops.contracts.tools import ToolDescriptor
from smartops.contracts.wire import Category
from smartops.planner.agents.base import Question

__all__ = ["MAX_STATES", "states_held", "states_missing"]

MAX_STATES = 50
"""Preconditions that a plan's header holds; of more targets none is looked at."""

_KIND = "state:"


class _State(NamedTuple):
    reader: ToolDescriptor
    target: str
    fields: tuple[str, ...]

    @property
    def kind(self) -> str:
        return f"{_KIND}{self.reader.name}/{self.target}"


def states_missing(
    steps: Iterable[Step], evidence: Collection[str], tools: Mapping[str, ToolDescriptor]
) -> tuple[Question, ...]:
    """The reads to ask for before the plan is written.

    Args:
        steps: of the draft.
        evidence: kinds that the task has.
        tools: the steps' tools and their reads, as registered.
    """
    return tuple(
        Question(state.kind, state.reader.name, state.target, {"asset": state.target})
        for state in _states(steps, tools)
        if state.kind not in evidence
    )


def states_held(
    steps: Iterable[Step], answers: Mapping[str, JsonValue], tools: Mapping[str, ToolDescriptor]
) -> tuple[Precondition, ...]:
    """What must still be so. A state that does not tell the fields holds nothing.

    Args:
        steps: of the draft.
        answers: by kind of evidence.
        tools: as registered.
    """
    held = []
    for state in _states(steps, tools):
        try:
            expect = seen_digest(answers.get(state.kind), state.fields)
        except Malformed:
            continue
        held.append(
            Precondition(
                tool=state.reader.name,
                version=state.reader.version,
                arguments={"asset": state.target},
                expect=expect,
                target=state.target,
                fields=state.fields,
            )
        )
    return tuple(held)


def _states(steps: Iterable[Step], tools: Mapping[str, ToolDescriptor]) -> tuple[_State, ...]:
    """One per read and target, with all fields that any step there would put back."""
    fields: dict[tuple[str, str], dict[str, None]] = {}
    for step in steps:
        tool = tools.get(step.tool)
        if tool is None or step.category is Category.READ:
            continue
        if tool.before is None or tool.before not in tools:
            continue
        restored = dict.fromkeys(_restored(step))
        if restored:
            fields.setdefault((tool.before, step.target), {}).update(restored)
    found = tuple(
        _State(tools[reader], target, tuple(sorted(names)))
        for (reader, target), names in fields.items()
    )
    return found if len(found) <= MAX_STATES else ()


def _restored(step: Step) -> Iterator[str]:
    for value in step.undo.arguments.values() if step.undo is not None else ():
        if isinstance(value, dict) and set(value) == {"$before"}:
            yield str(value["$before"])
