"""What the gateway answers, and what people hear: the log, followed by position."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from uuid import UUID

from smartops.contracts.events import (
    TaskApprovalGranted,
    TaskApprovalRequired,
    TaskCancelRequested,
    TaskGrantRevoked,
    TaskHalted,
    TaskPlanRefused,
    ToolCallCompleted,
    ToolCallDenied,
    ToolCallDispatched,
    ToolCallFailed,
)

from benchmarks.lib.log_tail import Said

__all__ = ["Ear", "Word"]

STOPPED = TaskGrantRevoked | TaskHalted | TaskCancelRequested


@dataclass(frozen=True, slots=True)
class Word:
    """What became of a request."""

    verdict: str
    """denied, completed or failed."""
    code: str = ""


@dataclass(slots=True)
class Ear:
    """Hears all, and wakes who waits for it."""

    required: dict[UUID, TaskApprovalRequired] = field(default_factory=dict)
    """By task."""
    granted: dict[UUID, TaskApprovalGranted] = field(default_factory=dict)
    versions: dict[UUID, int] = field(default_factory=dict)
    """Of each task's own stream."""
    refused: dict[tuple[UUID, str], str] = field(default_factory=dict)
    """First rule, by task and plan hash."""
    stopped: set[UUID] = field(default_factory=set)
    words: dict[UUID, Word] = field(default_factory=dict)
    """By the event that asked."""
    sent: defaultdict[UUID, int] = field(default_factory=lambda: defaultdict(int))
    """Times that a request went out, likewise."""
    _waiting: dict[UUID, asyncio.Future[Word]] = field(default_factory=dict)

    def hear(self, said: Said) -> None:
        """Told each event of the log."""
        task = said.row.task
        if task is not None and said.row.stream.endswith(f"/task-{task}"):
            self.versions[task] = max(self.versions.get(task, 0), said.row.version)
        match said.data:
            case ToolCallDenied():
                self._answer(said.data.request, Word("denied", said.data.reason_code))
            case ToolCallDispatched():
                self.sent[said.data.facts.request] += 1
            case ToolCallCompleted():
                self._answer(said.data.facts.request, Word("completed"))
            case ToolCallFailed():
                self._answer(said.data.facts.request, Word("failed", said.data.error_code))
            case TaskApprovalRequired() if task is not None:
                self.required[task] = said.data
            case TaskApprovalGranted() if task is not None:
                self.granted[task] = said.data
            case TaskPlanRefused() if task is not None:
                self.refused[task, said.data.plan_hash] = said.data.problems[0].rule
            case TaskGrantRevoked() | TaskHalted() | TaskCancelRequested() if task is not None:
                self.stopped.add(task)
            case _:
                pass

    async def answer(self, event: UUID, patience_s: float) -> Word | None:
        """Wait for what becomes of a request; None when nothing is heard in time."""
        word = self.words.get(event)
        if word is not None:
            return word
        future = self._waiting[event] = asyncio.get_running_loop().create_future()
        try:
            return await asyncio.wait_for(future, patience_s)
        except TimeoutError:
            return None
        finally:
            del self._waiting[event]

    def _answer(self, event: UUID, word: Word) -> None:
        self.words[event] = word
        waiting = self._waiting.get(event)
        if waiting is not None and not waiting.done():
            waiting.set_result(word)
