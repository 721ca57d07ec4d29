"""What was agreed before there was a plan, who is who, and what is noted afterwards."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Self

from smartops.contracts.catalogue import POLICY
from smartops.contracts.events import (
    ActorDelegated,
    ActorDelegationEnded,
    ActorMapped,
    StandingGiven,
    StandingUsed,
    TrackNoted,
    TrackTotals,
)
from smartops.contracts.ids import actor_id
from smartops.contracts.standing import StandingClass
from smartops.contracts.wire import Environment, RiskLevel
from support.audit_histories.gate import Gate
from support.audit_histories.telling import OPERATOR

__all__ = ["Agreeing"]


class Agreeing(Gate):
    """Delegations, standing approvals, actors, track."""

    def let_run_beforehand(self) -> Self:
        granted = self.granted_event().model_copy(update={"standing": self.run})
        events = (self.validated(), self.voice("approve", "given beforehand"), granted)
        return self.add(POLICY, *events, blobs=(self.assessment,))

    def agreed_beforehand(self) -> Self:
        ada = self.approver
        delegated = ActorDelegated(
            delegation=self.task,
            actor=ada.actor,
            name=ada.actor_name,
            principal=ada.principal,
            to=self.run,
            to_name="ben",
            roles=("approver",),
            environments=(Environment.STAGING,),
            until=datetime(2030, 1, 1, tzinfo=UTC),
            reason="on leave",
        )
        ended = ActorDelegationEnded(
            delegation=self.task, actor=ada.actor, principal=ada.principal, reason="back"
        )
        given = StandingGiven(
            standing=self.run,
            by=ada,
            plans=StandingClass(
                agent="drift",
                tools=("apply_patch",),
                environments=(Environment.STAGING,),
                max_targets=5,
                max_risk_level=RiskLevel.MEDIUM,
            ),
            max_uses=2,
            until=datetime(2030, 1, 1, tzinfo=UTC),
            reason="nightly",
        )
        used = StandingUsed(
            standing=self.run,
            use=1,
            task=self.task,
            number=1,
            plan_hash=self.plan_hash,
            grant=1,
            run=self.run,
        )
        return self.add(POLICY, delegated, ended).add(POLICY, given, used)

    def actor(self) -> Self:
        return self.add(
            POLICY,
            ActorMapped(
                actor=actor_id(self.tenant, "olga"),
                name="Olga Operator",
                principals=(OPERATOR,),
                roles=("operator",),
            ),
        )

    def noted(self) -> Self:
        """What policy notes of the agent's work, once its run has ended well."""
        totals = TrackTotals(
            tool="*",
            runs=1,
            succeeded=1,
            rolled_back=0,
            failed=0,
            escalated=0,
            rejected=0,
            approved=1,
            senior_approvals=0,
        )
        return self.add(
            POLICY,
            TrackNoted(
                agent="noop",
                agent_version="1.0.0",
                environment=Environment.PRODUCTION,
                number=1,
                outcome="completed",
                task=self.task,
                run=self.run,
                requester=OPERATOR,
                totals=(totals,),
                complete=True,
                recent="+",
                requesters=(OPERATOR,),
            ),
        )
