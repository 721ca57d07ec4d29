"""What the planner says of a task."""

from __future__ import annotations

from typing import Self

from smartops.contracts.canonical import digest
from smartops.contracts.catalogue import PLANNER
from smartops.contracts.commands import IntentContext
from smartops.contracts.events import TaskPlanned, TaskSpec, TaskSpecified, TaskSubmitted
from smartops.contracts.ids import command_key
from smartops.contracts.plan import AgentRef, Requester
from smartops.contracts.wire import Environment, RiskLevel
from support.audit_histories.telling import ANY, OPERATOR, Teller

__all__ = ["Planning"]


class Planning(Teller):
    """Asked and planned."""

    def submitted(self, intent: str = "Fix drift on production web servers") -> Self:
        return self.add(
            PLANNER,
            TaskSubmitted(
                intent=intent,
                environment=Environment.PRODUCTION,
                context=IntentContext(),
                source="api",
                tags=("drift", "web"),
                requester=Requester(principal=OPERATOR, authtype="local"),
                command=command_key(self.tenant, OPERATOR, "intent.submit", self.name),
                content=ANY,
            ),
            TaskSpecified(
                spec=TaskSpec(
                    task_type="drift",
                    goal=intent,
                    agent=AgentRef(name="noop", version="1"),
                    environment=Environment.PRODUCTION,
                    risk_level=RiskLevel.HIGH,
                    hitl_required=True,
                )
            ),
        )

    def planned(self, number: int = 1) -> Self:
        return self.add(
            PLANNER,
            TaskPlanned(
                number=number,
                plan_hash=self.plan_hash,
                document=digest(self.document),
                type="runbook",
                summary="Three steps",
                environment=Environment.PRODUCTION,
                targets=1,
                steps=3,
            ),
            blobs=(self.document,),
        )
