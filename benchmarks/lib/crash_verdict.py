"""Calls whose gateway was killed at a known point: what is said of them, and whether it is true."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import UUID

from smartops.contracts.events import (
    TaskApprovalRequired,
    ToolCallCompleted,
    ToolCallDispatched,
    ToolCallFailed,
    ToolCallSettled,
    ToolCallUncertain,
)
from smartops.contracts.wire import EventData, Purpose

from benchmarks.lib.fates import Fates
from benchmarks.lib.log_tail import Said
from benchmarks.lib.playground_record import Request

__all__ = ["Asked", "Heard", "judge_crashes"]

E = TypeVar("E", bound=EventData)

Effects = Mapping[str | None, int]
"""How often something has changed at the fleet, by the key of the request."""


@dataclass(slots=True)
class Asked:
    """One task of one call."""

    kind: str
    target: str
    point: str
    settled: str | None = None
    """What a person said of it, if one was asked."""


@dataclass(slots=True)
class Heard:
    """What the log has said."""

    fates: Fates = field(default_factory=Fates)
    required: dict[UUID, TaskApprovalRequired] = field(default_factory=dict)
    said: dict[UUID, list[Said]] = field(default_factory=dict)

    def hear(self, said: Said) -> None:
        """Told each event."""
        self.fates.hear(said)
        task = said.row.task
        if task is None:
            return
        self.said.setdefault(task, []).append(said)
        if isinstance(said.data, TaskApprovalRequired):
            self.required[task] = said.data

    def of(self, task: UUID, kind: type[E]) -> list[E]:
        """What was said of a task's change, in order."""
        return [
            said.data
            for said in self.said.get(task, ())
            if isinstance(said.data, kind)
            and getattr(getattr(said.data, "facts", None), "purpose", Purpose.DO) is Purpose.DO
        ]

    def effects(self, task: UUID, record: Iterable[Request]) -> int:
        """How often the task's call took effect, as the fleet has written it down."""
        keys = {str(one.key) for one in self.of(task, ToolCallDispatched)}
        return sum(one.key in keys and one.outcome == "applied" for one in record)


def judge_crashes(
    heard: Heard, asked: Mapping[UUID, Asked], record: Iterable[Request]
) -> tuple[dict[str, dict[str, Counter[str]]], list[str]]:
    """By point and kind, how calls came to their end; and all that broke a promise."""
    effects = Counter(one.key for one in record if one.outcome == "applied")
    table: dict[str, dict[str, Counter[str]]] = {}
    broken = []
    for task, one in asked.items():
        cell = table.setdefault(one.point, {}).setdefault(one.kind, Counter())
        cell.update(["n", *_ways(heard, task)])
        found = [*_effects(heard, task, effects), *_end(heard, task, one)]
        broken += [f"{one.point}, {one.kind}, task {task}: {what}" for what in found]
    return table, broken


def _ways(heard: Heard, task: UUID) -> list[str]:
    """How it came to its end."""
    sent, doubts = heard.of(task, ToolCallDispatched), heard.of(task, ToolCallUncertain)
    ways = []
    if any(one.next == "human" for one in doubts):
        ways.append("by_person")
    elif heard.of(task, ToolCallSettled):
        ways.append("read_back")
    if len(sent) > 1:
        ways.append("sent_again")
    return ways or ["by_itself"]


def _effects(heard: Heard, task: UUID, effects: Effects) -> list[str]:
    """At most once, and as the log says."""
    keys = {str(one.key) for one in heard.of(task, ToolCallDispatched)}
    times = sum(effects.get(key, 0) for key in keys)
    settled = heard.of(task, ToolCallSettled)
    applied = bool(heard.of(task, ToolCallCompleted)) or any(one.applied for one in settled)
    broken = []
    if len(keys) > 1:
        broken.append(f"sent under {len(keys)} keys")
    if times > 1:
        broken.append(f"took effect {times} times")
    if applied and not times:
        broken.append("the log says applied, the fleet knows nothing of it")
    denied = bool(settled) or bool(heard.of(task, ToolCallFailed))
    if times and not applied and denied:
        broken.append("the log says not applied, the fleet has applied it")
    return broken


def _end(heard: Heard, task: UUID, asked: Asked) -> list[str]:
    """Completed; and nobody was asked in vain, or not asked who should have been."""
    doubts, settled = heard.of(task, ToolCallUncertain), heard.of(task, ToolCallSettled)
    people = any(one.next == "human" for one in doubts)
    state = heard.fates[task].state
    broken = [] if state == "completed" else [f"ended as {state}"]
    if asked.kind != "opaque":
        return [*broken, "a person was asked"] if people else broken
    if doubts and not people:
        broken.append("uncertain, and no person was asked")
    if len(heard.of(task, ToolCallDispatched)) > 1 and not settled:
        broken.append("sent again without a person's word")
    return broken
