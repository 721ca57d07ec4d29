"""What the server says about a pull request, instead of a message."""

from __future__ import annotations

from typing import NamedTuple, Self

from nats.aio.msg import Msg
from nats.js.api import Header
from typing_extensions import override

__all__ = ["EXPIRED", "HEARTBEAT", "Status"]

HEARTBEAT = "100"
EXPIRED = "408"
"""The request's time is over; what it still owed is handed back."""

_PENDING = "Nats-Pending-Messages"
_LINE_ENDS = ("\r", "\n")


class Status(NamedTuple):
    """A status message."""

    code: str
    """`100` heartbeat, `408` expired, `409` ended by the server, `503` no such consumer."""
    description: str
    pending: int
    """Messages that the ended request had still owed."""

    @classmethod
    def of(cls, message: Msg) -> Self:
        """Read a message that carries no ack subject."""
        headers = message.headers or {}
        # The client stores the description under a member of an enum whose hash is not that of
        # its text, so the text does not find it.
        description = headers.get(Header.DESCRIPTION) or headers.get("Description", "")
        if description.startswith(_LINE_ENDS):
            description = ""  # no text: the client took the next header line for it
        pending = headers.get(_PENDING, "0")
        return cls(
            headers.get("Status", "?"), description, int(pending) if pending.isdigit() else 0
        )

    @property
    def crowded(self) -> bool:
        """Whether one request was refused because too many linger; the others stand."""
        return self.code == "409" and self.description == "Exceeded MaxWaiting"

    @override
    def __str__(self) -> str:
        """For people."""
        known = {"503": "there is no such consumer, or JetStream is away"}
        return f"{self.code} {self.description or known.get(self.code, '')}".strip()
