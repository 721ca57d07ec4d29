"""What the runner says of a run."""

from __future__ import annotations

from typing import Self

from smartops.contracts.canonical import digest
from smartops.contracts.catalogue import RUNNER
from smartops.contracts.events import (
    TargetClaimed,
    TargetReleased,
    TaskCancelled,
    TaskCompleted,
    TaskEscalated,
    TaskFailed,
    TaskHealthChecked,
    TaskPaused,
    TaskPhaseCompleted,
    TaskPhaseStarted,
    TaskResumed,
    TaskRollbackStarted,
    TaskRolledBack,
    TaskStarted,
    TaskStepSettled,
    TaskStopping,
    ToolCallRequested,
)
from smartops.contracts.wire import Environment, EventData, Purpose
from support.audit_histories.calling import Calling
from support.audit_histories.telling import ANY, OPERATOR

__all__ = ["Running"]


class Running(Calling):
    """One phase of three steps on one target."""

    def started(self) -> Self:
        claim = TargetClaimed(**self.of_run, environment=Environment.PRODUCTION, target=self.target)
        self.add(RUNNER, claim)
        return self.add(
            RUNNER,
            TaskStarted(
                **self.of_run,
                number=1,
                plan_hash=self.plan_hash,
                document=digest(self.document),
                grant=1,
                environment=Environment.PRODUCTION,
                phases=("canary",),
                claims=(self.target,),
            ),
            TaskPhaseStarted(
                **self.of_run, phase=0, name="canary", steps=3, targets=(self.target,)
            ),
            self.request(1),
        )

    def request(self, step: int, purpose: Purpose = Purpose.DO) -> ToolCallRequested:
        return ToolCallRequested(
            **self.of_run,
            call=self.call(step, purpose),
            purpose=purpose,
            tool="noop.step",
            version="1",
            target=self.target,
            question=f"canary/{step}/{self.target}",
            attempt=1,
            phase=0,
            step=ANY,
        )

    def settled(self, step: int, outcome: str = "applied") -> TaskStepSettled:
        return TaskStepSettled(
            **self.of_run,
            call=self.call(step),
            purpose=Purpose.DO,
            question=f"canary/{step}/{self.target}",
            outcome=outcome,
        )

    def went_on(self, *events: EventData) -> Self:
        return self.add(RUNNER, *events)

    def three_steps(self) -> Self:
        self.started()
        for step in (1, 2):
            self.called(step).went_on(self.settled(step), self.request(step + 1))
        return self.called(3)

    def healthy(self, outcome: str = "healthy") -> TaskHealthChecked:
        return TaskHealthChecked(
            **self.of_run,
            phase=0,
            check=0,
            type="http_200",
            outcome=outcome,
            samples=3,
            failed=0,
            detail="3 of 3 samples healthy",
        )

    def completed(self) -> Self:
        self.went_on(
            self.settled(3),
            self.healthy(),
            TaskPhaseCompleted(**self.of_run, phase=0, name="canary", changed=3),
            TaskCompleted(**self.of_run, changed=1, calls=3),
        )
        return self.released()

    def released(self) -> Self:
        return self.add(
            RUNNER,
            TargetReleased(**self.of_run, environment=Environment.PRODUCTION, target=self.target),
        )

    def stopping(self, then: str = "pause") -> TaskStopping:
        return TaskStopping(**self.of_run, reason="stop it", then=then)

    def paused(self) -> Self:
        return self.went_on(self.stopping(), TaskPaused(**self.of_run, reason="stop it"))

    def resumed(self) -> Self:
        return self.went_on(TaskResumed(**self.of_run, principal=OPERATOR))

    def rolling_back(self, then: str = "rolled_back") -> Self:
        return self.went_on(
            self.stopping("roll_back"),
            TaskRollbackStarted(
                **self.of_run, reason="unhealthy", phase=0, undo=(self.call(1),), then=then
            ),
        )

    def rolled_back(self) -> Self:
        return self.went_on(TaskRolledBack(**self.of_run, reason="unhealthy", undone=1))

    def escalated(self) -> Self:
        return self.went_on(
            TaskEscalated(**self.of_run, reason="stuck", what_to_do="look at the target")
        )

    def failed(self, *, retryable: bool = False) -> Self:
        return self.went_on(
            self.stopping("roll_back"),
            TaskFailed(**self.of_run, error_code="step_refused", message="no", retryable=retryable),
        )

    def cancelled_by_the_runner(self, undone: int = 1) -> Self:
        return self.went_on(TaskCancelled(**self.of_run, reason="cancelled", undone=undone))
