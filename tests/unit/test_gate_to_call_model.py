"""A task from its plans to its calls, in any order: nothing goes out that was not agreed to."""

from __future__ import annotations

import random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from support.gate_model import GateModel
from support.line_tools import Choose
from typing_extensions import override

LIVES = 40
"""Random lives per seed: some ten milliseconds each."""

PLANS = ("as asked",) * 12 + ("as it likes", "wrong", "unasked", "unasked")
CARES = (
    *("pause", "resume", "resume", "late", "late", "late"),
    *("settle", "settle", "overdue", "expire", "expire", "expire"),
)
STOPS = ("cancel", "keep", "revoke", "halt")


def _by(data: st.DataObject) -> Choose:
    return lambda some: data.draw(st.sampled_from(some))


class Task(RuleBasedStateMachine):
    """Hypothesis plays planner, people, clock and network, and shrinks what it finds."""

    @initialize()
    def begin(self) -> None:
        self.task = GateModel()

    @rule(data=st.data(), how=st.sampled_from(PLANS))
    def a_plan_arrives(self, data: st.DataObject, how: str) -> None:
        self.task.a_plan_arrives(_by(data), how)

    @precondition(lambda self: self.task.gate.required)
    @rule(data=st.data())
    def somebody_decides(self, data: st.DataObject) -> None:
        self.task.a_voice(_by(data))

    @precondition(lambda self: self.task.gate.required)
    @rule(data=st.data())
    def somebody_edits(self, data: st.DataObject) -> None:
        self.task.somebody_edits(_by(data))

    @precondition(lambda self: self.task.gate.required)
    @rule(data=st.data())
    def somebody_breaks_the_glass(self, data: st.DataObject) -> None:
        self.task.somebody_breaks_the_glass(_by(data))

    @rule(data=st.data())
    def a_voice_is_handed_over(self, data: st.DataObject) -> None:
        self.task.people.delegate(_by(data), self.task.now)

    @rule(data=st.data())
    def a_voice_is_taken_back(self, data: st.DataObject) -> None:
        self.task.people.end_delegation(_by(data))

    @rule(data=st.data())
    def a_word_is_given_beforehand(self, data: st.DataObject) -> None:
        self.task.people.give_word(_by(data), self.task.now)

    @rule(data=st.data())
    def a_word_is_taken_back(self, data: st.DataObject) -> None:
        self.task.people.take_word_back(_by(data))

    @rule(minutes=st.sampled_from([1, 31, 46, 70]))
    def time_passes(self, minutes: int) -> None:
        self.task.time_passes(minutes)

    @rule(data=st.data())
    def a_timer_fires(self, data: st.DataObject) -> None:
        self.task.a_timer_fires(_by(data))
        self.task.a_stale_timer_fires(_by(data))

    @precondition(lambda self: self.task.line)
    @rule(data=st.data(), often=st.sampled_from([1, 5, 15]))
    def the_run_goes_on(self, data: st.DataObject, often: int) -> None:
        for _ in range(often):
            self.task.the_run(lambda line: line.go_on(_by(data)))

    @precondition(lambda self: self.task.line)
    @rule(data=st.data())
    def something_goes_wrong(self, data: st.DataObject) -> None:
        self.task.the_run(lambda line: line.go_wrong(_by(data)))

    @rule(what=st.sampled_from(STOPS), sure=st.integers(0, 3))
    def a_person_stops_it(self, what: str, sure: int) -> None:
        if sure == 0:
            self.task.step_in(what)

    @precondition(lambda self: self.task.line)
    @rule(what=st.sampled_from(CARES), data=st.data())
    def a_person_sees_to_the_run(self, what: str, data: st.DataObject) -> None:
        self.task.somebody_sees_to_the_run(_by(data), what)

    @precondition(lambda self: self.task.line)
    @rule(data=st.data())
    def somebody_asks_for_what_was_granted_once(self, data: st.DataObject) -> None:
        self.task.somebody_asks_for_a_step(_by(data))

    @invariant()
    def what_must_hold_holds(self) -> None:
        if hasattr(self, "task"):
            self.task.check()

    @override
    def teardown(self) -> None:
        if hasattr(self, "task"):
            self.task.bring_to_an_end(lambda some: some[0])
            self.task.the_log_tells_the_whole_state()


TestTask = pytest.mark.timeout(300)(Task.TestCase)
TestTask.settings = settings(max_examples=60, stateful_step_count=40)


@pytest.mark.parametrize("seed", range(8))
def test_every_random_task_is_carried_out_as_agreed_or_not_at_all(seed: int) -> None:
    """Longer lives than shrinking allows, mostly of people who decide."""
    dice = random.Random(seed)
    for _ in range(LIVES):
        task = GateModel()
        for _ in range(dice.randrange(4)):
            task.people.delegate(dice.choice, task.now)
            task.people.give_word(dice.choice, task.now)
            if dice.random() < 0.4:
                task.people.take_word_back(dice.choice)
        for _ in range(dice.randrange(120)):
            _live(task, dice)
            task.check()
        task.bring_to_an_end(dice.choice)
        task.the_log_tells_the_whole_state()


def _live(task: GateModel, dice: random.Random) -> None:
    choose, luck = dice.choice, dice.random()
    if luck < 0.15:
        task.a_plan_arrives(choose, choose(PLANS))
    elif luck < 0.40:
        task.a_voice(choose)
    elif luck < 0.43:
        task.somebody_edits(choose)
    elif luck < 0.44:
        task.somebody_breaks_the_glass(choose)
    elif luck < 0.50:
        choose((task.people.delegate, task.people.give_word))(choose, task.now)
    elif luck < 0.52:
        choose((task.people.end_delegation, task.people.take_word_back))(choose)
    elif luck < 0.58:
        task.time_passes(choose((1, 16, 31, 46)))
    elif luck < 0.64:
        task.a_timer_fires(choose)
        task.a_stale_timer_fires(choose)
    elif luck < 0.86:
        for _ in range(choose((1, 4, 12))):
            task.the_run(lambda line: line.go_on(choose))
    elif luck < 0.90:
        task.the_run(lambda line: line.go_wrong(choose))
    elif luck < 0.93:
        task.somebody_asks_for_a_step(choose)
    elif luck < 0.98:
        task.somebody_sees_to_the_run(choose, choose(CARES))
    elif dice.random() < 0.5:
        task.step_in(choose(STOPS))
