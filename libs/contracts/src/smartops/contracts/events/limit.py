"""Events of limits, decided by the tool gateway, in `limit-<kind>/<scope>/<day>`.

A gateway process leases permits here and spends them in memory. One that dies takes those it had
left along: permits are lost until the lease ends, and none is ever granted twice. A stream holds
one day (UTC), so none grows for ever.
"""

from __future__ import annotations

from typing import ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field
from smartops.contracts.wire import EventData, ShortText

__all__ = ["LimitLeased", "LimitReturned"]


class _OfLimit(EventData):
    scope: ShortText
    """What is limited: `tenant`, or `tool/<name>`."""
    holder: UUID
    """The gateway process."""
    permits: int = Field(ge=1)


class LimitLeased(_OfLimit):
    """A gateway may begin so many calls, or have so many under way, until the lease ends."""

    topic: ClassVar[str] = "limit.leased"

    kind: Literal["rate", "slots"]
    capacity: int = Field(ge=1)
    """All permits of the window, or all slots."""
    starts_at: AwareDatetime
    """For rates the window's beginning."""
    ends_at: AwareDatetime
    """From here on unspent permits are void."""


class LimitReturned(_OfLimit):
    """Slots that a gateway does not need are free again."""

    topic: ClassVar[str] = "limit.returned"
