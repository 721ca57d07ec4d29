"""May a call go out now? Its tool's rate and slots, its tenant's rate, and its system's health.

What may not go out now waits; it is not denied. Taking back is owed, so rates do not hold it up.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta
from random import uniform

from smartops.contracts.tools import Rate
from smartops.contracts.wire import Purpose
from smartops.tool_gateway.breaker import Breaker, Breakers
from smartops.tool_gateway.permits import Permits
from smartops.tool_gateway.ports import Answer, NotApplied, Unknown
from smartops.tool_gateway.tools import Tool

__all__ = ["LONGEST_PAUSE", "SLOT_PAUSE", "Admission", "Admitted", "Later"]

SLOT_PAUSE = timedelta(milliseconds=250)
"""Before a call looks again whether a slot is free."""

LONGEST_PAUSE = timedelta(minutes=1)
"""Between two tries: a limit may be raised, and whoever took the permits may be gone."""


@dataclass(frozen=True, slots=True)
class Later:
    """Not now."""

    reason: str
    """rate, concurrency or circuit_open."""
    wait: timedelta

    def pause(self, tries: int) -> timedelta:
        """How long to wait, having waited so many times before.

        Nobody knows when a slot is free, and each look is an append: look ever more seldom. Spread,
        so that those who wait for one moment do not all come at once.
        """
        growth = 2 ** min(tries, 4) if self.reason == "concurrency" else 1
        return min(self.wait * growth, LONGEST_PAUSE) * uniform(1, 1.5)  # noqa: S311 - load only.


@dataclass(slots=True)
class Admitted:
    """May go out; `done` must follow, whatever becomes of it."""

    breaker: Breaker
    permits: Permits
    slot: tuple[str, str] | None = None

    def done(self, answer: Answer | NotApplied | Unknown | None) -> None:
        """Free what was taken.

        Args:
            answer: what came of it; None when it did not go out after all.
        """
        if self.slot is not None:
            self.permits.free(*self.slot)
        if answer is None:
            self.breaker.abandoned()
        else:
            self.breaker.heard(answer, time.monotonic())


class Admission:
    """Admits the calls of this process.

    Args:
        permits: of this process.
        breakers: likewise.
        tenant_rate: calls of one tenant; None: as often as there is work.
    """

    def __init__(self, permits: Permits, breakers: Breakers, tenant_rate: Rate | None) -> None:
        self._permits = permits
        self._breakers = breakers
        self._tenant_rate = tenant_rate

    async def admit(
        self, tenant: str, tool: Tool, purpose: Purpose, *, again: bool = False
    ) -> Admitted | Later:
        """Take all that the call needs, or nothing but permits of a rate.

        Args:
            tenant: whose call.
            tool: that carries it out.
            purpose: taking back is owed, whatever the rates are.
            again: it was let out before, and is sent once more or read back. Then it has spent its
                permits of rates; its slot it has given back.

        Raises:
            StoreUnavailable: permits could not be leased.
        """
        breaker = self._breakers.of(_system(tool))
        if (pause := breaker.wait(time.monotonic())) is not None:
            return Later("circuit_open", pause)
        admitted = Admitted(breaker, self._permits)
        try:
            later = await self._take(tenant, tool, admitted, free=again or purpose is Purpose.UNDO)
        except BaseException:
            admitted.done(None)
            raise
        if later is not None:
            admitted.done(None)
            return later
        return admitted

    async def _take(
        self, tenant: str, tool: Tool, admitted: Admitted, *, free: bool
    ) -> Later | None:
        described = tool.descriptor
        scope = f"tool/{described.name}"
        if described.concurrency is not None:
            longest = timedelta(milliseconds=described.timeout_ms)
            if not await self._permits.occupy(tenant, scope, described.concurrency, longest):
                return Later("concurrency", SLOT_PAUSE)
            admitted.slot = (tenant, scope)
        if free:
            return None
        for limited, rate in (("tenant", self._tenant_rate), (scope, described.rate)):
            if rate is not None:
                wait = await self._permits.spend(tenant, limited, rate)
                if wait is not None:
                    return Later("rate", wait)
        return None


def _system(tool: Tool) -> str:
    """What the tool talks to: the host that it declares, or else whatever carries it out."""
    egress = tool.descriptor.egress
    return egress[0] if egress else type(tool.driver).__name__
