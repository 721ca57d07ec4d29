"""Permits spent: leased in blocks from the log, used up in memory.

One lease is an append; so a busy tool costs a few per window, not one per call. A process that dies
takes its unspent permits along; nobody is ever granted them a second time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from smartops.contracts.events import LimitLeased, LimitReturned
from smartops.contracts.streams import stream
from smartops.contracts.tools import Rate
from smartops.eventstore.units import Trigger
from smartops.runtime.decision import NOTHING, Decision
from smartops.runtime.reactor import Decide, Reactor
from smartops.runtime.recording import Cause
from smartops.tool_gateway.leases import DAY, Leases, lease_rate, lease_slots

__all__ = ["GRACE", "Permits"]

_log = logging.getLogger(__name__)

GRACE = timedelta(seconds=10)
"""Slots stay leased so much longer than a call may take."""

_IDLE_S = 1.0
"""Before slots that nobody uses are given back."""

_REFUSED = timedelta(milliseconds=200)

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class _Rate:
    left: int = 0
    exhausted: bool = False
    """Nothing is left to lease until the window ends."""
    ends: datetime = _LONG_AGO
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(slots=True)
class _Slots:
    used: int = 0
    leased: int = 0
    ends: datetime = _LONG_AGO
    refused_until: datetime = _LONG_AGO
    """Until then the log is not asked again: many calls may wait, and each would be an append."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Permits:
    """The permits of this process.

    Args:
        reactor: for streams of the category `limit`.
        now: the database's clock.
        holder: names this process; asked each time, since a process may take a new name.
    """

    def __init__(
        self,
        reactor: Reactor[Leases],
        now: Callable[[], datetime],
        holder: Callable[[], Awaitable[UUID]],
    ) -> None:
        self._reactor = reactor
        self._now = now
        self._holder = holder
        self._rates: dict[tuple[str, str], _Rate] = {}
        self._slots: dict[tuple[str, str], _Slots] = {}
        self._returning: set[asyncio.Task[None]] = set()

    async def spend(self, tenant: str, scope: str, rate: Rate) -> timedelta | None:
        """Spend one permit of a rate; how long to wait for the next window if none is left.

        Raises:
            StoreUnavailable: none is left here, and more could not be leased.
        """
        mine = self._rates.setdefault((tenant, scope), _Rate())
        async with mine.lock:
            if self._now() >= mine.ends:
                mine.left, mine.exhausted = 0, False
            if mine.left == 0 and not mine.exhausted:
                await self._lease_rate(tenant, scope, rate, mine)
            if mine.left == 0:
                return max(timedelta(0), mine.ends - self._now())
            mine.left -= 1
            return None

    async def occupy(self, tenant: str, scope: str, capacity: int, longest: timedelta) -> bool:
        """Take a slot, to be freed by `free`; false when all are taken.

        Args:
            tenant: whose.
            scope: what is limited.
            capacity: all slots, of all gateways.
            longest: a call may take.

        Raises:
            StoreUnavailable: none is left here, and more could not be leased.
        """
        mine = self._slots.setdefault((tenant, scope), _Slots())
        async with mine.lock:
            now = self._now()
            held = mine.leased if mine.ends >= now + longest else 0
            if mine.used >= held:
                if now < mine.refused_until:
                    return False
                wanted = min(capacity, mine.used + max(1, capacity // 4))
                await self._lease_slots(tenant, scope, capacity, wanted, longest, mine)
                if mine.used >= mine.leased or mine.ends < now + longest:
                    mine.refused_until = now + _REFUSED
                    return False
            mine.used += 1
            return True

    def free(self, tenant: str, scope: str) -> None:
        """Give a slot back."""
        mine = self._slots[tenant, scope]
        mine.used -= 1
        if mine.used == 0:
            task = asyncio.create_task(self._give_back(tenant, scope, mine))
            self._returning.add(task)
            task.add_done_callback(self._given_back)

    async def close(self) -> None:
        """Forget what was to be given back later: leases end by themselves."""
        for task in self._returning:
            task.cancel()
        await asyncio.gather(*self._returning, return_exceptions=True)

    def _given_back(self, task: asyncio.Task[None]) -> None:
        self._returning.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # Nothing is lost by it: the lease ends by itself.
            _log.warning("slots were not given back: %s", error, exc_info=error)

    async def _lease_rate(self, tenant: str, scope: str, rate: Rate, mine: _Rate) -> None:
        window = timedelta(milliseconds=rate.window_ms)
        found: LimitLeased | datetime = mine.ends
        holder = await self._holder()
        # Read once: a window must be leased in the stream of its own day, also at midnight.
        now = self._now()

        async def decide(leases: Leases, _fresh: bool) -> Decision:  # noqa: FBT001
            nonlocal found
            found = lease_rate(leases, scope, holder, rate.calls, window, now)
            return Decision([found]) if isinstance(found, LimitLeased) else NOTHING

        await self._react(_name(tenant, "rate", scope, now), decide)
        if isinstance(found, LimitLeased):
            mine.left, mine.exhausted, mine.ends = found.permits, False, found.ends_at
        else:
            mine.left, mine.exhausted, mine.ends = 0, True, found

    async def _lease_slots(
        self,
        tenant: str,
        scope: str,
        capacity: int,
        wanted: int,
        longest: timedelta,
        mine: _Slots,
    ) -> None:
        found: LimitLeased | None = None
        holder = await self._holder()
        now = self._now()
        before = _name(tenant, "slots", scope, now - DAY)

        async def decide(leases: Leases, fresh: bool) -> Decision:  # noqa: FBT001
            nonlocal found
            # Its version is a condition: a lease made there a moment ago, by a slow clock, counts.
            yesterday = await self._reactor.folds.load(before, fresh=fresh)
            found = lease_slots(
                leases,
                yesterday.state,
                scope,
                holder,
                capacity,
                wanted,
                now,
                longest + GRACE,
            )
            reads = [(before, yesterday.version)]
            return Decision([found], reads=reads) if found is not None else NOTHING

        await self._react(_name(tenant, "slots", scope, now), decide)
        if found is not None:
            mine.leased, mine.ends = found.permits, found.ends_at

    async def _give_back(self, tenant: str, scope: str, mine: _Slots) -> None:
        await asyncio.sleep(_IDLE_S)
        async with mine.lock:
            spare = mine.leased - mine.used
            if mine.used or spare <= 0 or mine.ends <= self._now():
                return
            holder = await self._holder()
            returned = LimitReturned(scope=scope, holder=holder, permits=spare)

            async def decide(_leases: Leases, _fresh: bool) -> Decision:  # noqa: FBT001
                return Decision([returned])

            mine.leased = mine.used
            await self._react(_name(tenant, "slots", scope, self._now()), decide)

    async def _react(self, name: str, decide: Decide[Leases]) -> None:
        cause = Cause(Trigger("tool_gateway.permits", uuid4()), None)
        await self._reactor.react(name, cause, decide)


def _name(tenant: str, kind: str, scope: str, moment: datetime) -> str:
    return stream(tenant, "limit", f"{kind}/{scope}/{moment.astimezone(UTC):%Y%m%d}")
