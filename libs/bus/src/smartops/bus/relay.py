"""Publishing what was just committed: asynchronously, bounded, each publish with a time limit.

The relay promises nothing but haste. The log already has the events; what it does not report as
acked stays in the outbox, and the sweep finds it there.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from nats import errors as nats_errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from smartops.bus.api import ApiError, read_answer

__all__ = [
    "CONTENT_TYPE",
    "MESSAGE_ID",
    "POSITION",
    "Acknowledged",
    "Outgoing",
    "Relay",
    "RelayCounters",
]

_log = logging.getLogger(__name__)

MESSAGE_ID = "Nats-Msg-Id"
POSITION = "Smartops-Position"
CONTENT_TYPE = "content-type"
_SEQUENCE = re.compile(rb'"seq": ?(\d+)')
_CLOUDEVENT = "application/cloudevents+json"

DEFAULT_IN_FLIGHT = 4096
DEFAULT_TIMEOUT = timedelta(seconds=5)
DEFAULT_LINGER = timedelta(milliseconds=5)
"""Time to collect acks into one report. Outbox rows are deleted in bulk, nobody waits for it."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One committed event on its way."""

    subject: str
    payload: bytes
    """The stored bytes, as they are."""
    msg_id: str
    """The event id: the stream drops repeats within its duplicate window."""
    position: int
    headers: Mapping[str, str] | None = None
    """Further headers, such as a trace context."""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """One event that the stream has."""

    position: int
    msg_id: str
    sequence: int
    """Its place in the stream; that of the first copy, if it was published twice."""


@dataclass(slots=True)
class RelayCounters:
    """What happened since the start; only ever rises."""

    sent: int = 0
    acked: int = 0
    duplicates: int = 0
    failed: int = 0
    """Refused, timed out, or not sent: left for the sweep."""


OnAcked = Callable[[list[int]], None]
OnFailed = Callable[[list[int], str], None]


class Relay:
    """Publishes events and reports which the stream has.

    One inbox serves all publishes: the last token of a PubAck's subject says which it answers.
    Reports come in any order of positions; the same event may be published twice, by a sweep
    that overtakes us, and is then reported twice.

    Args:
        nc: the connection.
        on_acked: gets the positions that the stream has, in batches; must not block.
        on_failed: gets positions that were refused or not answered, and why; for counting.
        in_flight: unanswered publishes at most; then `publish` waits.
        timeout: for one answer. The client library's own futures have none: an answer lost in a
            reconnect would hold its slot for ever.
        linger: how long to collect acks before a report.
    """

    def __init__(
        self,
        nc: Client,
        on_acked: OnAcked,
        *,
        on_failed: OnFailed | None = None,
        in_flight: int = DEFAULT_IN_FLIGHT,
        timeout: timedelta = DEFAULT_TIMEOUT,
        linger: timedelta = DEFAULT_LINGER,
    ) -> None:
        self.counters = RelayCounters()
        self._nc = nc
        self._on_acked = on_acked
        self._on_failed = on_failed
        self._limit = in_flight
        self._timeout = timeout.total_seconds()
        self._linger = linger.total_seconds()
        self._waiting: dict[str, tuple[float, int, str]] = {}
        """Answer token -> (deadline, position, message id); oldest first: all wait equally long."""
        self._serial = 0
        self._inbox = ""
        self._sub: Subscription | None = None
        self._acked: list[int] = []
        self._report: asyncio.TimerHandle | None = None
        self._expiry: asyncio.TimerHandle | None = None
        self._changed = asyncio.Event()
        self._newest: tuple[int, str, bytes] | None = None
        """Position, message id and answer: read only when somebody asks."""

    @property
    def newest(self) -> Acknowledged | None:
        """The event with the highest position that the stream has acknowledged so far."""
        if self._newest is None:
            return None
        position, msg_id, answer = self._newest
        sequence = _SEQUENCE.search(answer)
        return None if sequence is None else Acknowledged(position, msg_id, int(sequence[1]))

    @property
    def in_flight(self) -> int:
        """Publishes without an answer yet."""
        return len(self._waiting)

    async def start(self) -> None:
        """Open the inbox."""
        if self._sub is None:
            self._inbox = f"{self._nc.new_inbox()}."
            self._sub = await self._nc.subscribe(f"{self._inbox}*", cb=self._answered)

    async def stop(self, grace: timedelta = timedelta(seconds=2)) -> None:
        """Wait for answers, report, and close; what is unanswered then is left for the sweep."""
        try:
            async with asyncio.timeout(grace.total_seconds()):
                await self.settled()
        except TimeoutError:
            _log.info("%d publishes are left for the sweep", len(self._waiting))
        self._expire(everything=True)
        if self._report is not None:
            self._report.cancel()
            self._report_acked()
        sub, self._sub = self._sub, None
        if sub is not None and not self._nc.is_closed:
            await sub.unsubscribe()

    async def settled(self) -> None:
        """Return once every publish was answered or has timed out."""
        while self._waiting:
            self._changed.clear()
            await self._changed.wait()

    async def publish(self, messages: Iterable[Outgoing]) -> int:
        """Send messages, in order, without waiting for their answers.

        Waits while too many are unanswered, which ends at the latest when they time out. While
        the bus is away nothing is sent or buffered: all is left for the sweep.

        Returns:
            How many were sent. Which of those arrived is told to `on_acked`.
        """
        sent = 0
        for message in messages:
            while len(self._waiting) >= self._limit:
                self._changed.clear()
                await self._changed.wait()
            if self._sub is None or not self._nc.is_connected:
                self._failed([message.position], "the bus is not connected")
                continue
            sent += await self._send(message)
        self.counters.sent += sent
        return sent

    async def _send(self, message: Outgoing) -> bool:
        headers = {
            MESSAGE_ID: message.msg_id,
            CONTENT_TYPE: _CLOUDEVENT,
            POSITION: str(message.position),
        }
        if message.headers:
            headers.update(message.headers)
        self._serial += 1
        token = str(self._serial)
        loop = asyncio.get_running_loop()
        # Noted before it is sent: the answer may come while the client waits to flush.
        self._waiting[token] = (loop.time() + self._timeout, message.position, message.msg_id)
        if self._expiry is None:
            self._expiry = loop.call_later(self._timeout, self._expire)
        try:
            await self._nc.publish(
                message.subject, message.payload, reply=self._inbox + token, headers=headers
            )
        except nats_errors.Error as error:
            self._waiting.pop(token, None)
            self._failed([message.position], repr(error))
            return False
        return True

    async def _answered(self, answer: Msg) -> None:
        waited = self._waiting.pop(answer.subject[len(self._inbox) :], None)
        if waited is None:
            return  # timed out before; the sweep has it, and the stream drops the repeat
        self._changed.set()
        position = waited[1]
        # A PubAck is {"stream":...,"seq":...}: decoding each would double the cost of an ack.
        if answer.headers is None and b'"error"' not in answer.data and answer.data:
            self.counters.acked += 1
            self.counters.duplicates += b'"duplicate"' in answer.data
            self._acked.append(position)
            if self._newest is None or position > self._newest[0]:
                self._newest = (position, waited[2], answer.data)
            if self._report is None:
                loop = asyncio.get_running_loop()
                self._report = loop.call_later(self._linger, self._report_acked)
        else:
            self._failed([position], _why(answer))

    def _report_acked(self) -> None:
        self._report = None
        acked, self._acked = self._acked, []
        if acked:
            self._on_acked(acked)

    def _expire(self, *, everything: bool = False) -> None:
        loop = asyncio.get_running_loop()
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        now = loop.time()
        late = []
        for token, (deadline, position, _) in list(self._waiting.items()):
            if deadline > now and not everything:
                self._expiry = loop.call_at(deadline, self._expire)
                break
            del self._waiting[token]
            late.append(position)
        if late:
            self._changed.set()
            self._failed(late, "no answer in time")

    def _failed(self, positions: list[int], why: str) -> None:
        self.counters.failed += len(positions)
        _log.debug("%d publishes are left for the sweep: %s", len(positions), why)
        if self._on_failed is not None:
            self._on_failed(positions, why)


def _why(answer: Msg) -> str:
    if not answer.data:
        return "no stream takes this subject"
    try:
        read_answer(answer.subject, answer.data)
    except ApiError as error:
        return error.description
    return f"strange answer {answer.data[:80]!r}"
