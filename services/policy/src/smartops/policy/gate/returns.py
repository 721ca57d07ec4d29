"""Runs that rest because policy denied a step: what is read before their plan is weighed anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from smartops.contracts.events import (
    TaskApprovalGranted,
    TaskPaused,
    TaskStepSettled,
    ToolCallDenied,
    WithheldStep,
)
from smartops.contracts.folds import RunView
from smartops.contracts.plan import Plan
from smartops.contracts.streams import stream
from smartops.contracts.wire import Purpose
from smartops.policy.bundles.in_force import PolicyEngines
from smartops.policy.gate.returning import send_back, sent_back, withheld_under
from smartops.policy.gate.state import Gate
from smartops.policy.gate.terms import terms_of
from smartops.policy.gate.voters import Voters
from smartops.policy.gate.weighing import Weighed
from smartops.policy.scoring.grounding import Grounding
from smartops.policy.scoring.pipeline import check_rules, refused, weigh_plan
from smartops.policy.settings import PolicySettings
from smartops.policy_engine import PolicyEngine
from smartops.runtime.cues import Cue
from smartops.runtime.decision import NOTHING, Decision
from smartops.runtime.reactor import Reaction, Reactor, decode
from smartops.runtime.service import Service

__all__ = ["Returns"]


class Returns:
    """Plans of this process's gates that come back from their runs."""

    def __init__(
        self,
        service: Service,
        gates: Reactor[Gate],
        engines: PolicyEngines,
        grounding: Grounding,
        voters: Voters,
        settings: PolicySettings,
    ) -> None:
        self._service = service
        self._gates = gates
        self._engines = engines
        self._grounding = grounding
        self._voters = voters
        self._terms = terms_of(settings)

    async def heed(self, cue: Cue) -> Reaction:
        """A run has come to rest: perhaps because policy denied a step of it."""
        told = await self._service.views.event(cue, cue.claimed())
        if not isinstance(told, TaskPaused):
            raise TypeError(f"{cue.topic} is no pause")
        gate_stream = stream(cue.tenant, "gate", told.task)

        async def decide(gate: Gate, fresh: bool) -> Decision:  # noqa: FBT001
            run = await self._service.views.run.load(cue.stream, cue.version, fresh=fresh)
            grant = sent_back(gate, run.state)
            if grant is None:
                return NOTHING
            withheld = await self._withheld(cue.tenant, grant, run.state)
            if not withheld:
                return NOTHING
            policy = await self._engines.current(fresh=fresh)
            plan = await self._service.plans.get(cue.tenant, grant.document, grant.plan_hash)
            weighed = await self._weigh(cue.tenant, told.task, gate, plan, policy.engine, fresh)
            applied = await self._applied(cue.stream)
            now = self._service.store.db_now()
            decision = send_back(gate, grant, plan, withheld, applied, weighed, self._terms, now)
            # Whatever the run does meanwhile has this decided on again.
            reads = (*weighed.reads, policy.read, (cue.stream, run.version))
            return replace(decision, reads=reads)

        return await self._gates.react(gate_stream, self._service.cause(cue, told.task), decide)

    async def _withheld(
        self, tenant: str, grant: TaskApprovalGranted, run: RunView
    ) -> tuple[WithheldStep, ...]:
        """What the gateway's own word is of the steps that the run says were denied."""
        said: list[ToolCallDenied] = []
        for one in run.withheld:
            rows = await self._service.store.read_stream(stream(tenant, "call", one.call), 0, 1)
            said += [event for event in map(decode, rows) if isinstance(event, ToolCallDenied)]
        return withheld_under(grant, said)

    async def _applied(self, run: str) -> Sequence[str]:
        """The steps that were carried out, in order."""
        rows = await self._service.store.read_stream(run)
        return [
            event.question
            for event in map(decode, rows)
            if isinstance(event, TaskStepSettled)
            and (event.purpose, event.outcome) == (Purpose.DO, "applied")
        ]

    async def _weigh(
        self,
        tenant: str,
        task: UUID,
        gate: Gate,
        plan: Plan,
        engine: PolicyEngine,
        fresh: bool,  # noqa: FBT001
    ) -> Weighed:
        if problems := check_rules(plan):
            return refused(problems, engine)
        written = await self._service.views.task.load(stream(tenant, "task", task), fresh=fresh)
        grounds, reads = await self._grounding.of(tenant, task, written.version, plan, fresh=fresh)
        hands = await self._voters.hands(tenant, gate, plan, fresh=fresh)
        weighed = weigh_plan(plan, grounds, engine)
        return replace(weighed, reads=reads, involved=hands.involved)
