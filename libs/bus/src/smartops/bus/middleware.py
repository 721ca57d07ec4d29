"""From what a handler raised to what the server is told: the one place that decides it.

returns                  ack
Retryable(retry_after)   give back, after retry_after or 1 s, 2 s, 4 s .. 60 s
Outage, lost connection  give back soon, and rest the loop; no try is spent
Terminal, broken contract  park, tell the dead-letter stream, terminate
anything else            give back as above; at the last try as for Terminal
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from enum import StrEnum
from time import perf_counter
from typing import Any, Protocol

from nats import errors as nats_errors
from nats.aio.msg import Msg
from smartops.bus.api import ApiError
from smartops.bus.backoff import growing_delay
from smartops.bus.dead_letter import DeadLetters
from smartops.bus.delivery import Delivery
from smartops.bus.errors import Outage, Retryable, Terminal
from smartops.bus.tries import Memory
from smartops.contracts.errors import ContractError

__all__ = ["ErrorMapping", "OnOutcome", "Outcome", "Park", "Rests", "Translate"]

_log = logging.getLogger(__name__)

DEFAULT_TRIES = 8
"""Unknown errors before a message is parked: with growing delays about two minutes."""

_OUTAGE_DELAY = timedelta(seconds=1)
"""Short: the loop rests, so only another process can get it earlier."""
_NEWER_VERSION_DELAY = timedelta(seconds=60)
"""A newer process must handle it; a roll-out takes minutes."""


class Outcome(StrEnum):
    """How a delivery ended; a label with few values, fit for metrics."""

    ACKED = "acked"
    RETRIED = "retried"
    OUTAGE = "outage"
    TERMINATED = "terminated"
    """Parked because it can never succeed."""
    PARKED = "parked"
    """Parked because it failed too often."""
    LOST = "lost"
    """The decision could not be sent; the server will deliver again."""


class Rests(Protocol):
    """As much of the pull loop as an outage needs."""

    def outage(self, reason: str) -> None:
        """Stop asking for a while."""


Park = Callable[[str, Delivery, str], Awaitable[None]]
"""Writes down, for ever, that a durable gave a message up: (durable, delivery, reason)."""
Translate = Callable[[Exception], Exception | None]
"""Turns errors of other libraries into Retryable, Outage or Terminal; None: not known there."""
OnOutcome = Callable[[str, Outcome, float], None]
"""(durable, outcome, seconds from arrival to decision)."""


class ErrorMapping:
    """Runs handlers and decides about their messages. One object serves all durables of a process.

    Args:
        dead_letters: where a message that is given up is told of.
        park: called before a message is given up, and must have written it down when it returns;
            None where nothing but the dead letter remembers it.
        translate: see `Translate`; asked first.
        on_outcome: called once per delivery, after the decision was sent.
        tries: unknown errors in this process before a message is parked.
    """

    def __init__(
        self,
        dead_letters: DeadLetters,
        *,
        park: Park | None = None,
        translate: Translate | None = None,
        on_outcome: OnOutcome | None = None,
        tries: int = DEFAULT_TRIES,
    ) -> None:
        self._dead_letters = dead_letters
        self._park = park
        self._translate = translate
        self._on_outcome = on_outcome
        self._limit = tries
        self._memory = Memory()

    async def run(
        self, durable: str, delivery: Delivery, call: Callable[[Msg], Awaitable[Any]], pull: Rests
    ) -> Outcome:
        """Call a handler with the raw message, and decide; raises nothing but a cancellation."""
        began = perf_counter()
        try:
            try:
                await call(delivery.message)
            except Exception as error:  # noqa: BLE001 - all errors end here; that is the point
                outcome = await self._settle(durable, delivery, error, pull)
            else:
                await delivery.ack()
                outcome = Outcome.ACKED
                if self._memory:
                    self._memory.forget(delivery.about)
        except nats_errors.Error as error:
            _log.info("%s: decision not sent: %r", durable, error)
            outcome = Outcome.LOST
        if self._on_outcome is not None:
            self._on_outcome(durable, outcome, perf_counter() - began)
        return outcome

    async def _settle(
        self, durable: str, delivery: Delivery, error: Exception, pull: Rests
    ) -> Outcome:
        known = self._known(error)
        match known:
            case Outage():
                return await self._rest(delivery, known, pull)
            case Retryable():
                return await self._retry(durable, delivery, known)
            case Terminal():
                return await self._give_up(durable, delivery, known.reason, known.reason, pull)
            case _:
                return await self._unknown(durable, delivery, error, pull)

    def _known(self, error: Exception) -> Exception | None:
        if self._translate is not None:
            error = self._translate(error) or error
        match error:
            case Outage() | Retryable() | Terminal():
                return error
            case ContractError() if error.retryable:
                return Retryable(str(error), retry_after=_NEWER_VERSION_DELAY)
            case ContractError():
                return Terminal(f"{error.code}: {error}")
            case nats_errors.Error():
                return Outage("bus", repr(error))
            case ApiError() if error.retryable:
                return Outage("bus", str(error))
            case _:
                return None

    async def _rest(self, delivery: Delivery, outage: Outage, pull: Rests) -> Outcome:
        self._memory.of(delivery.about).excused += 1
        pull.outage(str(outage))
        await delivery.nak(_OUTAGE_DELAY)
        return Outcome.OUTAGE

    async def _retry(self, durable: str, delivery: Delivery, error: Retryable) -> Outcome:
        delay = error.retry_after
        if delay is None:
            delay = self._growing(delivery)
        _log.info("%s: %s; again in %s", durable, error, delay)
        await delivery.nak(delay)
        return Outcome.RETRIED

    async def _unknown(
        self, durable: str, delivery: Delivery, error: Exception, pull: Rests
    ) -> Outcome:
        tries = self._memory.of(delivery.about)
        tries.failures += 1
        _log.error(
            "%s: try %d of %d of message %d failed",
            durable,
            tries.failures,
            self._limit,
            delivery.about.sequence,
            exc_info=error,
        )
        if tries.failures < self._limit:
            await delivery.nak(self._growing(delivery))
            return Outcome.RETRIED
        # What an unknown error says may quote the payload: that stays out of the dead letter.
        told = f"failed {tries.failures} times: {type(error).__name__}"
        outcome = await self._give_up(durable, delivery, f"{told}: {error}", told, pull)
        return Outcome.PARKED if outcome is Outcome.TERMINATED else outcome

    async def _give_up(
        self, durable: str, delivery: Delivery, reason: str, told: str, pull: Rests
    ) -> Outcome:
        """Park, tell, terminate, in this order: what is terminated is already known elsewhere."""
        try:
            if self._park is not None:
                await self._park(durable, delivery, reason)
            await self._dead_letters.tell(delivery, told)
        except Exception as error:  # noqa: BLE001 - whatever it was, the message must not vanish
            known = self._known(error)
            # A dead-letter stream that does not answer must not rest the loop: all other
            # messages can still succeed.
            if isinstance(known, Outage) and not isinstance(error, ApiError):
                return await self._rest(delivery, known, pull)
            _log.exception("%s: cannot give message %d up", durable, delivery.about.sequence)
            await delivery.nak(self._growing(delivery))
            return Outcome.RETRIED
        _log.error("%s: gave message %d up: %s", durable, delivery.about.sequence, told)
        self._memory.forget(delivery.about)
        await delivery.term(told)
        return Outcome.TERMINATED

    def _growing(self, delivery: Delivery) -> timedelta:
        about = delivery.about
        excused = self._memory.of(about).excused
        return growing_delay(about.deliveries - excused)
