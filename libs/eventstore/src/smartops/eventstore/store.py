"""The event store of one process."""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Self
from uuid import UUID

import asyncpg
from smartops.eventstore.appender import Appender
from smartops.eventstore.blobs import Blobs
from smartops.eventstore.clock import DatabaseClock
from smartops.eventstore.link import Connect, Connection, Link
from smartops.eventstore.listeners import Listeners
from smartops.eventstore.outbox import OutboxDone
from smartops.eventstore.reader import COLUMNS, Reader
from smartops.eventstore.results import AppendResult, Committed
from smartops.eventstore.rows import (
    Backlog,
    DueTimers,
    HandlerMarks,
    Head,
    OutboxRow,
    ParkedRow,
    SettledRow,
    StoredRow,
    TimerRow,
)
from smartops.eventstore.sweeps import LIMIT, OLDER_THAN, Handler
from smartops.eventstore.timers import DEFAULT_LIMIT
from smartops.eventstore.units import TimerSet, Unit

__all__ = ["DEFAULT_PATIENCE", "EventStore"]

DEFAULT_PATIENCE = timedelta(seconds=30)
"""How long `connect` waits for a database that is still starting."""

CLOSE_GRACE = timedelta(seconds=5)
"""How long `close` waits for units in the queue."""

CONNECT_TIMEOUT = 10.0
"""Seconds for one attempt to connect."""

TIMEOUT = 20.0
"""Seconds for a read of the log or a housekeeping call."""

_SETTINGS = {
    "jit": "off",
    "statement_timeout": "15s",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "5s",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "20s",
}
"""Per session. A backend whose client has vanished must not hold the lock that all appends take."""

_LOG = (
    f"select {COLUMNS} from smartops_log.events "  # noqa: S608 - made of constants.
    "where position > $1 order by position limit $2"
)
_LOG_BY_TOPIC = (
    f"select {COLUMNS} from smartops_log.events "  # noqa: S608
    "where position > $1 and topic = any($3) order by position limit $2"
)
_HISTORY = f"select {COLUMNS} from smartops_log.events where task = $1 order by position"  # noqa: S608
_EVENT = f"select {COLUMNS} from smartops_log.events where event_id = $1"  # noqa: S608
_HEADS = "select tenant, position, count, hash from smartops_log.heads"
_HEAD = (
    "select tenant, position, ordinal, hash from smartops_log.events "
    "where tenant = $1 order by ordinal desc limit 1"
)
_UNHANDLED = f"select {COLUMNS} from smartops_log.unhandled($1, $2, $3, $4, $5)"  # noqa: S608


class EventStore:
    """Appends, reads and housekeeping of one role, over three dedicated connections.

    The connections come back by themselves. During an outage calls wait; nothing is lost and
    nothing is stored twice. Use from one event loop only.
    """

    def __init__(self, connect: Callable[[str], Connect]) -> None:
        """Use `EventStore.connect`.

        Args:
            connect: Makes, for a purpose, the function that opens its connections.
        """
        self._append_link = Link("append", connect("append"))
        self._read_link = Link("read", connect("read"))
        self._housekeeping_link = Link("housekeeping", connect("housekeeping"))
        self._clock = DatabaseClock()
        self._committed: Listeners[Sequence[OutboxRow]] = Listeners()
        self._timer_set: Listeners[datetime] = Listeners()
        self._unsure: Listeners[None] = Listeners()
        self._appender = Appender(
            self._append_link, self._clock, self._stored, lambda: self._unsure.tell(None)
        )
        self._reader = Reader(self._read_link)
        self._blobs = Blobs(self._reader.blob)
        self._outbox_done = OutboxDone(self._delete_outbox_rows)

    @classmethod
    async def connect(
        cls,
        dsn: str,
        *,
        role: str | None = None,
        password: str | None = None,
        patience: timedelta = DEFAULT_PATIENCE,
    ) -> Self:
        """Connect and begin to work.

        Args:
            dsn: `postgresql://…`; everything that asyncpg understands.
            role: Logs in as this role instead of the DSN's user, e.g. `smartops_planner`.
            password: That role's password, instead of the DSN's.
            patience: How long to wait for a database that cannot be reached yet.

        Raises:
            StoreUnavailable: Patience ran out, or the login was refused.
        """

        def connector(purpose: str) -> Connect:
            async def connect() -> Connection:
                name = f"{role or 'smartops'} {purpose}"
                return await asyncpg.connect(
                    dsn,
                    user=role,  # None leaves the DSN's.
                    password=password,
                    timeout=CONNECT_TIMEOUT,
                    server_settings={**_SETTINGS, "application_name": name},
                )

            return connect

        store = cls(connector)
        try:
            await store._start(patience.total_seconds())
        except BaseException:
            await store.close(grace=timedelta(0))
            raise
        return store

    async def close(self, grace: timedelta = CLOSE_GRACE) -> None:
        """Stop taking units, flush those that wait for up to `grace`, then disconnect.

        Whoever still waits gets `StoreClosed`.
        """
        await self._appender.close(grace.total_seconds())
        await self._reader.close()
        await self._outbox_done.close(min(1.0, grace.total_seconds()))
        for link in (self._append_link, self._read_link, self._housekeeping_link):
            await link.close()

    # --- State -----------------------------------------------------------------------------------

    @property
    def trouble(self) -> str | None:
        """Why the database cannot be used right now; None while all is well."""
        links = (self._append_link, self._read_link, self._housekeeping_link)
        return next((link.trouble for link in links if link.trouble is not None), None)

    @property
    def healthy(self) -> bool:
        """Whether the last word of the database was an answer."""
        return self.trouble is None

    @property
    def batches(self) -> int:
        """Group commits answered so far."""
        return self._appender.batches

    @property
    def units(self) -> int:
        """Units answered so far; by `batches`, the mean size of a group commit."""
        return self._appender.units

    @property
    def round_trips(self) -> int:
        """Joined reads answered so far."""
        return self._reader.round_trips

    def db_now(self) -> datetime:
        """The database's clock, from memory: aware, in UTC, good to half a round trip."""
        return self._clock.now()

    # --- Append ----------------------------------------------------------------------------------

    async def append(self, unit: Unit) -> AppendResult:
        """Store a unit, atomically, together with whatever else this process stores right now.

        On disk when this returns `Committed`. Units of a process are stored in the order of the
        calls. Cancelling the caller does not cancel the commit. During an outage the call waits;
        a commit whose answer was lost is settled by the unit's triggers (`Already`).

        Raises:
            InvalidUnit: It can never be stored; its neighbours were.
            RecordConflict: An event id exists already.
            StoreUnavailable: Too many units wait already; this one was not taken.
            StoreClosed: The store was closed; the outcome is unknown.
        """
        return await self._appender.append(unit)

    def on_committed(self, callback: Callable[[Sequence[OutboxRow]], None]) -> Callable[[], None]:
        """Be told of each batch's events that are to be published, right after the commit.

        Called on the loop, in order of position, before the callers of `append` go on; must be
        quick and must not raise. Events whose commit had no answer come by `outbox_pending` only.

        Returns:
            The function that ends it.
        """
        return self._committed.add(callback)

    def on_unsure(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Be told when a commit's answer was lost: `outbox_pending` may have something now.

        Returns:
            The function that ends it.
        """
        return self._unsure.add(lambda _: callback())

    def on_timer_set(self, callback: Callable[[datetime], None]) -> Callable[[], None]:
        """Be told the due times of timers that this process sets, once committed.

        Returns:
            The function that ends it.
        """
        return self._timer_set.add(callback)

    # --- Reads -----------------------------------------------------------------------------------

    async def read_stream(
        self, stream: str, after: int = 0, limit: int | None = None
    ) -> list[StoredRow]:
        """The stream's events above version `after`, in order; none if it does not exist.

        Raises:
            StoreUnavailable: Too many reads wait already.
        """
        return await self._reader.stream(stream, after, limit)

    async def blob(self, tenant: str, digest: bytes) -> bytes:
        """The tenant's blob with this SHA-256, verified; from memory once read.

        Raises:
            BlobMissing: There is none.
            BlobCorrupt: Its bytes do not have that digest.
        """
        return await self._blobs.get(tenant, digest)

    async def read_log(
        self, after_position: int, limit: int = 1000, topics: Sequence[str] | None = None
    ) -> list[StoredRow]:
        """The log above a position, in order; of all tenants. Nothing can appear below later."""
        if topics is None:
            return await self._rows(_LOG, after_position, limit)
        return await self._rows(_LOG_BY_TOPIC, after_position, limit, list(topics))

    async def history(self, task: UUID) -> list[StoredRow]:
        """All events of a task, in order of position."""
        return await self._rows(_HISTORY, task)

    async def event(self, event_id: UUID) -> StoredRow | None:
        """One event."""
        rows = await self._rows(_EVENT, event_id)
        return rows[0] if rows else None

    async def head(self, tenant: str) -> Head | None:
        """The end of the tenant's chain; None before its first event."""
        rows = await self._housekeep(_HEAD, tenant)
        return Head(*rows[0]) if rows else None

    async def heads(self) -> list[Head]:
        """The ends of all chains, by tenant."""
        return [Head(*row) for row in await self._housekeep(_HEADS)]

    # --- Outbox ----------------------------------------------------------------------------------

    def outbox_done(self, positions: Iterable[int]) -> None:
        """These events are published: their rows are deleted in the background, in batches."""
        self._outbox_done.add(positions)

    async def outbox_pending(
        self, older_than: timedelta = OLDER_THAN, limit: int = 500
    ) -> list[OutboxRow]:
        """Own events that are not known to be published, oldest first.

        Args:
            older_than: Age by the database's clock; younger ones are probably under way.
            limit: At most so many.
        """
        rows = await self._housekeep(
            "select * from smartops_log.outbox_pending($1, $2)", older_than, limit
        )
        return [OutboxRow._make(row) for row in rows]

    async def outbox_backlog(self) -> Backlog:
        """How many own events are not known to be published, and since when."""
        [row] = await self._housekeep("select * from smartops_log.outbox_backlog()")
        return Backlog(*row)

    # --- Timers, handlers, inbox -----------------------------------------------------------------

    async def due_timers(self, limit: int = DEFAULT_LIMIT) -> DueTimers:
        """Own timers that are due by the database's clock, and when the next one will be."""
        rows = await self._housekeep("select * from smartops_log.due_timers($1)", limit)
        timers = [_timer(*row) for row in rows]
        coming = [timer for timer in timers if timer.late < timedelta(0)]
        return DueTimers(
            [timer for timer in timers if timer.late >= timedelta(0)],
            -coming[0].late if coming else None,
        )

    async def register_handlers(self, handlers: Sequence[Handler]) -> Sequence[HandlerMarks]:
        """Make handlers known; known ones keep their marks.

        A new one begins at the end of the log, unless its `from_position` says otherwise.
        """
        rows = await self._housekeep(
            "select * from smartops_log.register_handlers($1, $2)",
            [handler.name for handler in handlers],
            [handler.from_position for handler in handlers],
        )
        return [HandlerMarks(*row) for row in rows]

    async def unhandled(
        self, handler: Handler, older_than: timedelta = OLDER_THAN, limit: int = LIMIT
    ) -> list[StoredRow]:
        """Events of the handler's topics without an inbox row, oldest first.

        Raises the handler's low-water mark on the way.

        Raises:
            InvalidUnit: The handler is not registered.
        """
        parties = None if handler.parties is None else list(handler.parties)
        rows = await self._housekeep(
            _UNHANDLED, handler.name, list(handler.topics), parties, older_than, limit
        )
        return [StoredRow._make(row) for row in rows]

    async def park(
        self, handler: str, cause: UUID, reason: str, payload: bytes | None = None
    ) -> bool:
        """Set a trigger aside, durably, until `unpark`.

        Args:
            handler: The handler's name.
            cause: As in `Trigger.cause`.
            reason: For people.
            payload: What was to be handled, where the log does not hold it (a command).

        Returns:
            False if the trigger was settled already.
        """
        [[is_new]] = await self._housekeep(
            "select smartops_log.park($1, $2, $3, $4)", handler, cause, reason, payload
        )
        return bool(is_new)

    async def settled(self, handler: str, cause: UUID) -> SettledRow | None:
        """How a trigger of this role ended; None if it has not."""
        rows = await self._housekeep("select * from smartops_log.settled($1, $2)", handler, cause)
        return SettledRow(*rows[0]) if rows else None

    async def parked(self, limit: int = 100) -> list[ParkedRow]:
        """Own parked triggers, oldest first."""
        rows = await self._housekeep("select * from smartops_log.parked($1)", limit)
        return [ParkedRow(*row) for row in rows]

    async def unpark(self, handler: str, cause: UUID) -> ParkedRow | None:
        """Give a parked trigger another chance: the next sweep finds it, if it is an event.

        Returns:
            What was parked, so that a command can be handled again; None if nothing was.
        """
        rows = await self._housekeep("select * from smartops_log.unpark($1, $2)", handler, cause)
        return ParkedRow(*rows[0]) if rows else None

    # --- Inside ----------------------------------------------------------------------------------

    async def _start(self, patience: float) -> None:
        await asyncio.gather(
            self._append_link.open(patience),
            self._read_link.open(patience),
            self._housekeeping_link.open(patience),
        )
        sent = time.monotonic()
        [[now]] = await self._housekeep("select clock_timestamp()")
        self._clock.observe(now, sent, time.monotonic())
        self._appender.start()
        self._reader.start()
        self._outbox_done.start()

    def _stored(self, committed: Sequence[tuple[Unit, Committed]]) -> None:
        published: list[OutboxRow] = []
        for unit, result in committed:
            positions = iter(result.positions)
            for write in unit.writes:
                for event in write.events:
                    position = next(positions)
                    if event.subject is not None:
                        published.append(
                            OutboxRow(position, event.subject, event.event_id, event.state)
                        )
            for timer in unit.timers:
                if isinstance(timer, TimerSet):
                    due = timer.due
                    self._timer_set.tell(
                        due if isinstance(due, datetime) else self._clock.now() + due
                    )
        if published:
            self._committed.tell(published)

    async def _rows(self, sql: str, *arguments: Any) -> list[StoredRow]:
        rows = await self._housekeep(sql, *arguments)
        return [StoredRow._make(row) for row in rows]

    async def _housekeep(self, sql: str, *arguments: Any) -> list[asyncpg.Record]:
        return await self._housekeeping_link.repeat(sql, *arguments, timeout=TIMEOUT)

    async def _delete_outbox_rows(self, positions: list[int]) -> object:
        return await self._housekeep("select smartops_log.outbox_done($1)", positions)


def _timer(
    timer_id: UUID,
    handler: str,
    stream: str,
    name: str,
    due_at: datetime,
    cause: UUID | None,
    payload: bytes | None,
    late: float,
) -> TimerRow:
    return TimerRow(
        timer_id, handler, stream, name, due_at, cause, payload, timedelta(seconds=late)
    )
