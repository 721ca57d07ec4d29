"""Deciding on gates: what the pure domain needs is read here, with the versions it rests on."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from smartops.contracts.errors import Malformed
from smartops.contracts.events import TaskPlanned
from smartops.contracts.plan import Plan
from smartops.contracts.streams import parse_stream, stream
from smartops.policy import domain
from smartops.policy.bundles.in_force import PolicyEngines
from smartops.policy.domain import Weighed
from smartops.policy.gate.edits import Edits
from smartops.policy.gate.replanning import ask_anew
from smartops.policy.gate.state import Gate
from smartops.policy.gate.terms import terms_of
from smartops.policy.mandates.standings import Standings
from smartops.policy.scoring.grounding import Grounding
from smartops.policy.scoring.pipeline import (
    check_header,
    check_rules,
    malformed,
    refused,
    weigh_plan,
)
from smartops.policy.settings import PolicySettings
from smartops.policy_engine import PolicyEngine
from smartops.runtime.cues import Cue
from smartops.runtime.decision import Decision
from smartops.runtime.engines import InForce
from smartops.runtime.evidence import with_evidence
from smartops.runtime.reactor import Reaction, Reactor
from smartops.runtime.service import Service

__all__ = ["Gates"]


class Gates:
    """All gates of this process."""

    def __init__(
        self,
        service: Service,
        gates: Reactor[Gate],
        engines: PolicyEngines,
        grounding: Grounding,
        standings: Standings,
        edits: Edits,
        settings: PolicySettings,
    ) -> None:
        self._service = service
        self._views = service.views
        self._engines = engines
        self._grounding = grounding
        self._standings = standings
        self._edits = edits
        self._terms = terms_of(settings)
        self._gates = gates

    async def weigh(self, cue: Cue) -> Reaction | None:
        """A plan was written: may it run, and who must say so?"""
        claimed = cue.claimed()
        if isinstance(claimed, TaskPlanned):
            self._service.plans.want(cue.tenant, claimed.document)
        event = await self._views.event(cue, claimed)
        if not isinstance(event, TaskPlanned):
            raise TypeError(f"{cue.topic} is no plan")
        task = UUID(parse_stream(cue.stream).id)
        plan, why = await self._read(cue.tenant, event)

        async def decide(gate: Gate, fresh: bool) -> Decision:  # noqa: FBT001
            policy = await self._engines.current(fresh=fresh)
            if plan is None:
                weighed = malformed(why, policy.engine)
            else:
                weighed = await self._weigh(policy, cue, task, event, plan, fresh=fresh)
                weighed = await self._edits.compared(cue.tenant, gate, plan, weighed, fresh=fresh)
            evidence = [asked.evidence for asked in weighed.asked]
            offer = None
            asks = weighed.requires_approval or ask_anew(gate)
            if plan is not None and asks and not weighed.problems:
                found = await self._standings.consult(
                    cue.tenant, gate, plan, weighed, policy.engine, fresh=fresh
                )
                weighed, offer = replace(weighed, involved=found.hands.involved), found.offer
                evidence += found.evidence
            now = self._service.store.db_now()
            decision = domain.weigh(gate, task, event, plan, weighed, self._terms, now, offer)
            # Whatever follows rests on bundle and levels: their versions are conditions of refusals
            # and of questions, too. An agent that was stopped is stopped in every process.
            decision = replace(decision, reads=(*decision.reads, *weighed.reads, policy.read))
            return with_evidence(decision, evidence)

        name = stream(cue.tenant, "gate", task)
        return await self._gates.react(
            name, self._service.cause(cue, task), decide, new=event.number == 1
        )

    # ---- what the decisions rest on --------------------------------------------------------

    async def _read(self, tenant: str, planned: TaskPlanned) -> tuple[Plan | None, str]:
        try:
            return await self._service.plans.get(tenant, planned.document, planned.plan_hash), ""
        except Malformed as error:
            return None, str(error)

    async def _weigh(
        self,
        policy: InForce[PolicyEngine],
        cue: Cue,
        task: UUID,
        planned: TaskPlanned,
        plan: Plan,
        *,
        fresh: bool,
    ) -> Weighed:
        problems = [*check_header(plan, cue.tenant, str(task), planned), *check_rules(plan)]
        if problems:
            return refused(problems, policy.engine)
        grounds, reads = await self._grounding.of(cue.tenant, task, cue.version, plan, fresh=fresh)
        return replace(weigh_plan(plan, grounds, policy.engine), reads=reads)
