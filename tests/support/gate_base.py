"""A gate in the modelled world: what is decided there is written, and heard by the oracle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from smartops.contracts.events import StandingUsed, TaskApprovalGranted
from smartops.contracts.folds import GateView
from smartops.contracts.streams import parse_stream
from smartops.policy import domain
from smartops.policy.domain import Terms
from smartops.policy.gate.prompting import Schedule
from smartops.policy.gate.state import Gate
from smartops.runtime.decision import Decision, SetTimer
from support.gate_oracle import Oracle
from support.gate_people import People
from support.line_gate import GateRecord
from support.line_model import LineModel
from support.line_runner import MAX_REPLANS
from support.line_tools import Choose
from support.plans import TASK

__all__ = ["TERMS", "GateBase"]

TERMS = Terms(
    approval_ttl=timedelta(hours=1),
    grant_ttl=timedelta(hours=4),
    schedule=Schedule.parse("0.5", "duty-manager@0.75"),
    max_replans=MAX_REPLANS,
)


class GateBase:
    """One task.

    Attributes:
        record: of its gate.
        people: around it.
        lines: what became of each grant, the newest last.
    """

    def __init__(self) -> None:
        self.record, self.people = GateRecord(), People()
        self.record.look = self._founded
        self.oracle = Oracle(self.people)
        self.lines: list[LineModel] = []
        self.plans = self.oracle.plans
        self.timers: dict[str, datetime] = {}
        self.spent: set[str] = set()

    @property
    def gate(self) -> Gate:
        """As policy knows it."""
        return self.record.state

    @property
    def now(self) -> datetime:
        """The time, for everybody."""
        return self.record.now

    @property
    def line(self) -> LineModel | None:
        """The run that the grant in force is for, or the last that there was."""
        return self.lines[-1] if self.lines else None

    def gate_seen(self) -> GateView:
        """As the gateway knows it."""
        return self.record.look(self.record.view)

    def _founded(self, view: GateView) -> GateView:
        """As `tool_gateway.grounds` does."""
        grant = view.grant
        if grant is None or grant.standing is None:
            return view
        borne_out = self.people.standing(grant.standing).bears_out(TASK, grant)
        return view if borne_out else replace(view, unfounded=True)

    def _say(self, decision: Decision) -> bool:
        """Write what was decided, as one unit; whether that was anything."""
        assert not (decision.events and (decision.refusal or decision.answer))
        for other in decision.elsewhere:
            said = self.people.words[UUID(parse_stream(other.stream).id)]
            assert other.expected == len(said)
            said += [event for event in other.events if isinstance(event, StandingUsed)]
        for event in decision.events:
            self.oracle.hear(event, self.now)
        for timer in decision.timers:
            if isinstance(timer, SetTimer) and isinstance(timer.due, datetime):
                self.timers[timer.name] = timer.due
            else:
                self.timers.pop(timer.name, None)
                self.spent.add(timer.name)
        grants = [event for event in decision.events if isinstance(event, TaskApprovalGranted)]
        if grants:
            self.record.hears.clear()
        self.record.say(decision.events)
        for grant in grants:
            self.lines.append(LineModel(self.plans[grant.number], grant, self.record))
        return bool(decision.events)

    def _say_twice(self, decide: Callable[[Gate], Decision]) -> bool:
        """The same again changes nothing."""
        done = self._say(decide(self.gate))
        again = decide(self.gate)
        repeated = [event for event in again.events if not getattr(event, "unasked", False)]
        assert not repeated, f"a repeat says {repeated}"
        assert not again.elsewhere
        return done

    def through_the_line(self, does: Callable[[LineModel], object]) -> bool:
        """What the run has the gate say is heard by the oracle, too."""
        line, before = self.line, len(self.record.events)
        assert line is not None
        done = bool(does(line))
        for event in self.record.events[before:]:
            self.oracle.hear(event, self.now)
        return done

    # ---- time ------------------------------------------------------------------------------

    def time_passes(self, minutes: int) -> None:
        """And nothing else."""
        self.record.now += timedelta(minutes=minutes)

    def a_timer_fires(self, choose: Choose) -> bool:
        """One that is due, or late; whether that had an effect."""
        due = sorted(name for name, at in self.timers.items() if at <= self.now)
        return bool(due) and self._fire(choose(due))

    def a_stale_timer_fires(self, choose: Choose) -> None:
        """One that fired before, or was cancelled, changes nothing."""
        stale = sorted(self.spent - set(self.timers))
        if stale:
            name = choose(stale)
            assert not self._timed(self.gate, name, self.now).events

    def _fire(self, name: str) -> bool:
        due = self.timers.pop(name)
        self.spent.add(name)
        first = self._timed(self.gate, name, due)
        assert name not in {timer.name for timer in first.timers}, "a unit names its own trigger"
        return self._say_twice(lambda gate: self._timed(gate, name, due))

    def _timed(self, gate: Gate, name: str, due: datetime) -> Decision:
        if name.startswith("expiry/"):
            return domain.expire(gate, name, due, self.now)
        return domain.prompt(gate, name, self.now)
