"""Levels of agents: what holds for a plan."""

from __future__ import annotations

import asyncio

from smartops.contracts.events import AutonomyDefaultSet
from smartops.contracts.folds import (
    AutonomyDefault,
    AutonomyView,
    evolve_autonomy,
    evolve_autonomy_default,
    plan_level,
)
from smartops.contracts.ids import named_id
from smartops.contracts.streams import PLATFORM, stream
from smartops.contracts.wire import Environment
from smartops.eventstore.units import Trigger
from smartops.policy.agents import autonomy
from smartops.policy.settings import PolicySettings
from smartops.runtime.decision import NOTHING, Decision
from smartops.runtime.recording import Cause
from smartops.runtime.service import Service

__all__ = ["Levels", "declare_default"]

_DEFAULT = f"{PLATFORM}/autonomy-default"


async def declare_default(service: Service, settings: PolicySettings) -> None:
    """Say by event which level agents have that no event names, where that is news.

    So what held at a time can be told from the log alone.
    """
    defaults = service.reactor(AutonomyDefault(), evolve_autonomy_default)
    wanted = AutonomyDefaultSet(
        production=settings.production_autonomy, elsewhere=settings.default_autonomy
    )
    version = (await defaults.folds.load(_DEFAULT, fresh=True)).version
    ident = named_id("autonomy-default", version, wanted.production, wanted.elsewhere)

    async def decide(said: AutonomyDefault, _fresh: bool) -> Decision:  # noqa: FBT001
        same = (said.production, said.elsewhere) == (wanted.production, wanted.elsewhere)
        return NOTHING if said.said and same else Decision([wanted])

    await defaults.react(_DEFAULT, Cause(Trigger("policy.default", ident), None), decide)


class Levels:
    """The levels of all agents, as this process knows them."""

    def __init__(self, service: Service) -> None:
        self._views = service.views
        self.agents = service.reactor(AutonomyView(), evolve_autonomy)
        """What is said of an agent is decided here, one thing after the other."""

    async def of(
        self,
        tenant: str,
        agent: str,
        version: str,
        tools: frozenset[str],
        environment: Environment,
        *,
        fresh: bool = False,
    ) -> tuple[int, tuple[tuple[str, int], ...]]:
        """The level of a plan, and the versions of streams that it rests on.

        A level that was earned with another tool of the same name falls here, by event, before
        it can be made use of.

        Args:
            tenant: whose agent.
            agent: its name.
            version: its version.
            tools: those that the plan writes with; with none, the level of the agent itself.
            environment: where.
            fresh: read what was said until now.
        """
        name = stream(tenant, "autonomy", agent)
        view, default, reads = await self.read(name, fresh=fresh)
        digests = await self.digests(tools, fresh=fresh)
        if autonomy.drifted(view, default, agent, version, digests, environment):
            await self._drift(name, agent, version, digests, environment)
            view, default, reads = await self.read(name, fresh=True)
        return plan_level(view, default, version, tools, environment.value), reads

    async def read(
        self, name: str, *, fresh: bool
    ) -> tuple[AutonomyView, AutonomyDefault, tuple[tuple[str, int], ...]]:
        """What was said of an agent and of all, with the versions that says it."""
        if fresh:
            said, default = await asyncio.gather(
                self.agents.folds.load(name, fresh=True),
                self._views.autonomy_default.load(_DEFAULT, fresh=True),
            )
        else:
            said = await self.agents.folds.load(name)
            default = await self._views.autonomy_default.load(_DEFAULT)
        reads = ((name, said.version), (_DEFAULT, default.version))
        return said.state, default.state, reads

    async def _drift(
        self,
        name: str,
        agent: str,
        version: str,
        digests: dict[str, str],
        environment: Environment,
    ) -> None:
        folded = await self.agents.folds.load(name, fresh=True)
        default = (await self._views.autonomy_default.load(_DEFAULT, fresh=True)).state
        # The version is part of the cause: the same tool may come back, and go again.
        ident = named_id(
            "drift", name, folded.version, version, environment, *sorted(digests.items())
        )

        async def decide(view: AutonomyView, _fresh: bool) -> Decision:  # noqa: FBT001
            return Decision(autonomy.drifted(view, default, agent, version, digests, environment))

        await self.agents.react(name, Cause(Trigger("policy.drift", ident), None), decide)

    async def digests(self, tools: frozenset[str], *, fresh: bool) -> dict[str, str]:
        """The tools as they are registered now."""
        names = sorted(tools)
        folded = await self._views.tool.load_all(
            (stream(PLATFORM, "tool", name) for name in names), fresh=fresh
        )
        return {
            name: one.state.digest
            for name, one in zip(names, folded, strict=True)
            if one.state.digest is not None
        }
