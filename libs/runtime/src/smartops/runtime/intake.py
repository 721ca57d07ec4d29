"""Whether the event stream takes what is published, as far as its answers tell.

A bus that runs may take nothing: its disk is full, or a write has failed and the stream is closed
until the server is restarted. Then publishing everything again each second would only add to its
troubles; one message at a time is enough to hear that it is well again.
"""

from __future__ import annotations

from datetime import timedelta

__all__ = ["Intake"]


class Intake:
    """What was heard last.

    Args:
        patience: how long an answer is waited for.
    """

    def __init__(self, patience: timedelta) -> None:
        self._patience_s = patience.total_seconds()
        self._acked_at = float("-inf")
        self._refused: str | None = None

    @property
    def trouble(self) -> str | None:
        """Why nothing is taken, with what to do about it; None when it is, or nobody knows."""
        if self._refused is None:
            return None
        return (
            f"the event stream takes nothing ({self._refused}): see that its disk has room, then"
            " restart the bus if it does not recover; events wait in the outbox meanwhile"
        )

    def acked(self, now: float) -> None:
        """Something was taken.

        Args:
            now: of a clock that only goes forward, in seconds.
        """
        self._acked_at = now
        self._refused = None

    def failed(self, why: str, now: float) -> None:
        """Something was not taken, or its answer is late by now.

        What was sent before the last acknowledgement says nothing about now: its answer may have
        been lost with a connection.
        """
        if now - self._patience_s > self._acked_at:
            self._refused = why

    def forget(self) -> None:
        """It is another server now, perhaps: whatever was heard does not count."""
        self._refused = None
