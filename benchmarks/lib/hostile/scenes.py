"""Runs of really approved plans, brought into the state in which they are attacked."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from uuid import UUID

from smartops.contracts.events import TaskApprovalGranted, ToolCallRequested
from smartops.contracts.ids import call_id
from smartops.contracts.plan import Plan, Step
from smartops.contracts.streams import stream
from smartops.contracts.wire import Category, Purpose

__all__ = ["Kind", "Scene"]


class Kind(StrEnum):
    """What state a run is in when it is attacked."""

    LIVE = "live"
    """Granted, begun, going on."""
    REVOKED = "revoked"
    HALTED = "halted"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    FEW_CALLS = "few_calls"
    """Its approver allowed fewer calls than the plan takes."""
    FEW_TARGETS = "few_targets"
    UNMEASURED = "unmeasured"
    """Granted while a condition holds, which nobody has measured."""
    NOT_BEGUN = "not_begun"
    """Granted, but the run never said that it started."""
    MISGRANTED = "misgranted"
    """It says that it started under the grant of another."""
    ENDED = "ended"
    REVIVED = "revived"
    """It has ended, and then somebody says in it that it was resumed."""
    SKIPPED = "skipped"
    """It says that its first phase has ended, of which most was never done."""
    ROLLING_BACK = "rolling_back"
    SPOILED = "spoiled"
    """What is asked in it cannot be read."""


@dataclass(slots=True)
class Scene:
    """One run.

    Attributes:
        kind: its state once it is attacked.
        task: whose run it is.
        grant: under which.
        plan: what was approved.
        name: the run's stream.
        version: of that stream, as far as we wrote it.
        phase: the one under way.
        done: calls that were applied, by step id.
        undone: those of them that were taken back.
        burnt: call ids that were decided on: nothing more can come of them.
        asked: requests that were decided on.
        lock: one writer at a time.
    """

    kind: Kind
    task: UUID
    grant: TaskApprovalGranted
    plan: Plan
    name: str
    version: int = 0
    phase: int = 0
    done: dict[str, UUID] = field(default_factory=dict)
    undone: set[UUID] = field(default_factory=set)
    burnt: set[UUID] = field(default_factory=set)
    asked: list[ToolCallRequested] = field(default_factory=list)
    questions: int = 0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @classmethod
    def of(
        cls, kind: Kind, tenant: str, task: UUID, grant: TaskApprovalGranted, plan: Plan
    ) -> Scene:
        """A run as its grant allows it."""
        return cls(kind, task, grant, plan, stream(tenant, "run", grant.run))

    def steps(self, phase: int) -> list[Step]:
        """The steps of a phase, in order."""
        by_hash = self.plan.by_hash()
        return [by_hash[hashed] for hashed in self.plan.header.phases[phase].steps]

    def due(self) -> Step | None:
        """The first step of the phase under way that is not done."""
        return next((step for step in self.steps(self.phase) if step.id not in self.done), None)

    def attempt(self, question: str, purpose: Purpose) -> int:
        """The attempt that is due: the first whose call was not decided on."""
        attempt = 1
        while call_id(self.name, question, purpose, attempt) in self.burnt:
            attempt += 1
        return attempt

    def asking(self, step: Step) -> dict[str, Any]:
        """The fields of an honest request for a step."""
        phases = self.plan.header.phases
        return {
            "task": self.task,
            "run": self.grant.run,
            "purpose": Purpose.DO,
            "tool": step.tool,
            "version": step.version,
            "target": step.target,
            "question": step.id,
            "attempt": self.attempt(step.id, Purpose.DO),
            "phase": next(n for n, phase in enumerate(phases) if step.hash() in phase.steps),
            "step": step.hash(),
        }

    def taking_back(self, step: Step) -> dict[str, Any]:
        """The fields of an honest request to take a step back that was done."""
        if step.undo is None:
            raise ValueError(f"{step.id} cannot be taken back")
        question = f"undo/{step.id}"
        return {
            "task": self.task,
            "run": self.grant.run,
            "purpose": Purpose.UNDO,
            "tool": step.undo.tool,
            "version": step.undo.version,
            "target": step.target,
            "question": question,
            "attempt": self.attempt(question, Purpose.UNDO),
            "phase": self.phase,
            "undoes": self.done[step.id],
        }

    def looking(self, target: str) -> dict[str, Any]:
        """The fields of an honest request to look at a server."""
        self.questions += 1
        return {
            "task": self.task,
            "run": self.grant.run,
            "purpose": Purpose.OBSERVE,
            "tool": "get_asset",
            "version": "1",
            "target": target,
            "question": f"{self.phase}/looked/{self.questions}",
            "attempt": 1,
            "phase": self.phase,
            "arguments": {"asset": target},
        }

    def reversible(self) -> list[Step]:
        """Steps that were done and can be taken back, the last first."""
        return [
            step
            for step in reversed(self.plan.steps)
            if step.undo is not None and self.done.get(step.id) not in (None, *self.undone)
        ]

    def irreversible(self) -> list[Step]:
        """Steps that were done and cannot be taken back."""
        return [
            step
            for step in self.plan.steps
            if step.category is Category.IRREVERSIBLE and step.id in self.done
        ]

    def note(self, request: ToolCallRequested) -> None:
        """A call of this run was decided on."""
        self.burnt.add(request.call)
        self.asked.append(request)
