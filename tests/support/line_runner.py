"""The runner's part of the modelled line: what it claims is held against the world."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import UUID

from smartops.contracts.events import (
    BeforeState,
    TaskApprovalGranted,
    TaskCancelled,
    TaskCompleted,
    TaskConditionChecked,
    TaskEscalated,
    TaskFailed,
    TaskPreconditionsStale,
    TaskRolledBack,
    ToolCallRequested,
)
from smartops.contracts.folds import CallView, evolve_run
from smartops.contracts.plan import Plan
from smartops.contracts.wire import EventData
from smartops.policy.gate.controls import unmet
from smartops.policy.gate.replanning import gone_stale
from smartops.runner import domain as runs
from smartops.runner.proofs import before_state
from smartops.runner.queued import Look
from smartops.runner.state import Run
from smartops.runner.state import evolve as evolve_state
from smartops.runtime.decision import NOTHING, Decision
from smartops.tool_gateway import domain as calls
from support.grants import grant_for
from support.line_doubts import DoubtsSide
from support.line_gate import GateRecord, fold, granted_alone
from support.line_tools import PROVED, TOOLS
from support.plans import TASK

__all__ = ["MAX_REPLANS", "RunnerSide"]

MAX_REPLANS = 3


class RunnerSide(DoubtsSide):
    """A run, and what policy hears of it.

    Args:
        made: the plan.
        grant: under which it is carried out; None makes one.
        record: of the gate that has granted it; None makes one that has done no more than that.
    """

    def __init__(
        self,
        made: Plan,
        grant: TaskApprovalGranted | None = None,
        record: GateRecord | None = None,
    ) -> None:
        grant = grant or grant_for(made)
        super().__init__(made, grant, record or granted_alone(grant))
        self.record.hears.append(lambda: self.cues.append(self._heed))
        self.run_events: list[EventData] = []
        self.run = Run()
        self.cues.append(self._start)

    # ---- the runner ------------------------------------------------------------------------

    def _say_run(self, events: Sequence[EventData]) -> None:
        self.run_events += events
        self.run = fold(self.run, evolve_state, events)
        self.run_view = fold(self.run_view, evolve_run, events)
        self.requests |= {e.call: e for e in events if isinstance(e, ToolCallRequested)}

    def _start(self) -> None:
        self._look(Look())

    def _look(self, look: Look) -> Decision:
        """Its targets are free whenever it looks."""

        def decide(run: Run) -> Decision:
            if look.late(run):
                return NOTHING
            return runs.start(run, self.grant, TASK, self.gate, self.plan, self.now)

        return self._to_run(decide)

    def _heed(self) -> None:
        self._to_run(
            lambda run: runs.heed_gate(run, self.plan, TASK, self.gate, self.now), repeat=False
        )

    def _note(self, ident: UUID) -> None:
        view = self.view(ident)
        proof = self._proof(ident, view)
        self._to_run(lambda run: runs.note_outcome(run, self.plan, view, self.now, proof))

    def _proof(self, ident: UUID, view: CallView) -> BeforeState | None:
        """What taking a step back is held to, if it is one of those that can be read back."""
        step = self.plan.by_hash().get(self.requests[ident].step or "")
        if step is None or step.tool not in PROVED:
            return None
        return before_state(step, TOOLS["look"], view.before)

    def _heed_stale(self, told: TaskPreconditionsStale) -> None:
        """Policy hears that nothing was begun, and why."""
        for _ in range(2):
            decision = gone_stale(self.record.state, told, self.run_view, MAX_REPLANS)
            self.record.say(decision.events)
        assert not decision.events

    def _heed_condition(self, told: TaskConditionChecked) -> None:
        """Policy hears what was measured, twice."""
        for _ in range(2):
            decision = unmet(self.record.state, told)
            self.record.say(decision.events)
        assert not decision.events

    def _to_run(self, decide: Callable[[Run], Decision], *, repeat: bool = True) -> Decision:
        decision = decide(self.run)
        self._say_run(decision.events)
        self._set(None, decision)
        if repeat:
            again = decide(self.run)
            assert not again.events, f"a repeat says {again.events}"
        for event in decision.events:
            match event:
                case TaskCompleted():
                    self.world.check_completed(self.plan)
                case TaskFailed():
                    self.world.check_failed()
                case TaskRolledBack():
                    assert event.undone > 0, "called rolled back, but nothing was"
                    assert not any(self.world.standing.values()), (
                        "called rolled back, but it stands"
                    )
                case TaskCancelled():
                    self.world.check_cancelled(event, self.run)
                case TaskEscalated():
                    self.world.check_escalated(event, self.run)
                case TaskConditionChecked() as measured:
                    self.cues.append(lambda: self._heed_condition(measured))
                case TaskPreconditionsStale() as told:
                    assert not self.sent, "called stale, but something went out"
                    self.cues.append(lambda: self._heed_stale(told))
                case _:
                    pass
        return decision

    def _fire(self, owner: UUID | None, name: str) -> Decision:
        if owner is None:
            if (look := Look.of(name)) is not None:
                return self._look(look)
            if name.startswith("window/"):
                self.record.now = max(self.now, self.opens[name])
            return self._to_run(lambda run: runs.tick(run, self.plan, name, self.now))
        if name.startswith("deadline/"):
            return self._to_call(owner, lambda call: calls.answer_lost(call, owner, name))
        self._send_again(owner)
        return NOTHING
