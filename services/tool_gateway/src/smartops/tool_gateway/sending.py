"""Sending a dispatched call, unless it has become too late or this process is another by now."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from smartops.contracts.ids import call_id
from smartops.eventstore.incarnation import Incarnation, seconds_since_boot
from smartops.eventstore.units import Trigger
from smartops.runtime.decision import Decision
from smartops.runtime.failpoints import reach
from smartops.runtime.reactor import Reactor
from smartops.runtime.recording import Cause
from smartops.tool_gateway import domain
from smartops.tool_gateway.admission import Admitted
from smartops.tool_gateway.carrying import Carrier
from smartops.tool_gateway.ports import Answer, Driver, NotApplied, Outbound, Unknown
from smartops.tool_gateway.state import Call
from smartops.tool_gateway.tools import Tool

__all__ = ["Fuse", "Sender"]

_log = logging.getLogger(__name__)

_OUTCOME = "tool_gateway.outcome"


@dataclass(frozen=True, slots=True)
class Fuse:
    """Until when, and as whom, a call may be sent; lit before its dispatch is committed.

    Two clocks count: one that also runs while the process or the machine stands still, and the
    wall's, which is put right after a virtual machine was paused. What is left: a machine paused
    with both of its clocks, going on before anybody has told it the time.

    Attributes:
        incarnation: in whose name it was dispatched.
        timeout: from now on.
    """

    incarnation: UUID
    timeout: timedelta
    boot: float
    wall: float

    @classmethod
    def lit(cls, incarnation: UUID, timeout: timedelta) -> Fuse:
        """A fuse that burns from now on."""
        return cls(incarnation, timeout, seconds_since_boot(), time.time())

    @property
    def left(self) -> timedelta:
        """Time that is left by the clock that is further."""
        gone = max(seconds_since_boot() - self.boot, time.time() - self.wall)
        return self.timeout - timedelta(seconds=gone)

    def burnt(self, holder: Incarnation) -> NotApplied | None:
        """Why nothing may be sent any more; None while it may."""
        if self.left <= timedelta(0):
            return NotApplied("too_late", "not sent: its deadline had passed", retryable=True)
        if not holder.holds(self.incarnation):
            why = "not sent: the process can no longer prove to the log that it lives"
            return NotApplied("fenced", why, retryable=True)
        return None


@dataclass(frozen=True, slots=True)
class _Guarded:
    """A driver that is asked only while the fuse burns, and that may ask again before it writes."""

    inner: Driver
    fuse: Fuse
    burnt: Callable[[], NotApplied | None]
    task: UUID

    async def call(self, outbound: Outbound) -> Answer | NotApplied | Unknown:
        if (late := self.burnt()) is not None:
            return late
        await reach("send.before", self.task)
        timeout = min(outbound.timeout, self.fuse.left)
        answer = await self.inner.call(
            replace(outbound, timeout=timeout, last_look=self.burnt, about=self.task)
        )
        await reach("apply.after" if isinstance(answer, Unknown) else "reply.after", self.task)
        return answer

    async def close(self) -> None:
        """The driver belongs to somebody else."""


class Sender:
    """Carries dispatched calls out, and records what came back.

    Args:
        calls: where calls are decided.
        carrier: speaks to the systems.
        incarnation: this life of the process.
    """

    def __init__(self, calls: Reactor[Call], carrier: Carrier, incarnation: Incarnation) -> None:
        self._calls = calls
        self._carrier = carrier
        self._incarnation = incarnation

    async def light(self, limit: timedelta) -> Fuse:
        """A fuse of this length in the name of this life; waits until there is one.

        Raises:
            StoreClosed: the process is going down.
        """
        return Fuse.lit(await self._incarnation.current(), limit)

    async def send(self, name: str, ident: UUID, tool: Tool, fuse: Fuse, entry: Admitted) -> None:
        """Send a call whose dispatch is on disk, record what came back, and free what it took."""
        answer: Answer | NotApplied | Unknown | None = None
        try:
            answer = await self._send(name, ident, tool, fuse)
        finally:
            entry.done(answer)

    async def _send(
        self, name: str, ident: UUID, tool: Tool, fuse: Fuse
    ) -> Answer | NotApplied | Unknown:
        folded = await self._calls.folds.load(name)
        sent = folded.state.dispatched
        if sent is None:
            raise ValueError(f"{name} was never dispatched")
        task = sent.facts.task
        guarded = _Guarded(tool.driver, fuse, lambda: fuse.burnt(self._incarnation), task)
        answer, took = await self._carrier.carry_out(
            name,
            sent.facts,
            sent.facts.arguments,
            replace(tool, driver=guarded),
            ident,
            key=sent.key,
        )
        trigger = Trigger(_OUTCOME, folded.ids[folded.topics.index(sent.type_key())])
        if sent.send > 1:
            trigger = Trigger(_OUTCOME, call_id(name, "outcome", "send", sent.send))

        async def decide(call: Call, _fresh: bool) -> Decision:  # noqa: FBT001
            return domain.conclude(call, ident, sent.send, answer, took)

        await reach("outcome.before", task)
        await self._calls.react(name, Cause(trigger, task), decide)
        await reach("outcome.after", task)
        settled = (await self._calls.folds.load(name)).state.settled
        if settled is not None and isinstance(answer, Answer) and not settled.applied:
            _log.warning("%s: was applied after %s had settled that not", name, settled.by)
        return answer
