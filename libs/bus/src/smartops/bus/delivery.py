"""One delivered message, and the one decision about it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import NamedTuple, Protocol

from nats.aio.msg import Msg

__all__ = ["AckSubject", "Delivery", "Publishes", "read_ack_subject"]

_V1_TOKENS = 9
_V2_MIN_TOKENS = 11
_MAX_REASON = 200
"""Longest reason we send, in characters: it ends up in an advisory."""


class Publishes(Protocol):
    """As much of a connection as a decision needs."""

    async def publish(self, subject: str, payload: bytes = b"") -> None:
        """Send without waiting for an answer."""


class AckSubject(NamedTuple):
    """What the server tells us in the reply subject of a delivery."""

    stream: str
    durable: str
    deliveries: int
    """How often this message was delivered, with this time: 1 is the first."""
    sequence: int
    """Its place in the stream."""
    stored_at_ns: int
    """When the stream stored it. With the sequence it names the message for good, even if the
    stream is made anew and counts from one again."""


def read_ack_subject(reply: str) -> AckSubject:
    """Read either form that servers use.

    `$JS.ACK.<stream>.<durable>.<deliveries>.<sequence>.<...>` has nine tokens. The later form
    puts domain and account before the stream and has at least eleven.

    Raises:
        ValueError: it is neither; the message did not come from a consumer.
    """
    tokens = reply.split(".")
    skip = 4 if len(tokens) >= _V2_MIN_TOKENS else 2
    if tokens[:2] != ["$JS", "ACK"] or (skip == 2 and len(tokens) != _V1_TOKENS):  # noqa: PLR2004
        raise ValueError(f"{reply!r} is not the reply subject of a delivery")
    stream, durable, deliveries, sequence, _, stored = tokens[skip : skip + 6]
    return AckSubject(stream, durable, int(deliveries), int(sequence), int(stored))


class Delivery:
    """A message on loan from the stream. The first decision counts; later ones do nothing.

    Decisions are sent, not confirmed: if one is lost, the server delivers again after
    `ack_wait`, and the receiver's inbox recognises the repeat.
    """

    __slots__ = ("_about", "_decided", "_nc", "message", "renewed", "started")

    def __init__(self, nc: Publishes, message: Msg, started: float) -> None:
        """Wrap a raw message.

        Args:
            nc: where decisions are sent.
            message: the raw message; its `reply` is the ack subject.
            started: loop time of arrival, in seconds.
        """
        self._nc = nc
        self._about: AckSubject | None = None
        self._decided = False
        self.message = message
        self.started = started
        self.renewed = started
        """Loop time of the last sign of life sent to the server."""

    @property
    def about(self) -> AckSubject:
        """Stream, durable, number of deliveries, sequence; parsed when first asked for."""
        if self._about is None:
            self._about = read_ack_subject(self.message.reply)
        return self._about

    @property
    def decided(self) -> bool:
        """Whether acked, given back or terminated, through us or on the raw message itself."""
        return self._decided or self.message.is_acked

    async def ack(self) -> None:
        """It is done."""
        await self._decide(b"")

    async def nak(self, delay: timedelta = timedelta(0)) -> None:
        """Give it back, to be delivered again after `delay`."""
        nanoseconds = int(delay.total_seconds() * 1e9)
        await self._decide(
            b"-NAK " + json.dumps({"delay": nanoseconds}).encode() if nanoseconds > 0 else b"-NAK"
        )

    async def term(self, reason: str) -> None:
        """Never deliver it again; the reason shows in the server's advisory."""
        await self._decide(b"+TERM " + " ".join(reason.split())[:_MAX_REASON].encode())

    async def working(self) -> None:
        """Reset the server's ack timer: it is still being worked on."""
        if not self.decided:
            await self._nc.publish(self.message.reply, b"+WPI")

    async def _decide(self, payload: bytes) -> None:
        if self.decided:
            return
        await self._nc.publish(self.message.reply, payload)
        self._decided = True
