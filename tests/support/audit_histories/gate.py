"""What policy says at the gate: refused, asked, approved, rejected, run out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Self

from smartops.contracts.canonical import digest
from smartops.contracts.catalogue import POLICY
from smartops.contracts.events import (
    DenialReason,
    PlanProblem,
    TaskApprovalEscalated,
    TaskApprovalExpired,
    TaskApprovalGranted,
    TaskApprovalRecorded,
    TaskApprovalRejected,
    TaskApprovalReminded,
    TaskApprovalRequired,
    TaskBreakGlassUsed,
    TaskCancelRequested,
    TaskPlanRefused,
    TaskPlanReturned,
    TaskPlanValidated,
    WithheldStep,
)
from smartops.contracts.wire import Environment, RiskLevel
from support.audit_histories.planning import Planning
from support.audit_histories.telling import ANY, OPERATOR

__all__ = ["Gate"]


class Gate(Planning):
    """The gate, with one approver."""

    def refused(self) -> Self:
        problem = PlanProblem(stage="safety", rule="too_wide", message="a third of the fleet")
        return self.add(
            POLICY,
            TaskPlanRefused(
                number=1, plan_hash=self.plan_hash, problems=(problem,), bundle=ANY, engine="e"
            ),
        )

    def validated(self, *, requires_approval: bool = True) -> TaskPlanValidated:
        return TaskPlanValidated(
            number=1,
            plan_hash=self.plan_hash,
            document=digest(self.document),
            assessment_hash=digest(self.assessment),
            rules=("production",),
            bundle=ANY,
            engine="e",
            requires_approval=requires_approval,
        )

    def granted_event(self, *, automatic: bool = False) -> TaskApprovalGranted:
        return TaskApprovalGranted(
            number=1,
            plan_hash=self.plan_hash,
            document=digest(self.document),
            assessment_hash=digest(self.assessment),
            grant=1,
            run=self.run,
            environment=Environment.PRODUCTION,
            automatic=automatic,
            approvals=() if automatic else (self.approver,),
            bundle=ANY,
            expires_at=datetime(2030, 1, 1, tzinfo=UTC),
            envelope=None,
        )

    def asked(self) -> Self:
        required = TaskApprovalRequired(
            number=1,
            plan_hash=self.plan_hash,
            document=digest(self.document),
            assessment_hash=digest(self.assessment),
            environment=Environment.PRODUCTION,
            summary="Three steps",
            risk_level=RiskLevel.MEDIUM,
            role="approver",
            roles=("approver",),
            quorum=1,
            requester=OPERATOR,
            reasons=("production",),
            expires_at=datetime(2030, 1, 1, tzinfo=UTC),
        )
        return self.add(POLICY, self.validated(), required, blobs=(self.assessment,))

    def let_run_by_itself(self) -> Self:
        events = (self.validated(requires_approval=False), self.granted_event(automatic=True))
        return self.add(POLICY, *events, blobs=(self.assessment,))

    def voice(self, decision: str, note: str = "") -> TaskApprovalRecorded:
        return TaskApprovalRecorded(
            number=1,
            plan_hash=self.plan_hash,
            assessment_hash=digest(self.assessment),
            decision=decision,
            by=self.approver,
            note=note,
        )

    def approved(self) -> Self:
        return self.add(POLICY, self.voice("approve", "looks right"), self.granted_event())

    def rejected(self) -> Self:
        return self.add(
            POLICY,
            self.voice("reject", "not today"),
            TaskApprovalRejected(
                number=1,
                plan_hash=self.plan_hash,
                by=self.approver,
                note="not today",
                then="archive",
            ),
        )

    def rejected_to_be_planned_anew(self) -> Self:
        said = TaskApprovalRejected(
            number=1, plan_hash=self.plan_hash, by=self.approver, note="smaller", then="replan"
        )
        return self.add(POLICY, self.voice("reject", "smaller"), said)

    def overlooked(self) -> Self:
        told = {
            "number": 1,
            "plan_hash": self.plan_hash,
            "voices": 0,
            "quorum": 1,
            "left_ms": 1000,
            "late_ms": 0,
        }
        reminded = TaskApprovalReminded(**told, prompt=0, roles=("approver",))
        escalated = TaskApprovalEscalated(
            **told, prompt=1, role="duty-manager", roles=("approver", "duty-manager")
        )
        return self.add(POLICY, reminded, escalated)

    def glass_broken(self) -> Self:
        used = TaskBreakGlassUsed(
            number=1,
            plan_hash=self.plan_hash,
            by=self.approver,
            justification="nobody else is awake",
            environment=Environment.PRODUCTION,
            summary="Three steps",
            risk_level=RiskLevel.MEDIUM,
            requester=OPERATOR,
            grant=1,
            run=self.run,
            quorum=2,
            voices=(),
        )
        granted = self.granted_event().model_copy(update={"break_glass": True})
        return self.add(POLICY, used, granted)

    def came_back(self) -> Self:
        """The run rests, as policy denied a step; people are asked once more."""
        return self.add(POLICY, self.returned()).asked()

    def returned(self) -> TaskPlanReturned:
        withheld = WithheldStep(
            call=self.call(2),
            step=f"canary/2/{self.target}",
            tool="noop.step",
            target=self.target,
            reasons=(DenialReason(rule="frozen", message="nothing is changed today"),),
        )
        return TaskPlanReturned(
            number=1,
            plan_hash=self.plan_hash,
            grant=1,
            run=self.run,
            withheld=(withheld,),
            applied=1,
            steps=3,
            bundle=ANY,
        )

    def approved_again(self) -> Self:
        granted = self.granted_event().model_copy(update={"grant": 2})
        return self.add(POLICY, self.voice("approve", "go on"), granted)

    def turned_down(self) -> Self:
        """Of a plan that is under way, a no means that it is taken back."""
        cancel = TaskCancelRequested(principal=OPERATOR, reason="rejected by Ada", run=self.run)
        return self.add(POLICY, self.voice("reject", "enough"), cancel)

    def expired(self) -> Self:
        return self.add(POLICY, TaskApprovalExpired(number=1, plan_hash=self.plan_hash, late_ms=12))
