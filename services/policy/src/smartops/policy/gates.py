"""Deciding on gates: what the pure domain needs is read here, with the versions it rests on."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from uuid import UUID

from smartops.contracts.errors import Malformed
from smartops.contracts.events import TaskPlanned
from smartops.contracts.plan import Plan
from smartops.contracts.streams import PLATFORM, parse_stream, stream
from smartops.contracts.tools import ToolDescriptor
from smartops.contracts.wire import Environment
from smartops.policy import domain
from smartops.policy.domain import Terms, Weighed
from smartops.policy.pipeline import check_header, check_rules, malformed, weigh_plan
from smartops.policy.settings import PolicySettings
from smartops.policy.state import Gate
from smartops.policy_engine import (
    PolicyEngine,
)
from smartops.runtime.cues import Cue
from smartops.runtime.decision import Decision
from smartops.runtime.reactor import Reaction, Reactor
from smartops.runtime.service import Service

__all__ = ["Gates"]

_BUNDLE = f"{PLATFORM}/bundle-default"


class Gates:
    """All gates of this process."""

    def __init__(
        self,
        service: Service,
        gates: Reactor[Gate],
        engine: PolicyEngine,
        settings: PolicySettings,
    ) -> None:
        self._service = service
        self._views = service.views
        self._engine = engine
        self._settings = settings
        self._terms = Terms(settings.approval_ttl, settings.grant_ttl)
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
            if plan is None:
                weighed = malformed(why, self._engine)
            else:
                weighed = await self._weigh(cue.tenant, task, event, plan, fresh=fresh)
            now = self._service.store.db_now()
            return domain.weigh(gate, task, event, plan, weighed, self._terms, now)

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
        self, tenant: str, task: UUID, planned: TaskPlanned, plan: Plan, *, fresh: bool
    ) -> Weighed:
        problems = [*check_header(plan, tenant, str(task), planned), *check_rules(plan)]
        tools = await self._tools({step.tool for step in plan.steps}, fresh=fresh)
        where = stream(tenant, "autonomy", plan.header.agent.name)
        autonomy, bundle = await asyncio.gather(
            self._views.autonomy.load(where, fresh=fresh),
            self._views.bundle.load(_BUNDLE, fresh=fresh),
        )
        level = autonomy.state.level
        if level is None:
            level = (
                self._settings.production_autonomy
                if plan.header.environment is Environment.PRODUCTION
                else self._settings.default_autonomy
            )
        weighed = weigh_plan(plan, problems, tools, self._engine, level)
        return replace(weighed, reads=((where, autonomy.version), (_BUNDLE, bundle.version)))

    async def _tools(self, names: set[str], *, fresh: bool) -> dict[str, ToolDescriptor]:
        streams = {name: stream(PLATFORM, "tool", name) for name in sorted(names)}
        folded = await asyncio.gather(
            *(self._views.tool.load(where, fresh=fresh) for where in streams.values())
        )
        return {
            name: found.state.descriptor
            for name, found in zip(streams, folded, strict=True)
            if found.state.descriptor is not None
        }
