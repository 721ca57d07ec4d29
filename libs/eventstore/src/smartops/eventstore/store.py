"""The event store of one process."""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Self

import asyncpg
from smartops.eventstore.appender import Appender
from smartops.eventstore.blobs import Blobs
from smartops.eventstore.clock import DatabaseClock
from smartops.eventstore.housekeeping import Housekeeping
from smartops.eventstore.incarnation import Incarnation
from smartops.eventstore.link import Connect, Connection, Link
from smartops.eventstore.listeners import Listeners
from smartops.eventstore.log_reads import LogReads
from smartops.eventstore.outbox import OutboxDone
from smartops.eventstore.pulse import Pulse
from smartops.eventstore.reader import Reader
from smartops.eventstore.results import AppendResult, Committed
from smartops.eventstore.rows import OutboxRow, StoredRow
from smartops.eventstore.snapshot_rows import SnapshotRows
from smartops.eventstore.tracking import TrackedAppends
from smartops.eventstore.units import TimerSet, Unit
from smartops.eventstore.vault_rows import VaultRows
from typing_extensions import override

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
    # Our statements name what they look up by index; planning them anew costs more than they do.
    "plan_cache_mode": "force_generic_plan",
    "statement_timeout": "15s",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "5s",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "20s",
}
"""Per session. A backend whose client has vanished must not hold the lock that all appends take."""


class EventStore(LogReads, Housekeeping, SnapshotRows, TrackedAppends, VaultRows):
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
        self._pulse = Pulse(Link("pulse", connect("pulse")))
        self.incarnation = Incarnation(connect("incarnation"))
        """This life of the process, for services that act on the world; begins with its `start`."""
        self._clock = DatabaseClock()
        self._committed: Listeners[Sequence[OutboxRow]] = Listeners()
        self._timer_set: Listeners[datetime] = Listeners()
        self._unsure: Listeners[None] = Listeners()
        self._appender = Appender(
            self._append_link,
            self._clock,
            self._stored,
            lambda: self._unsure.tell(None),
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
        await self.incarnation.close()
        await self._appender.close(grace.total_seconds())
        await self._reader.close()
        await self._outbox_done.close(min(1.0, grace.total_seconds()))
        await self._pulse.close()
        for link in (self._append_link, self._read_link, self._housekeeping_link):
            await link.close()

    def keep_pulse(self) -> None:
        """Ask the database for a sign of life every few seconds, over a further connection.

        Else `trouble` tells of a server that stands still, without hanging up, only once the
        patience of a statement is at its end.
        """
        self._pulse.start()

    # --- State -----------------------------------------------------------------------------------

    @property
    def trouble(self) -> str | None:
        """Why the database cannot be used right now; None while all is well."""
        parts = (self._append_link, self._read_link, self._housekeeping_link, self._pulse)
        return next((part.trouble for part in parts if part.trouble is not None), None)

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

    def want_blob(self, tenant: str, digest: bytes) -> None:
        """Begin to read a blob that is needed soon, in the round trip of what is read right now."""
        self._blobs.want(tenant, digest)

    # --- Outbox ----------------------------------------------------------------------------------

    def outbox_done(self, positions: Iterable[int]) -> None:
        """These events are published: their rows are deleted in the background, in batches."""
        self._outbox_done.add(positions)

    # --- Inside ----------------------------------------------------------------------------------

    async def _start(self, patience: float) -> None:
        await asyncio.gather(
            self._append_link.open(patience),
            self._read_link.open(patience),
            self._housekeeping_link.open(patience),
        )
        sent = time.monotonic()
        [[now]] = await self._call("select clock_timestamp()")
        self._observe(now, sent)
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

    @override
    async def _call(self, sql: str, *arguments: Any) -> list[asyncpg.Record]:
        return await self._housekeeping_link.repeat(sql, *arguments, timeout=TIMEOUT)

    @override
    def _observe(self, now: datetime, sent: float) -> None:
        self._clock.observe(now, sent, time.monotonic())

    async def _delete_outbox_rows(self, positions: list[int]) -> object:
        return await self._call("select smartops_log.outbox_done($1)", positions)
