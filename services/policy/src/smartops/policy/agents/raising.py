"""People who raise and lower levels: who may, and what is read for it."""

from __future__ import annotations

import asyncio
from uuid import UUID

from smartops.contracts.autonomy import ANY
from smartops.contracts.commands import AutonomyLower, AutonomyRaise
from smartops.contracts.folds import AutonomyView, track_stream
from smartops.contracts.streams import stream
from smartops.contracts.wire import Environment
from smartops.policy.actors import Directory
from smartops.policy.agents import autonomy
from smartops.policy.agents.autonomy import Why
from smartops.policy.agents.levels import Levels
from smartops.policy.agents.track import Tracks
from smartops.policy.settings import PolicySettings
from smartops.runtime.cues import Order
from smartops.runtime.decision import Decision, Refusal
from smartops.runtime.people import Known
from smartops.runtime.reactor import Reaction
from smartops.runtime.service import Service

__all__ = ["ADMIN", "LOWERING", "Raising"]

ADMIN = "autonomy-admin"
"""The role that raises."""

LOWERING = frozenset({ADMIN, "approver", "senior-approver"})
"""Roles that lower: whoever may stop a plan may also stop its agent."""


class Raising:
    """Commands about levels."""

    def __init__(
        self,
        service: Service,
        directory: Directory,
        levels: Levels,
        tracks: Tracks,
        settings: PolicySettings,
    ) -> None:
        self._service = service
        self._directory = directory
        self._levels = levels
        self._tracks = tracks
        self._settings = settings

    async def change(self, order: Order[AutonomyRaise | AutonomyLower]) -> Reaction:
        """A person raises or lowers a level."""
        command = order.data

        async def decide(view: AutonomyView, fresh: bool) -> Decision:  # noqa: FBT001
            who = await self._directory.find(order.tenant, order.principal, fresh=fresh)
            refusal, reads = await self._may(order, who, fresh=fresh)
            if refusal is not None or who is None:
                return Decision(refusal=refusal, reads=reads)
            _, default, _ = await self._levels.read(name, fresh=True)
            why = Why(
                "raised" if isinstance(command, AutonomyRaise) else "lowered",
                command.reason,
                command=order.key,
                principal=order.principal,
                actor=who.mapped.actor,
            )
            if isinstance(command, AutonomyLower):
                decision = autonomy.lower(view, default, command, why)
            else:
                digests = await self._levels.digests(frozenset({command.tool}) - {ANY}, fresh=True)
                digest = digests.get(command.tool)
                decision = autonomy.raise_level(view, default, command, digest, why)
            return Decision(
                decision.events, reads=reads, refusal=decision.refusal, answer=decision.answer
            )

        name = stream(order.tenant, "autonomy", command.agent)
        cause = self._service.orders.cause(order, None)
        return await self._levels.agents.react(name, cause, decide)

    async def _may(
        self, order: Order[AutonomyRaise | AutonomyLower], who: Known | None, *, fresh: bool
    ) -> tuple[Refusal | None, tuple[tuple[str, int], ...]]:
        """Why this person may not, and the versions of the actors that this rests on."""
        command = order.data
        if who is None:
            return Refusal("unmapped", "this principal is mapped to no actor"), ()
        reads: tuple[tuple[str, int], ...] = ((who.stream, who.version),)
        if who.mapped.disabled:
            return Refusal("forbidden", "this person's access is switched off"), reads
        if isinstance(command, AutonomyLower):
            if LOWERING & set(who.mapped.roles):
                return None, reads
            roles = ", ".join(sorted(LOWERING))
            return Refusal("forbidden", f"lowering needs one of the roles {roles}"), reads
        if ADMIN not in who.mapped.roles:
            return Refusal("forbidden", f"raising needs the role {ADMIN}"), reads
        local = order.authtype == "local" and not self._settings.local_credentials_in_production
        if local and command.environment in (ANY, Environment.PRODUCTION):
            message = "local credentials raise nothing in production here"
            return Refusal("forbidden", message, "environment"), reads
        asked_for, more = await self._asked_for(order.tenant, command, fresh=fresh)
        reads += tuple(read for read in more if read not in reads)
        if who.mapped.actor in asked_for:
            message = f"{who.mapped.name} had this agent work in their own name"
            return Refusal("four_eyes", message), reads
        return None, reads

    async def _asked_for(
        self, tenant: str, command: AutonomyRaise, *, fresh: bool
    ) -> tuple[set[UUID], tuple[tuple[str, int], ...]]:
        """The people in whose names the agent worked there lately."""
        if command.agent_version == ANY:
            return set(), ()
        places = [e for e in Environment if command.environment in (ANY, e.value)]
        views = await asyncio.gather(
            *(
                self._tracks.view(
                    track_stream(tenant, command.agent, command.agent_version, place), fresh=True
                )
                for place in places
            )
        )
        names = {name for view in views for name in view.requesters}
        found = [
            known
            for name in sorted(names)
            if (known := await self._directory.find(tenant, name, fresh=fresh)) is not None
        ]
        actors = {known.mapped.actor for known in found}
        return actors, tuple((known.stream, known.version) for known in found)
