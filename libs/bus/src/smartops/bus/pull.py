"""The pull loop for one durable: a standing request, topped up, that heals itself.

Why not fetch in batches: a batch is a barrier (one slow message holds back the next ones), and
fetching ahead lets messages age unstarted while their ack timer runs.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta

from nats import errors as nats_errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from smartops.bus.api import NO_ANSWER, ApiError, api_of, api_request
from smartops.bus.backoff import Backoff
from smartops.bus.credit import Credit
from smartops.bus.delivery import Delivery
from smartops.bus.inbox import Inbox
from smartops.bus.keeper import Keeper
from smartops.bus.pull_options import DEFAULT_PULL, PullCounters, PullOptions
from smartops.bus.rest import Rest
from smartops.bus.status import EXPIRED, HEARTBEAT, Status
from smartops.bus.unhurried import finishes_within

__all__ = ["Handle", "StandingPull"]

_log = logging.getLogger(__name__)

Handle = Callable[[Delivery], Awaitable[None]]
"""Takes a delivery and decides about it. What it raises is logged, and counts as undecided."""

_NOW = timedelta(0)
_TICK = 0.2
"""Seconds between two looks at the connection; bounds how late a reconnect is noticed."""
_AFTER_CANCEL = 1.0
"""Seconds for a cancelled handler to unwind before it is left behind."""


class StandingPull:
    """Pulls one durable, running up to `concurrency` handlers.

    Never more than `concurrency` messages are with handlers or asked for. Messages start in the
    order of the stream and end in any. Nothing that goes wrong raises: it shows in `trouble`, and
    is mended when the cause is gone.

    Args:
        nc: a connection that reconnects by itself.
        stream: name of the stream.
        durable: name of the consumer, which must exist; it is never created here.
        handle: decides about each delivery.
        options: see `PullOptions`.
        inbox_prefix: where deliveries may come in; None: the connection's own prefix.
    """

    def __init__(
        self,
        nc: Client,
        stream: str,
        durable: str,
        handle: Handle,
        *,
        options: PullOptions = DEFAULT_PULL,
        inbox_prefix: str | None = None,
    ) -> None:
        self.stream = stream
        self.durable = durable
        self.counters = PullCounters()
        self.ack_wait = timedelta(seconds=30)
        """The consumer's, read from the server once bound."""
        self._nc = nc
        self._handle = handle
        self._options = options
        self._next = f"{api_of(nc)}.CONSUMER.MSG.NEXT.{stream}.{durable}"
        self._info = f"{api_of(nc)}.CONSUMER.INFO.{stream}.{durable}"
        self._request = b'{"batch":1,"expires":%d}' % _nanoseconds(options.expires)
        self._watched = b'{"batch":1,"expires":%d,"idle_heartbeat":%d}' % (
            _nanoseconds(options.expires),
            _nanoseconds(options.heartbeat),
        )
        self._credit = Credit(options.concurrency, options.ahead)
        self._rest = Rest(self._credit, options.rest_first, options.rest_longest)
        self._retry = Backoff(options.retry_first, options.retry_longest)
        self._retry_at = 0.0
        self._inbox = Inbox(nc, inbox_prefix, options.patience)
        self._running: dict[Delivery, asyncio.Task[None]] = {}
        self._bound = False
        self._trouble: str | None = "not started"
        self._seen = 0.0
        self._stopping = False
        self._wake = asyncio.Event()
        self._tried = asyncio.Event()
        self._mender: asyncio.Task[None] | None = None
        self._top_up: asyncio.Task[None] | None = None
        self._keeper = Keeper(
            self._running.keys, lambda: self._nc.is_connected, lambda: self.ack_wait
        )

    # --- state, for readiness and metrics

    @property
    def running(self) -> int:
        """Messages with handlers now."""
        return self._credit.running

    @property
    def asked(self) -> int:
        """Messages asked for and not yet delivered."""
        return self._credit.asked

    @property
    def renewals(self) -> int:
        """Signs of life sent for long-running messages."""
        return self._keeper.renewals

    @property
    def healthy(self) -> bool:
        """Whether messages would arrive now."""
        return self.trouble is None

    @property
    def trouble(self) -> str | None:
        """Why no messages would arrive, for people; None when they would."""
        if self._stopping:
            return "stopped"
        if self._rest.reason is not None:
            return f"paused: {self._rest.reason}"
        if not self._nc.is_connected:
            return "the bus is not connected"
        return self._trouble

    # --- life

    async def start(self) -> None:
        """Begin pulling; returns after the first try to bind, whether or not it worked."""
        if self._mender is None:
            loop = asyncio.get_running_loop()
            name = f"bus-pull-{self.durable}"
            self._mender = loop.create_task(self._mend_for_ever(), name=name)
        await self._tried.wait()

    async def stop(self, grace: timedelta = timedelta(seconds=15)) -> None:
        """Give back what has not started, at once; let the rest end.

        Args:
            grace: for running handlers; then they are cancelled, and their messages given back.
        """
        if self._stopping or self._mender is None:
            return
        self._stopping = True  # from here on _on() gives everything back
        self._wake.set()
        await asyncio.wait({self._mender}, timeout=2 * self._options.patience.total_seconds())
        await self._inbox.close()
        if self._running:
            await asyncio.wait(set(self._running.values()), timeout=grace.total_seconds())
        left = dict(self._running)
        for task in left.values():
            task.cancel()
        if left:
            await asyncio.wait(set(left.values()), timeout=_AFTER_CANCEL)
        for delivery in left:
            # A task cancelled before its first step never reaches its own clean-up.
            await self._give_back(delivery, _NOW)
        await self._keeper.stop()

    def pause(self, reason: str) -> None:
        """Ask for nothing until `resume()`; what still arrives is given back. Idempotent."""
        self._rest.pause(reason)
        self._wake.set()

    def resume(self) -> None:
        """End a pause or a rest at once."""
        self._rest.end()
        self._wake.set()

    def outage(self, reason: str) -> None:
        """Rest, then let one message through; with each failed probe the rest grows."""
        rest = self._rest.outage(reason, asyncio.get_running_loop().time())
        if rest is not None:
            self.counters.outages += 1
            self._wake.set()
            seconds = rest.total_seconds()
            _log.warning("%s rests for %.1f s: %s", self.durable, seconds, reason)

    # --- deliveries

    async def _on(self, message: Msg) -> None:
        self._seen = asyncio.get_running_loop().time()
        if not message.reply.startswith("$JS.ACK."):
            await self._on_status(Status.of(message))
            return
        delivery = Delivery(self._nc, message, self._seen)
        self.counters.delivered += 1
        if self._stopping or self._credit.running >= self._credit.limit:
            self._credit.declined()
            self.counters.declined += 1
            delay = _NOW if self._stopping else self._options.declined_delay
            await self._give_back(delivery, delay)
            return
        self._credit.arrived()
        self._running[delivery] = asyncio.create_task(self._run(delivery))

    async def _on_status(self, status: Status) -> None:
        if status.code == HEARTBEAT:
            return
        self._credit.handed_back(1 if status.crowded else status.pending)
        if status.code == EXPIRED:
            await self._ask()
        elif not status.crowded or not self._credit.asked:
            self._fail(str(status))

    async def _run(self, delivery: Delivery) -> None:
        try:
            await self._handle(delivery)
            if not delivery.decided:
                _log.warning("%s: no decision about %s", self.durable, delivery.about)
        except asyncio.CancelledError:
            await self._give_back(delivery, _NOW)
            raise
        except Exception:  # noqa: BLE001 - the boundary: an error must not cost the slot
            _log.exception("%s: an error escaped its handler", self.durable)
        finally:
            if not delivery.decided:
                self.counters.undecided += 1
                await self._give_back(delivery, self._options.undecided_delay)
            self._running.pop(delivery, None)
            self._credit.finished()
        if self._rest.probing:
            # This one met no outage, or a new rest would have ended the probing.
            self.resume()
        if self._top_up is None and self._credit.due():
            # As a task of its own it runs after all handlers that end in this round of the loop,
            # and asks once for all their slots.
            self._top_up = asyncio.create_task(self._ask())
            self._top_up.add_done_callback(self._topped_up)

    def _topped_up(self, _task: asyncio.Task[None]) -> None:
        self._top_up = None

    async def _give_back(self, delivery: Delivery, delay: timedelta) -> None:
        try:
            await delivery.nak(delay)
        except nats_errors.Error as error:
            _log.info("%s: not given back, the server will time out: %r", self.durable, error)

    # --- asking

    async def _ask(self) -> None:
        """Ask for what there is room for, one request per message.

        The server answers across accounts, and takes an answer without a byte and without headers
        for the last one: it closes the way back of that request, and what it has already sent
        after it is gone until its ack timer ends. Anybody who may publish can store such a
        message. With a way back for each message there is nothing behind it that could be lost.
        """
        count = self._credit.due()
        subject = self._inbox.subject
        if not count or subject is None or not self._bound or self._stopping:
            return
        if not self._nc.is_connected:
            return
        self._credit.ask(count)
        self.counters.asks += 1
        try:
            for _ in range(count - 1):
                await self._nc.publish(self._next, self._request, reply=subject)
            # The server serves requests in turn, so while any is left, this one is.
            await self._nc.publish(self._next, self._watched, reply=subject)
        except nats_errors.Error as error:
            self._fail(f"cannot ask: {error!r}")

    def _fail(self, reason: str) -> None:
        """The consumer is gone or does not answer: wait longer each time before the next try."""
        self._credit.forget()
        self._bound, self._trouble = False, reason
        now = asyncio.get_running_loop().time()
        if now < self._retry_at:
            return  # one more request that the same cause has ended
        self.counters.failures += 1
        wait = self._retry.failed().total_seconds()
        self._retry_at = now + wait
        _log.warning("%s: %s; next try in %.2f s", self.durable, reason, wait)

    # --- mending

    async def _mend_for_ever(self) -> None:
        while not self._stopping:
            self._wake.clear()
            try:
                await self._mend()
            except ApiError as error:
                self._fail(str(error))
                # No answer may be a missing right, or a connection that went deaf.
                if error.status == NO_ANSWER:
                    await self._answers()
            except nats_errors.Error as error:
                self._fail(repr(error))
            except Exception as error:  # noqa: BLE001 - the loop outlives whatever it meets
                _log.exception("%s: mending failed", self.durable)
                self._fail(repr(error))
            self._tried.set()
            try:
                async with asyncio.timeout(_TICK):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _mend(self) -> None:
        now = asyncio.get_running_loop().time()
        if not self._nc.is_connected:
            return
        if not self._rest.over(now):
            await self._inbox.close()
            self._credit.forget()
            return
        if now < self._retry_at:
            return
        silent = now - self._seen
        if not self._inbox.current:
            await self._open()
        elif self._credit.asked and silent > 2 * self._options.heartbeat.total_seconds() + 1:
            await self._revive(silent)
        if not self._bound:
            await self._bind()
        await self._ask()

    async def _open(self) -> None:
        self._bound = False
        await self._inbox.open(self._on)
        self._credit.forget()  # what was asked for came in before the old inbox closed, or never
        self.counters.inboxes += 1

    async def _bind(self) -> None:
        """Check that the consumer is there, so that readiness need not wait for a message."""
        info = await api_request(self._nc, self._info, timeout=self._options.patience)
        self.ack_wait = timedelta(microseconds=info["config"]["ack_wait"] / 1000)
        self._seen = asyncio.get_running_loop().time()
        self._keeper.start()  # only now: its rhythm follows from ack_wait
        self._bound, self._trouble = True, None
        self._retry.worked()

    async def _revive(self, silent: float) -> None:
        """No sign of life: either the request was lost, or the connection is dead.

        A connection whose reader has died still looks connected, so ask the server itself.
        """
        self._trouble = f"no sign of life for {silent:.0f} s"
        _log.warning("%s: %s", self.durable, self._trouble)
        if await self._answers():
            await self._open()

    async def _answers(self) -> bool:
        """Whether the server answers a ping; if not, the connection is made anew."""
        if await finishes_within(self._options.patience, self._nc.rtt(timeout=60)):
            return True
        _log.warning("%s: the server does not answer, reconnecting", self.durable)
        await self._nc.force_reconnect()
        return False


def _nanoseconds(time: timedelta) -> int:
    return int(time.total_seconds() * 1e9)
