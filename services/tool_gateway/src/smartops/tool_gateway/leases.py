"""Leases of permits decided: how many are left, and for whom until when.

Pure. Two kinds: permits of a rate are used up within their window, slots come back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from smartops.contracts.events import LimitLeased, LimitReturned
from smartops.contracts.wire import EventData

__all__ = ["DAY", "Leases", "evolve", "lease_rate", "lease_slots", "window_at"]

DAY = timedelta(days=1)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Leases:
    """One limit's leases of a day."""

    starts_at: datetime = _EPOCH
    """The newest window of a rate in which something was leased."""
    leased: int = 0
    """Permits of that window."""
    slots: Mapping[UUID, tuple[int, datetime]] = field(default_factory=dict)
    """Slots by holder, and until when."""

    def taken(self, now: datetime, but: UUID | None = None) -> int:
        """Slots on lease, except those of one holder."""
        held = self.slots.items()
        return sum(count for who, (count, ends) in held if ends > now and who != but)


def evolve(leases: Leases, event: EventData) -> Leases:
    """Fold one event; never fails, never decides."""
    match event:
        case LimitLeased(kind="rate"):
            same = event.starts_at == leases.starts_at
            before = leases.leased if same else 0
            return replace(leases, starts_at=event.starts_at, leased=before + event.permits)
        case LimitLeased():
            # A lease says how many its holder has, not how many more.
            held = {who: one for who, one in leases.slots.items() if one[1] > event.starts_at}
            return replace(leases, slots={**held, event.holder: (event.permits, event.ends_at)})
        case LimitReturned():
            count, ends = leases.slots.get(event.holder, (0, _EPOCH))
            left = max(0, count - event.permits)
            return replace(leases, slots={**leases.slots, event.holder: (left, ends)})
        case _:
            return leases


def window_at(now: datetime, window: timedelta) -> datetime:
    """The beginning of the window that a moment lies in; windows begin anew at midnight UTC."""
    midnight = datetime.combine(now.astimezone(UTC).date(), datetime.min.time(), UTC)
    return midnight + ((now - midnight) // window) * window


def lease_rate(
    leases: Leases, scope: str, holder: UUID, capacity: int, window: timedelta, now: datetime
) -> LimitLeased | datetime:
    """Lease a block of this window's permits, or say when the next window begins.

    A block is an eighth of all, so that several gateways share, and few permits die with one.
    """
    starts = window_at(now, window)
    next_day = window_at(now, DAY) + DAY
    ends = min(starts + window, next_day)
    left = capacity - (leases.leased if leases.starts_at == starts else 0)
    if left <= 0:
        return ends
    return LimitLeased(
        scope=scope,
        holder=holder,
        permits=min(left, max(1, capacity // 8)),
        kind="rate",
        capacity=capacity,
        starts_at=starts,
        ends_at=ends,
    )


def lease_slots(
    leases: Leases,
    yesterday: Leases,
    scope: str,
    holder: UUID,
    capacity: int,
    wanted: int,
    now: datetime,
    lasting: timedelta,
) -> LimitLeased | None:
    """Lease as many slots as a gateway needs in all, or as are left; None when that is none.

    Args:
        leases: of today.
        yesterday: leases that were made before midnight count until they end.
        scope: what is limited.
        holder: the gateway; what it has by now is part of `wanted`.
        capacity: all slots.
        wanted: how many it needs in all.
        now: the database's clock.
        lasting: longer than any call can take: a gateway that dies may have left one under way.
    """
    others = leases.taken(now, holder)
    others += sum(
        count for who, (count, ends) in yesterday.slots.items() if ends > now and who != holder
    )
    free = min(wanted, capacity - others)
    if free <= 0:
        return None
    return LimitLeased(
        scope=scope,
        holder=holder,
        permits=free,
        kind="slots",
        capacity=capacity,
        starts_at=now,
        ends_at=now + lasting,
    )
