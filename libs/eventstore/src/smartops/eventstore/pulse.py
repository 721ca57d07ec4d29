"""A sign of life of the database, asked for again and again over a connection of its own."""

import asyncio

from smartops.eventstore.errors import StoreError
from smartops.eventstore.link import Link

__all__ = ["INTERVAL_S", "PATIENCE_S", "Pulse"]

INTERVAL_S = 2.0
"""Between an answer and the next question."""

PATIENCE_S = 2.0
"""For the answer to the smallest question there is. Together with the interval: a server that
stands still is noticed within four seconds, and one that is only busy is not taken for dead."""


class Pulse:
    """Notices a server that neither answers nor hangs up: stopped, or behind a dead line.

    Other statements cannot tell: they may take long because they have much to do, and so their
    patience is that of a whole batch or sweep. A connection of its own, because they would stand in
    line before it on any other. One question is out at a time, however long its answer takes.
    """

    def __init__(
        self, link: Link, *, interval: float = INTERVAL_S, patience: float = PATIENCE_S
    ) -> None:
        """Nothing is asked before `start`.

        Args:
            link: Used by nobody else.
            interval: Seconds between an answer and the next question.
            patience: Seconds until a missing answer is trouble.
        """
        self._link = link
        self._interval = interval
        self._patience = patience
        self._late: str | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def trouble(self) -> str | None:
        """Why the database cannot be used; None while it answers, or is not asked."""
        return self._late or self._link.trouble

    def start(self) -> None:
        """Begin to ask."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="pulse")

    async def close(self) -> None:
        """Stop asking, and disconnect."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})  # Whoever closes may be cancelled, too: not our word.
        await self._link.close()

    async def _run(self) -> None:
        while True:
            # Repeated below, so that attempts to connect keep their growing pauses.
            asking = asyncio.ensure_future(
                self._link.repeat("select 1", timeout=max(10 * self._patience, 1.0))
            )
            try:
                _, late = await asyncio.wait({asking}, timeout=self._patience)
                if late:
                    self._late = f"pulse: no answer within {self._patience:g} s"
                await asking
                self._late = None
            except StoreError as error:
                self._late = f"pulse: {error}"
            finally:
                asking.cancel()
            await asyncio.sleep(self._interval)
