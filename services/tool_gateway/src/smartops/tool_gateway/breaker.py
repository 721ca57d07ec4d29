"""A circuit breaker per system operated on: who does not answer is left alone for a while.

Kept in memory by each process: it protects the system and our queues, not correctness.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from smartops.redact import MissingPersonal, UnknownSecret
from smartops.tool_gateway.bindings import NotBound
from smartops.tool_gateway.ports import Answer, NotApplied, Unknown

__all__ = ["FAILURES", "Breaker", "Breakers"]

FAILURES = 5
"""Calls in a row without a sign of life before it opens."""

_FIRST = timedelta(seconds=2)
_LONGEST = timedelta(minutes=1)
_SILENT = frozenset({"unreachable", "no_answer"})
_NOT_ASKED = frozenset(
    {
        "too_late",
        "fenced",
        "egress_refused",
        "no_connection_free",
        "not_carried_out_here",
        MissingPersonal.code,
        NotBound.code,
        UnknownSecret.code,
    }
)
"""Said on this side, before a byte had left: no sign of life, and none of death."""


@dataclass(slots=True)
class Breaker:
    """Of one system.

    Closed it lets all through; open none, until its pause is over; then one, which decides.
    """

    failures: int = 0
    opened: int = 0
    """How often in a row; each pause is twice as long as the one before."""
    until: float = 0.0
    trying: bool = False

    def wait(self, now: float) -> timedelta | None:
        """How long to wait before a call may go out; None: it may. Then its `heard` must follow.

        Args:
            now: of a clock that only goes forward, in seconds.
        """
        if self.opened == 0:
            return None
        if now < self.until:
            return timedelta(seconds=self.until - now)
        if self.trying:
            return _FIRST
        self.trying = True
        return None

    def heard(self, answer: Answer | NotApplied | Unknown, now: float) -> None:
        """What a call that went out came to."""
        match answer:
            case NotApplied(code=code) if code in _NOT_ASKED:
                self.trying = False
                return
            case NotApplied(code=code):
                silent = code in _SILENT
            case Unknown():
                silent = not answer.answered
            case Answer():
                silent = False
        if not silent:
            self.failures = self.opened = 0
            self.trying = False
            return
        self.failures += 1
        if self.trying or (self.opened == 0 and self.failures >= FAILURES):
            self.trying = False
            pause = min(_LONGEST, _FIRST * 2**self.opened)
            self.opened = min(self.opened + 1, 10)
            self.until = now + pause.total_seconds()

    def abandoned(self) -> None:
        """The call that was let through never went out."""
        self.trying = False


class Breakers:
    """One breaker per system; the names are those of drivers, so they are few."""

    def __init__(self) -> None:
        self._of: dict[str, Breaker] = {}

    def of(self, system: str) -> Breaker:
        """The system's breaker."""
        return self._of.setdefault(system, Breaker())

    def opened(self) -> dict[str, float]:
        """How often in a row each has opened, 0 of a closed one; for metrics."""
        return {name: one.opened for name, one in self._of.items()}
