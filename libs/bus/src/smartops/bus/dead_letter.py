"""Telling of a message that was given up: where it stands and why, never what it says."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass

from nats.aio.client import Client
from smartops.bus.api import api_request
from smartops.bus.delivery import Delivery

__all__ = ["DeadLetter", "DeadLetters"]

_MAX_REASON = 300


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A reference to a message that was given up.

    It has no field for the payload, so that reading the queue needs no right to read the stream.
    """

    stream: str
    sequence: int
    durable: str
    deliveries: int
    subject: str
    reason: str


class DeadLetters:
    """Publishes dead letters, each at most once per message and durable.

    Args:
        nc: the connection.
        subject: from stream and durable to the subject of their dead letters; the contracts'
            `Subjects.parked`.
    """

    def __init__(self, nc: Client, subject: Callable[[str, str], str]) -> None:
        self._nc = nc
        self._subject = subject

    async def tell(self, delivery: Delivery, reason: str) -> DeadLetter:
        """Store a dead letter; returns once the stream has it.

        Repeats within the stream's duplicate window are dropped there by message id.

        Raises:
            ApiError: it is not stored; the caller must not give the message up yet.
        """
        about = delivery.about
        letter = DeadLetter(
            stream=about.stream,
            sequence=about.sequence,
            durable=about.durable,
            deliveries=about.deliveries,
            subject=delivery.message.subject,
            reason=" ".join(reason.split())[:_MAX_REASON],
        )
        await api_request(
            self._nc,
            self._subject(about.stream, about.durable),
            json.dumps(asdict(letter)).encode(),
            headers={
                "Nats-Msg-Id": f"{about.stream}:{about.durable}:{about.sequence}:"
                f"{about.stored_at_ns}",
                "content-type": "application/json",
            },
        )
        return letter
