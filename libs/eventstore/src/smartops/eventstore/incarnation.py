"""That this process lives, provable from the database, for whatever it alone may send."""

import asyncio
import contextlib
import time
from uuid import UUID, uuid4

from smartops.eventstore.errors import StoreClosed
from smartops.eventstore.faults import AWAY
from smartops.eventstore.link import FIRST_DELAY, LAST_DELAY, Connect, Connection, pause

__all__ = ["FRESH_S", "Incarnation", "seconds_since_boot"]

INTERVAL_S = 2.0
"""Between two proofs."""

PATIENCE_S = 4.0
"""For the answer of one."""

FRESH_S = 10.0
"""A proof older than this is none. Shorter than the 25 s after which the server gives up a line
that is dead without a word (see `tcp_keepalives_*` in store.py): so a process that runs behind such
a line fences itself before the server calls it ended."""


def seconds_since_boot() -> float:
    """A clock that also counts while this process, or the whole machine, stands still."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Incarnation:
    """One life of this process, as long as the session that holds its lock.

    The connection is its own and does nothing else. When it breaks, the life is over at once, and
    another one with a new id begins as soon as the database is back: an id is never taken twice. So
    if the database says of an id that it has ended, nobody holds it any more who may still act in
    its name; but for a process that stands still just behind its last look, see `holds`.

    Needs a session of its own: a pooler that lends sessions per transaction breaks it.
    """

    def __init__(self, connect: Connect) -> None:
        """Nothing is opened before `start`.

        Args:
            connect: Opens a connection as a role that may begin incarnations.
        """
        self._connect = connect
        self._ident: UUID | None = None
        self._proved = 0.0
        self._news = asyncio.Event()
        """Set once whatever is waited for may have changed; then there is a new one."""
        self._lost = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.trouble: str | None = "not begun"
        """Why this process may not act just now; None while it may."""

    async def start(self) -> None:
        """Begin, and keep it up until `close`."""
        if self._task is None:
            self._task = asyncio.create_task(self._live(), name="incarnation")

    async def close(self) -> None:
        """End it, for all to see."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
        self._end("closed")

    async def current(self) -> UUID:
        """The id of this life; waits for the next one when there is none just now.

        Raises:
            StoreClosed: It was closed, or never started.
        """
        while self._task is not None:
            news, ident = self._news, self._ident
            if ident is not None and self.holds(ident):
                return ident
            await news.wait()
        raise StoreClosed

    def holds(self, ident: UUID) -> bool:
        """Whether this process still is that one, by a proof that is fresh.

        Asked right before acting. What is left: a process that is stopped between this look and the
        act, and meanwhile loses its connection without the chance to notice.
        """
        return self._ident == ident and seconds_since_boot() - self._proved < FRESH_S

    async def _live(self) -> None:
        delay = FIRST_DELAY
        while True:
            conn: Connection | None = None
            try:
                conn = await self._connect()
                if await self._begin(conn):
                    delay = FIRST_DELAY
                    await self._prove(conn)
            except (*AWAY, TimeoutError) as error:
                self.trouble = f"incarnation: {type(error).__name__}: {error}"
            finally:
                self._end(self.trouble or "the connection was lost")
                if conn is not None:
                    conn.terminate()
            await pause(delay)
            delay = min(2 * delay, LAST_DELAY)

    async def _begin(self, conn: Connection) -> bool:
        ident = uuid4()
        self._lost.clear()
        conn.add_termination_listener(lambda _: self._end("the connection was lost"))
        asked = seconds_since_boot()
        begun = await conn.fetchval(
            "select smartops_log.incarnation_begin($1)", ident, timeout=PATIENCE_S
        )
        if not begun or conn.is_closed():
            return False
        self._ident = ident
        self._has_proof(asked)
        return True

    async def _prove(self, conn: Connection) -> None:
        """Ask again and again whether the lock is held; returns when it is not."""
        while self._ident is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._lost.wait(), INTERVAL_S)
            ident = self._ident
            if ident is None:
                return
            asked = seconds_since_boot()
            alive = await conn.fetch(
                "select smartops_log.incarnations_alive($1)", [ident], timeout=PATIENCE_S
            )
            if not alive:
                return
            self._has_proof(asked)

    def _has_proof(self, asked: float) -> None:
        self._proved = asked
        self.trouble = None
        self._tell()

    def _tell(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    def _end(self, reason: str) -> None:
        """Fence this process: it acts no more under the id that it had."""
        if self._ident is not None:
            self.trouble = f"incarnation: {reason}"
        self._ident = None
        self._lost.set()
        self._tell()
