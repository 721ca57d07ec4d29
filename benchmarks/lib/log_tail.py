"""Following the log by position, through every crash of the database."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import ClassVar, Self

import asyncpg
from smartops.contracts.envelope import read_data
from smartops.contracts.errors import ContractError
from smartops.contracts.wire import EventData
from smartops.eventstore import StoredRow
from smartops.eventstore.faults import AWAY
from smartops.eventstore.reader import COLUMNS

__all__ = ["LogTail", "Said", "Unreadable"]

_ROWS = (
    f"select {COLUMNS} from smartops_log.events where position > $1 order by position limit 2000"
)
LOOK_S = 0.2
"""Longest time between two looks: word of an event may be lost with the bus."""


class Unreadable(EventData):
    """Stands for an event whose bytes are none: somebody wrote them on purpose."""

    topic: ClassVar[str] = "unreadable"


class Said:
    """One event of the log: the row, and what it says."""

    __slots__ = ("data", "row")

    def __init__(self, row: StoredRow, *, lenient: bool = False) -> None:
        """Read it.

        Raises:
            ContractError: its bytes are no event, and nobody expected that.
        """
        self.row = row
        try:
            self.data: EventData = read_data(row.topic, row.state)
        except ContractError:
            if not lenient:
                raise
            self.data = Unreadable()

    @property
    def at(self) -> float:
        """When it was recorded, in seconds of the epoch."""
        return self.row.recorded_at.timestamp()


class LogTail:
    """All events so far, in order, read as the database's superuser; use as a context manager.

    Looks when poked, and every now and then.
    """

    def __init__(
        self,
        dsn: str,
        hear: Callable[[Said], None],
        *,
        keep: bool = True,
        true_time: Callable[[datetime], datetime] | None = None,
        lenient: bool = False,
    ) -> None:
        """Prepare.

        Args:
            dsn: the log's database.
            hear: told each event, once and in order.
            keep: whether `events` holds them as well; a long run would fill the memory.
            true_time: from when the database's clock said that an event was recorded to when it
                was; None: the same.
            lenient: whether an event may be `Unreadable`; else following ends there.
        """
        self._lenient = lenient
        self._dsn = dsn
        self._hear = hear
        self._keep = keep
        self._true_time = true_time or (lambda recorded_at: recorded_at)
        self._position = 0
        self._poked = asyncio.Event()
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.events: list[Said] = []
        """What was heard so far; nothing if it is not kept."""

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._follow(), name="log tail")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    def poke(self) -> None:
        """Something may have been appended."""
        self._poked.set()

    @property
    def position(self) -> int:
        """Of the last event heard."""
        return self._position

    async def until(self, condition: Callable[[], bool], patience_s: float) -> bool:
        """Wait until a condition on what was heard holds; false when patience ran out first."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                while not condition():
                    self._news.clear()
                    await self._news.wait()
        return condition()

    async def _follow(self) -> None:
        while True:
            try:
                connection = await asyncpg.connect(self._dsn, timeout=5)
            except AWAY:
                await self._rest()
                continue
            try:
                while True:
                    rows = await connection.fetch(_ROWS, self._position, timeout=10)
                    self._take([StoredRow._make(row) for row in rows])
                    if not rows:
                        await self._rest()
            except AWAY:
                pass
            finally:
                connection.terminate()

    async def _rest(self) -> None:
        self._poked.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_S):
                await self._poked.wait()

    def _take(self, rows: Sequence[StoredRow]) -> None:
        for row in rows:
            said = Said(
                row._replace(recorded_at=self._true_time(row.recorded_at)), lenient=self._lenient
            )
            self._position = row.position
            if self._keep:
                self.events.append(said)
            self._hear(said)
        if rows:
            self._news.set()
