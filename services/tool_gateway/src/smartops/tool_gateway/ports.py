"""What the gateway needs of the world: something that carries a call out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from pydantic import JsonValue
from smartops.contracts.wire import JsonObject

__all__ = ["Answer", "Driver", "NotApplied", "Outbound", "Unknown"]


@dataclass(frozen=True, slots=True)
class Outbound:
    """One call on its way to a tool."""

    tool: str
    target: str
    arguments: JsonObject
    """References already resolved: never stored, never logged."""
    key: UUID
    """Idempotency key, the same for every attempt at the step."""
    headers: Mapping[str, str]
    """Correlation: call, task, grant, tenant."""
    timeout: timedelta
    max_bytes: int | None = None
    """Longest answer that may be read; None leaves it to the driver."""
    last_look: Callable[[], NotApplied | None] | None = None
    """Asked right before the first byte leaves: why it must not, if so. None: for reads."""
    about: UUID | None = None
    """The task, for proofs that end this process in the middle of a call."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The tool said that it has done it."""

    output: JsonValue


@dataclass(frozen=True, slots=True)
class NotApplied:
    """The tool definitely has not done it."""

    code: str
    message: str
    retryable: bool


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody can tell from here whether the tool has done it."""

    reason: str
    answered: bool = False
    """Something came back, of which nothing can be made: the system lives."""


class Driver(Protocol):
    """Carries calls to one kind of system."""

    async def call(self, outbound: Outbound) -> Answer | NotApplied | Unknown:
        """Carry one call out. Never raises for what the tool or the network does."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
