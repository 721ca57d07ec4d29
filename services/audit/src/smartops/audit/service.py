"""Audit: tails the log by position; projects, verifies, anchors and tells. Decides nothing."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Self

from smartops.audit.adapters.announcing import Announcer, Publish
from smartops.audit.adapters.connecting import close, connect
from smartops.audit.adapters.log import last_position, read_after
from smartops.audit.adapters.tables import Connection, Tables
from smartops.audit.anchoring import Anchoring
from smartops.audit.durations import Durations
from smartops.audit.errors import AuditError, NewerReadModels, PlaceLost
from smartops.audit.options import AuditOptions
from smartops.audit.projector import Projector
from smartops.audit.read_models import PROJECTOR
from smartops.audit.rebuild import replace
from smartops.audit.spans import projecting
from smartops.audit.standing import Counters, Part
from smartops.contracts.subjects import Subjects
from smartops.eventstore.faults import AWAY
from smartops.telemetry.tracing import QuietTracer, Tracer

__all__ = ["PROJECTOR_LOCK", "AuditService"]

_log = logging.getLogger(__name__)

PROJECTOR_LOCK = 5216902748839463217
"""Session advisory lock of the one projector, held on the connection that writes: who has lost the
connection has lost the lock, and cannot write any more."""


class AuditService:
    """The core of the service, without a process around it.

    Args:
        store_dsn: PostgreSQL, as smartops_audit.
        publish: hands messages to the bus, e.g. `Relay.publish`. May fail: nothing depends on it.
        anchors_dir: outside the database, best on another machine's disk.
        subjects: of the installation.
        options: see `AuditOptions`.
        durations: measures what passes by; None: nobody wants to know.
        tracer: records the batches; None: nobody wants to know.
    """

    def __init__(
        self,
        store_dsn: str,
        publish: Publish,
        anchors_dir: Path,
        *,
        subjects: Subjects | None = None,
        options: AuditOptions | None = None,
        durations: Durations | None = None,
        tracer: Tracer | None = None,
    ) -> None:
        self.counters = Counters()
        self.part = Part.STOPPED
        self.options = options or AuditOptions()
        self._dsn = store_dsn
        self._durations = durations
        self._tracer = tracer or QuietTracer()
        self._announcer = Announcer(publish, subjects or Subjects())
        self._anchoring = Anchoring(anchors_dir, self.options.anchor_interval)
        self._trouble: tuple[str, str] | None = None
        self._stopping = asyncio.Event()
        self._changed = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None

    @property
    def healthy(self) -> bool:
        """The loop is alive; if not, only a new process helps."""
        return self._task is not None and not self._task.done()

    @property
    def trouble(self) -> list[tuple[str, str]]:
        """What keeps audit from its work, as (part, trouble)."""
        found = [] if self._trouble is None else [self._trouble]
        if self._anchoring.trouble is not None:
            found.append(("anchors", self._anchoring.trouble))
        return found

    @property
    def left_out(self) -> int:
        """Messages that the bus was not told."""
        return self._announcer.left_out

    async def start(self) -> None:
        """Begin in the background; the database may come later."""
        self._stopping.clear()
        self._task = asyncio.create_task(self._run(), name="audit")

    async def stop(self, grace: timedelta = timedelta(seconds=10)) -> None:
        """Finish the batch in hand, anchor the heads, and end."""
        self._stopping.set()
        if self._task is None:
            return
        _, late = await asyncio.wait({self._task}, timeout=grace.total_seconds())
        for task in late:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await self._announcer.stop(1.0)
        self.part = Part.STOPPED

    async def wait(self) -> None:
        """Return when the loop has ended.

        Raises:
            Exception: a defect of ours ended it; what can happen to a healthy process does not.
        """
        if self._task is not None:
            await asyncio.shield(self._task)

    async def until(self, predicate: Callable[[Self], object]) -> None:
        """Return once this holds; looked at whenever position, part or trouble have changed."""
        async with self._changed:
            await self._changed.wait_for(lambda: predicate(self))

    async def _run(self) -> None:
        while not self._stopping.is_set():
            pause = self.options.retry_pause
            try:
                await self._session()
            except PlaceLost as error:
                # No trouble: a rebuild has put further rows in the place of those we had in hand.
                _log.info("%s", error, extra={"code": error.code})
                pause = self.options.busy_pause
            except AuditError as error:
                await self._note(error.code, str(error), error)
            except AWAY as error:
                await self._note("database", f"{type(error).__name__}: {error}", error)
            if not self._stopping.is_set():
                await self._pause(pause)

    async def _session(self) -> None:
        """From connecting to the first trouble. All that is in memory is made anew each time."""
        await self._become(Part.CONNECTING)
        self.counters.sessions += 1
        conn = await connect(self._dsn)
        try:
            if not await self._hold_lock(conn):
                return
            projector = await self._open(conn)
            self.counters.position = projector.place.position
            await self._become(Part.PROJECTING)
            _log.info("projecting", extra={"position": projector.place.position})
            try:
                await self._tail(conn, projector)
            finally:
                # What was stored was verified, whatever came after it.
                await self._anchoring.append(projector.heads.ends)
        finally:
            await close(conn)

    async def _hold_lock(self, conn: Connection) -> bool:
        """Become the one projector; false when told to stop while waiting."""
        while not self._stopping.is_set():
            if await conn.fetchval("select pg_try_advisory_lock($1)", PROJECTOR_LOCK):
                return True
            if self.part is not Part.STANDBY:
                _log.info("standing by: another process projects")
                self._trouble = None
                await self._become(Part.STANDBY)
            await self._pause(self.options.standby_pause)
        return False

    async def _open(self, conn: Connection) -> Projector:
        measure = None if self._durations is None else self._durations.measure
        projector = await Projector.open(Tables(conn), measure=measure)
        theirs = projector.place.projector
        if theirs > PROJECTOR:
            raise NewerReadModels(theirs, PROJECTOR)
        await self._anchoring.open(conn)
        if theirs < PROJECTOR:
            _log.info("rebuilding the read models", extra={"made_by": theirs, "now": PROJECTOR})
            await replace(self._dsn)
            projector = await Projector.open(Tables(conn), measure=measure)
        return projector

    async def _tail(self, conn: Connection, projector: Projector) -> None:
        options = self.options
        pause = options.busy_pause
        while not self._stopping.is_set():
            rows = await read_after(conn, projector.place, options.batch)
            self.counters.polls += 1
            if rows:
                try:
                    with projecting(self._tracer, rows):
                        stretches = await projector.project(rows)
                    self._announcer.tell(stretches)
                finally:
                    self._count(projector.place.position)
                pause = options.crowded_pause if len(rows) > options.crowd else options.busy_pause
            if rows or self._trouble is not None:
                self._trouble = None
                await self._tell_change()
            await self._anchoring.append_if_due(projector.heads.ends)
            if len(rows) == options.batch:
                self.counters.lag = await last_position(conn) - projector.place.position
            else:
                self.counters.lag = 0
                await self._pause(pause)
                pause = min(2 * pause, max(pause, options.idle_pause))

    def _count(self, position: int) -> None:
        self.counters.events += position - self.counters.position
        self.counters.batches += 1
        self.counters.position = position

    async def _become(self, part: Part) -> None:
        self.part = part
        await self._tell_change()

    async def _tell_change(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _pause(self, pause: timedelta) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), pause.total_seconds())

    async def _note(self, part: str, text: str, error: Exception) -> None:
        # Tried again every few seconds: told once, until it changes.
        if self._trouble != (part, text):
            level = logging.WARNING if part == "database" else logging.ERROR
            _log.log(level, "%s", text, extra={"code": part}, exc_info=error)
        self._trouble = (part, text)
        await self._tell_change()
