"""What became of each task, folded from the log independently of every service."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID

from smartops.contracts.events import (
    TaskApprovalExpired,
    TaskApprovalGranted,
    TaskApprovalRejected,
    TaskApprovalRequired,
    TaskCancelled,
    TaskCompleted,
    TaskEscalated,
    TaskFailed,
    TaskPaused,
    TaskPlanRefused,
    TaskResumed,
    TaskRollbackStarted,
    TaskRolledBack,
    TaskStarted,
    TaskSubmitted,
)

from benchmarks.lib.log_tail import Said

__all__ = ["Fate", "Fates"]

WITH_A_HUMAN = frozenset({"escalated", "paused", "needs_approval"})
ENDED = frozenset(
    {
        "cancelled",
        "completed",
        "expired",
        "failed",
        "refused",
        "rejected",
        "rolled_back",
    }
)


@dataclass(slots=True)
class Fate:
    """One task as the log tells it."""

    state: str = "planning"
    """planning, approved, executing, rolling_back; or a member of ENDED or WITH_A_HUMAN."""
    reason: str = ""
    submitted: list[float] = field(default_factory=list)
    """Times of its `task.submitted`: one, or something is wrong."""
    ends: list[str] = field(default_factory=list)
    """Every end that was said: at most one, or something is wrong."""
    settled_at: float | None = None
    """When it came to rest: ended, or with a human who must do something (approvals aside)."""

    @property
    def at_rest(self) -> bool:
        """Ended, or a person has been told why it does not go on."""
        return self.state in ENDED or self.state in WITH_A_HUMAN


class Fates:
    """The fates of all tasks."""

    def __init__(self) -> None:
        self._fates: dict[UUID, Fate] = {}

    def __getitem__(self, task: UUID) -> Fate:
        return self._fates.setdefault(task, Fate())

    def __iter__(self) -> Iterator[tuple[UUID, Fate]]:
        return iter(self._fates.items())

    def hear(self, said: Said) -> None:
        """Fold one event."""
        task = said.row.task
        if task is None:
            return
        fate = self[task]
        match said.data:
            case TaskSubmitted():
                fate.submitted.append(said.at)
            case TaskApprovalRequired():
                _rest(fate, "needs_approval", f"a decision on {said.data.plan_hash}", None)
            case TaskApprovalGranted():
                _go_on(fate, "approved")
            case TaskStarted() | TaskResumed():
                _go_on(fate, "executing")
            case TaskRollbackStarted():
                _go_on(fate, "rolling_back")
            case TaskPaused():
                _rest(fate, "paused", said.data.reason, said.at)
            case TaskEscalated():
                _rest(fate, "escalated", said.data.reason, said.at)
            case TaskCompleted():
                _end(fate, "completed", said.at)
            case TaskRolledBack():
                _end(fate, "rolled_back", said.at)
            case TaskCancelled():
                _end(fate, "cancelled", said.at)
            case TaskFailed():
                _end(fate, "failed", said.at)
            case TaskPlanRefused():
                _end(fate, "refused", said.at)
            case TaskApprovalRejected():
                _end(fate, "rejected", said.at)
            case TaskApprovalExpired():
                _end(fate, "expired", said.at)
            case _:
                pass


def _rest(fate: Fate, state: str, reason: str, at: float | None) -> None:
    fate.state, fate.reason, fate.settled_at = state, reason, at


def _go_on(fate: Fate, state: str) -> None:
    fate.state, fate.reason, fate.settled_at = state, "", None


def _end(fate: Fate, state: str, at: float) -> None:
    fate.state, fate.settled_at = state, at
    fate.ends.append(state)
