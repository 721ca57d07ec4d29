"""Asking again, and asking higher up, while nobody decides. Pure.

When a plan is put before people, the times at which they are reminded, and at which others are
asked besides, are written down with it. One timer is set at a time, for the next of them. Whoever
has fired late says so; one that comes after the decision, or for another plan, changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import TypeAdapter
from smartops.contracts.events import (
    Prompt,
    TaskApprovalEscalated,
    TaskApprovalReminded,
    TaskApprovalRequired,
)
from smartops.contracts.wire import EventData
from smartops.policy.gate.quorum import tally
from smartops.policy.gate.state import Gate
from smartops.runtime.decision import NOTHING, Decision, SetTimer

__all__ = [
    "PROMPT_HANDLER",
    "Moment",
    "Schedule",
    "prompt",
    "prompt_name",
    "prompt_timer",
    "round_of",
]

PROMPT_HANDLER = "policy.prompts"
"""The timer of what happens while nobody decides."""

_ROLE = re.compile(r"[a-z][a-z0-9-]{0,62}")
_DURATION: TypeAdapter[timedelta] = TypeAdapter(timedelta)


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in the time to decide: a fraction of it, or so long after it began."""

    fraction: float | None = None
    after: timedelta | None = None

    @classmethod
    def parse(cls, text: str) -> Moment:
        """`0.5`, or a duration such as `PT2H`.

        Raises:
            ValueError: neither, or no time within.
        """
        text = text.strip()
        try:
            fraction = float(text)
        except ValueError:
            after = _DURATION.validate_python(text)
            if after <= timedelta(0):
                raise ValueError(f"{text!r} is no time after the question") from None
            return cls(after=after)
        if not 0 < fraction < 1:
            raise ValueError(f"{text!r} is no fraction between 0 and 1")
        return cls(fraction=fraction)

    def of(self, asked: datetime, expires: datetime) -> datetime:
        """When that is."""
        if self.after is not None:
            return asked + self.after
        return asked + (expires - asked) * (self.fraction or 0.0)


@dataclass(frozen=True, slots=True)
class Schedule:
    """When people are reminded, and who is asked besides, and when."""

    reminders: tuple[Moment, ...] = ()
    chain: tuple[tuple[str, Moment], ...] = ()
    """Roles, each with the moment from which it may decide, too."""

    @classmethod
    def parse(cls, reminders: str, chain: str) -> Schedule:
        """From settings: `0.5,0.9` and `senior-approver@0.75,duty-manager@PT20H`.

        Raises:
            ValueError: naming the part that is wrong.
        """
        steps = []
        for part in filter(None, map(str.strip, chain.split(","))):
            role, at, when = part.partition("@")
            if not at or not _ROLE.fullmatch(role):
                raise ValueError(f"{part!r} is no step up: write role@0.75 or role@PT2H")
            steps.append((role, Moment.parse(when)))
        moments = filter(None, map(str.strip, reminders.split(",")))
        return cls(tuple(map(Moment.parse, moments)), tuple(steps))

    def prompts(
        self, asked: datetime, expires: datetime, roles: Sequence[str]
    ) -> tuple[Prompt, ...]:
        """What will happen, in order of time; nothing at or after the end, nobody asked twice."""
        made = [Prompt(kind="remind", at=one.of(asked, expires)) for one in self.reminders]
        made += [
            Prompt(kind="escalate", role=role, at=when.of(asked, expires))
            for role, when in self.chain
            if role not in roles
        ]
        return tuple(sorted((one for one in made if one.at < expires), key=lambda one: one.at))


def round_of(number: int, returns: int) -> str:
    """How often a plan was put before people, for names: `1`; once it was returned, `1.1`."""
    return f"{number}.{returns}" if returns else f"{number}"


def prompt_name(number: int, index: int, returns: int = 0) -> str:
    """The name of the timer of a plan's prompt: each its own, for one that has fired is used up."""
    return f"prompt/{round_of(number, returns)}/{index}"


def prompt_timer(required: TaskApprovalRequired, index: int, returns: int = 0) -> list[SetTimer]:
    """The timer of a plan's prompt, if it has so many."""
    if index >= len(required.prompts):
        return []
    name = prompt_name(required.number, index, returns)
    return [SetTimer(name, required.prompts[index].at, PROMPT_HANDLER)]


def prompt(gate: Gate, timer: str, now: datetime) -> Decision:
    """Nobody has decided by then: remind, or ask others besides."""
    required = gate.required
    if required is None or not gate.open or now >= required.expires_at:
        return NOTHING
    if gate.prompted >= len(required.prompts):
        return NOTHING
    if timer != prompt_name(required.number, gate.prompted, gate.returns):
        return NOTHING
    due = required.prompts[gate.prompted]
    escalated = gate.escalated
    asked = (*required.roles, *escalated)
    event: EventData
    told = {
        "number": required.number,
        "plan_hash": required.plan_hash,
        "prompt": gate.prompted,
        "voices": len(tally(required, escalated, (voice.by for voice in gate.yes)).counted),
        "quorum": required.quorum,
        "left_ms": _ms(required.expires_at - now),
        "late_ms": _ms(now - due.at),
    }
    if due.kind == "escalate" and due.role is not None and due.role not in asked:
        event = TaskApprovalEscalated(**told, role=due.role, roles=(*asked, due.role))
    else:
        event = TaskApprovalReminded(**told, roles=asked)
    return Decision([event], timers=prompt_timer(required, gate.prompted + 1, gate.returns))


def _ms(span: timedelta) -> int:
    return max(0, span // timedelta(milliseconds=1))
