"""Gathering what a plan is weighed on: registry, level, track record, evidence, settings."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from smartops.contracts.plan import Plan
from smartops.contracts.streams import PLATFORM, stream
from smartops.contracts.tools import ToolDescriptor
from smartops.policy.actors import Directory
from smartops.policy.agents.levels import Levels
from smartops.policy.agents.track import Tracks
from smartops.policy.scoring.assessment import Standing
from smartops.policy.scoring.grounds import Findings, Seen
from smartops.policy.scoring.modes import Autonomy, read_autonomy
from smartops.policy.scoring.pipeline import Grounds, writing_tools
from smartops.policy.settings import PolicySettings
from smartops.runtime.service import Service

__all__ = ["Grounding", "Reads"]

Reads = tuple[tuple[str, int], ...]
"""Versions of streams that an automatic grant rests on."""


class Grounding:
    """Gathers grounds.

    A plan that only reads rests on registry, level and track record alone, all of them remembered:
    nothing is read for it. Evidence and intent are looked up where something is to be changed.

    Raises:
        ValueError: the file of autonomy modes is not of the shape.
    """

    def __init__(
        self,
        service: Service,
        directory: Directory,
        levels: Levels,
        tracks: Tracks,
        settings: PolicySettings,
    ) -> None:
        self._service = service
        self._views = service.views
        self._directory = directory
        self._levels = levels
        self._tracks = tracks
        self._file = read_autonomy(settings.autonomy_file)
        self._findings = Findings(service.store)

    async def of(
        self, tenant: str, task: UUID, version: int, plan: Plan, *, fresh: bool
    ) -> tuple[Grounds, Reads]:
        """The grounds of a plan, as of now.

        Args:
            tenant: whose.
            task: which.
            version: where in the task's stream the plan was announced.
            plan: readable.
            fresh: read again what may be stale: a decision on it met a conflict.
        """
        header = plan.header
        tools = await self._registered({step.tool for step in plan.steps}, fresh=fresh)
        writes = writing_tools(plan, tools)
        now = self._service.store.db_now()
        agent = header.agent.name, header.agent.version
        level, reads = await self._levels.of(
            tenant, *agent, writes, header.environment, fresh=fresh
        )
        track, _ = await self._tracks.of(tenant, *agent, writes, header.environment, fresh=fresh)
        seen = Seen()
        if writes or header.evidence:
            seen = await self._findings.of(tenant, task, version, fresh=fresh)
        autonomy = self._file.environments[header.environment]
        standing = Standing(
            level=level,
            autonomy=autonomy,
            tool_modes={name: self._file.mode_of(name, header.environment) for name in writes},
            cooldown_left=await self._rest(tenant, plan, writes, autonomy, now, fresh=fresh),
            blocked=bool(writes) and autonomy.blocks(now),
        )
        roles: tuple[str, ...] = ()
        if writes:
            known = await self._directory.find(tenant, header.requester.principal, fresh=fresh)
            if known is not None and not known.mapped.disabled:
                roles = known.mapped.roles
                reads = (*reads, (known.stream, known.version))
        return Grounds(tools, seen, track, standing, roles, now), reads

    async def _rest(
        self,
        tenant: str,
        plan: Plan,
        writes: frozenset[str],
        autonomy: Autonomy,
        now: datetime,
        *,
        fresh: bool,
    ) -> timedelta:
        """What is left of the rest since the agent's last run there, with whatever tools."""
        if not writes or not autonomy.cooldown:
            return timedelta()
        agent = plan.header.agent
        last, _ = await self._tracks.of(
            tenant, agent.name, agent.version, frozenset(), plan.header.environment, fresh=fresh
        )
        if last.last_run_at is None:
            return timedelta()
        return max(timedelta(), last.last_run_at + autonomy.cooldown - now)

    async def _registered(self, names: set[str], *, fresh: bool) -> dict[str, ToolDescriptor]:
        streams = {name: stream(PLATFORM, "tool", name) for name in sorted(names)}
        folded = await self._views.tool.load_all(streams.values(), fresh=fresh)
        return {
            name: found.state.descriptor
            for name, found in zip(streams, folded, strict=True)
            if found.state.descriptor is not None
        }
