"""Runner, gateway and gate together, in any order of events: what is claimed is what happened."""

from __future__ import annotations

import random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from smartops.contracts.bounds import Envelope
from smartops.contracts.events import TaskCompleted, TaskConditionChecked, ToolCallRequested
from smartops.contracts.wire import Purpose
from support.grants import grant_for
from support.line_model import LineModel
from support.line_tools import Choose, draw_plan
from typing_extensions import override

LIVES = 60
"""Random lives per seed: a few milliseconds each."""


def _by(data: st.DataObject) -> Choose:
    return lambda some: data.draw(st.sampled_from(some))


def _granted(choose: Choose) -> LineModel:
    """A run under a grant, with a condition or without."""
    made = draw_plan(choose)
    condition = choose((None, "error_rate < 1%", "http_200 >= 90% and not error_rate > 1%"))
    envelope = Envelope(max_targets=99, max_calls=999, condition=condition)
    return LineModel(made, grant_for(made, envelope=envelope))


class Line(RuleBasedStateMachine):
    """Hypothesis plays network, tools, clock and people, and shrinks what it finds."""

    @initialize(data=st.data())
    def granted(self, data: st.DataObject) -> None:
        self.line = _granted(_by(data))

    @rule(data=st.data())
    def it_goes_on(self, data: st.DataObject) -> None:
        self.line.go_on(_by(data))

    @rule(data=st.data(), often=st.integers(4, 20))
    def it_goes_on_for_a_while(self, data: st.DataObject, often: int) -> None:
        for _ in range(often):
            self.line.go_on(_by(data))

    @rule(data=st.data())
    def something_goes_wrong(self, data: st.DataObject) -> None:
        self.line.go_wrong(_by(data))

    @rule(data=st.data())
    def a_message_comes_again_and_changes_nothing(self, data: st.DataObject) -> None:
        self.line.repeat_a_message(_by(data))

    @rule(data=st.data())
    def a_stale_timer_fires_and_changes_nothing(self, data: st.DataObject) -> None:
        self.line.fire_a_stale_timer(_by(data))

    @rule(what=st.sampled_from(["pause", "resume", "resume", "cancel", "keep"]))
    def a_person_steps_in(self, what: str) -> None:
        self.line.step_in(what)

    @rule(what=st.sampled_from(["halt", "revoke", "expire", "overdue"]), sure=st.integers(0, 3))
    def something_grave_happens(self, what: str, sure: int) -> None:
        if sure == 0:
            self.line.step_in(what)

    @invariant()
    def what_must_hold_holds(self) -> None:
        if hasattr(self, "line"):
            _check(self.line)

    @override
    def teardown(self) -> None:
        if hasattr(self, "line"):
            self.line.bring_to_an_end()
            self.line.the_log_tells_the_whole_state()


TestLine = pytest.mark.timeout(300)(Line.TestCase)
TestLine.settings = settings(max_examples=60, stateful_step_count=30)


@pytest.mark.parametrize("seed", range(10))
def test_every_random_life_is_honest_and_comes_to_its_end(seed: int) -> None:
    """Longer lives than shrinking allows: mostly well, now and then a fault or a person."""
    dice = random.Random(seed)
    for _ in range(LIVES):
        line = _granted(dice.choice)
        for _ in range(dice.randrange(200)):
            _live(line, dice)
            _check(line)
        line.bring_to_an_end()
        line.the_log_tells_the_whole_state()


def _live(line: LineModel, dice: random.Random) -> None:
    luck = dice.random()
    if luck < 0.85:
        line.go_on(dice.choice)
    elif luck < 0.90:
        line.repeat_a_message(dice.choice)
    elif luck < 0.93:
        line.fire_a_stale_timer(dice.choice)
    elif luck < 0.95:
        line.go_wrong(dice.choice)
    elif luck < 0.99:
        line.step_in(dice.choice(("pause", "resume", "resume", "cancel", "keep")))
    elif luck < 0.995:
        line.step_in(dice.choice(("halt", "revoke", "expire", "overdue")))


def _check(line: LineModel) -> None:
    _check_condition(line)
    line.world.check_nothing_happened_twice()
    line.the_key_sent_to_a_tool_is_the_same_for_every_attempt()
    line.nobody_is_forgotten()


def _check_condition(line: LineModel) -> None:
    """What was known to be broken is never called completed, and nothing goes out after it."""
    said = [type(event) for event in line.run_events]
    broken = [
        place
        for place, event in enumerate(line.run_events)
        if isinstance(event, TaskConditionChecked) and event.outcome == "broken"
    ]
    if broken:
        later = line.run_events[broken[0] :]
        assert TaskCompleted not in said
        assert not any(
            isinstance(event, ToolCallRequested) and event.purpose is Purpose.DO for event in later
        )
