"""How a durable is pulled, and what the loop counts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

__all__ = ["DEFAULT_PULL", "PullCounters", "PullOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PullOptions:
    """How one durable is pulled."""

    concurrency: int = 64
    """Handlers running at once, at most."""
    ahead: int = 64
    """Requests lingering at once, at most, each for one message. The server keeps 512 per durable
    for all processes together, and cannot be given more later."""
    expires: timedelta = timedelta(seconds=30)
    """How long a request lingers at the server."""
    heartbeat: timedelta = timedelta(seconds=5)
    """Sign of life asked of the server while it has nothing to send; at most half of `expires`.
    After two missed ones and a second the loop looks for the cause."""
    patience: timedelta = timedelta(seconds=5)
    """For one round trip to a server that should answer in a millisecond."""
    retry_first: timedelta = timedelta(milliseconds=250)
    retry_longest: timedelta = timedelta(seconds=10)
    """Back-off while the consumer does not answer."""
    rest_first: timedelta = timedelta(milliseconds=500)
    rest_longest: timedelta = timedelta(seconds=15)
    """Rest after an outage, before one message is let through as a probe."""
    undecided_delay: timedelta = timedelta(seconds=5)
    """Delay of what a handler left undecided; without it a broken handler is a hot loop."""
    declined_delay: timedelta = timedelta(seconds=1)
    """Delay of what arrives during a rest."""


DEFAULT_PULL = PullOptions()


@dataclass(slots=True)
class PullCounters:
    """What happened since the start; only ever rises."""

    asks: int = 0
    delivered: int = 0
    declined: int = 0
    """Given back without running: during a stop or a rest."""
    undecided: int = 0
    inboxes: int = 0
    """1 after the start, one more after each reconnect, rest or silence."""
    failures: int = 0
    """Refused or unanswered requests."""
    outages: int = 0
