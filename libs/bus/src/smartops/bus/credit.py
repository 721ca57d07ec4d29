"""How many messages may be asked for: the arithmetic of the pull loop, without any I/O."""

from __future__ import annotations

__all__ = ["Credit"]


class Credit:
    """Keeps `running + asked <= limit` for one durable, and `asked <= ahead`.

    *running* messages are with handlers, *asked* ones are requested from the server and neither
    delivered nor handed back. A request lingers at the server, so a message published while
    something is asked for needs no round trip.

    Args:
        concurrency: messages with handlers at once, at most.
        ahead: messages asked for at once, at most; None: as many as may run.
    """

    __slots__ = ("ahead", "asked", "concurrency", "limit", "running")

    def __init__(self, concurrency: int, ahead: int | None = None) -> None:
        if concurrency < 1:
            raise ValueError(f"concurrency must be at least 1, not {concurrency}")
        self.concurrency = concurrency
        self.ahead = concurrency if ahead is None else ahead
        self.limit = concurrency
        """Slots in use now: `concurrency`; one while probing after an outage; none in a pause."""
        self.running = 0
        self.asked = 0

    def due(self) -> int:
        """How many to ask for now; 0 is nothing.

        All there is room for as soon as nothing is asked for any more, otherwise only once half
        of it is free: requests that are sent together cost one write.
        """
        free = min(self.limit - self.running, self.ahead) - self.asked
        if free <= 0 or (self.asked and free < (min(self.limit, self.ahead) + 1) // 2):
            return 0
        return free

    def ask(self, count: int) -> None:
        """`count` were asked for."""
        self.asked += count

    def arrived(self) -> None:
        """One was delivered, and starts running."""
        self.asked = max(0, self.asked - 1)
        self.running += 1

    def declined(self) -> None:
        """One was delivered, and is given back without running."""
        self.asked = max(0, self.asked - 1)

    def finished(self) -> None:
        """One ended."""
        self.running -= 1

    def handed_back(self, count: int) -> None:
        """The server ended a request of which `count` were still owed."""
        self.asked = max(0, self.asked - count)

    def forget(self) -> None:
        """All requests are void: the inbox or the consumer they were for is gone."""
        self.asked = 0
