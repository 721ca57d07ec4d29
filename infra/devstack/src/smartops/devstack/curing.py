"""A server that runs and does not work any more is restarted, once that can help.

nats-server closes a stream for good when one write to it failed, as it does on a full disk. It goes
on serving the others, does not end, and takes nothing into that stream until it is restarted, even
when there has long been room again. Who waits only for its end would wait for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol, runtime_checkable

__all__ = ["Curable", "Illness", "keep_curing"]

LOOK: Final = timedelta(seconds=1)
"""Between two looks; the question costs the server less than a millisecond."""

FIRST_REST: Final = timedelta(seconds=5)
LONGEST_REST: Final = timedelta(minutes=1)
"""After a cure it gets this much time before the next one; doubled while it does not stay well."""


@dataclass(frozen=True, slots=True)
class Illness:
    """Why a running server does not work."""

    what: str
    """In the server's own words."""
    awaits: str | None = None
    """What must happen before a restart can help; None: it helps now."""


@runtime_checkable
class Curable(Protocol):
    """A child that knows more about its health than that it runs."""

    name: str

    async def illness(self) -> Illness | None:
        """What a restart would cure, now or later; None: nothing that could be found out."""

    async def terminate(self, grace: timedelta) -> None:
        """End it; whoever keeps it starts it again."""


async def keep_curing(child: Curable, grace: timedelta, report: Callable[[str], None]) -> None:
    """Look after a child that somebody else starts again whenever it ends; until cancelled.

    Args:
        child: may be down at any time.
        grace: how long it may take to end.
        report: told once what is wrong, and of each cure.
    """
    loop = asyncio.get_running_loop()
    rest, rested_at, told = FIRST_REST, 0.0, ""
    while True:
        await asyncio.sleep(LOOK.total_seconds())
        illness = await child.illness()
        if illness is None:
            if told:
                report(f"{child.name} works again")
            if loop.time() > rested_at + LONGEST_REST.total_seconds():
                rest = FIRST_REST
            told = ""
            continue
        if not told:
            told = illness.awaits or "restarting it"
            report(f"{child.name} runs and does not work: {illness.what}; {told}")
        if illness.awaits is not None or loop.time() < rested_at:
            continue
        report(f"{child.name} is restarted: only that makes it work again")
        await child.terminate(grace)
        rested_at = loop.time() + rest.total_seconds()
        rest = min(2 * rest, LONGEST_REST)
