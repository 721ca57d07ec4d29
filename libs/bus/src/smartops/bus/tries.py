"""What this process remembers of messages that failed before."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from smartops.bus.delivery import AckSubject

__all__ = ["Memory", "Tries"]

_CAPACITY = 8192


@dataclass(slots=True)
class Tries:
    """Of one message."""

    failures: int = 0
    """Unknown errors here."""
    excused: int = 0
    """Deliveries that ended in an outage: nobody's fault, so they count for nothing."""


class Memory:
    """Failures per message, the least recently failed forgotten first.

    The server's own count of deliveries also rises with outages, stops and lost connections, so
    parking by it would park innocent messages after a long outage. Counting here errs the other
    way: with several processes, or after a restart, a bad message gets some more tries.
    """

    def __init__(self, capacity: int = _CAPACITY) -> None:
        self._capacity = capacity
        self._tries: OrderedDict[tuple[str, str, int, int], Tries] = OrderedDict()

    def __len__(self) -> int:
        """How many messages are remembered."""
        return len(self._tries)

    def of(self, about: AckSubject) -> Tries:
        """The record of a message; a change to it is remembered."""
        key = _key(about)
        tries = self._tries.get(key)
        if tries is None:
            tries = self._tries[key] = Tries()
            if len(self._tries) > self._capacity:
                self._tries.popitem(last=False)
        self._tries.move_to_end(key)
        return tries

    def forget(self, about: AckSubject) -> None:
        """The message is done with."""
        self._tries.pop(_key(about), None)


def _key(about: AckSubject) -> tuple[str, str, int, int]:
    return about.stream, about.durable, about.sequence, about.stored_at_ns
