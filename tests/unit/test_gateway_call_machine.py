"""A call in any order of events: nothing takes effect twice, and nobody is left without an end."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from support.call_world import KINDS, CallWorld, Kind
from typing_extensions import override

LIVES = 400
"""Random lives per kind: a millisecond each."""

FATES = ("leave", "land", "land", "land", "give up", "refuse")

Choose = Callable[[Sequence[Any]], Any]


def _by(data: st.DataObject) -> Choose:
    return lambda some: data.draw(st.sampled_from(some))


class Calls(RuleBasedStateMachine):
    """Hypothesis plays network, tool, processes and people, and shrinks what it finds."""

    @initialize(kind=st.sampled_from(KINDS))
    def begun(self, kind: Kind) -> None:
        self.world = CallWorld(kind)
        self.world.attempt()

    @precondition(lambda self: self.world.sendings)
    @rule(data=st.data(), fate=st.sampled_from(FATES))
    def a_request_meets_its_fate(self, data: st.DataObject, fate: str) -> None:
        meet(self.world, _by(data), fate)

    @precondition(lambda self: any(s.answer for s in self.world.sendings))
    @rule(data=st.data(), lost=st.booleans())
    def an_answer_comes_back_or_does_not(self, data: st.DataObject, *, lost: bool) -> None:
        answer(self.world, _by(data), lost=lost)

    @precondition(lambda self: self.world.ghosts)
    @rule(data=st.data())
    def what_was_given_up_arrives_all_the_same(self, data: st.DataObject) -> None:
        haunt(self.world, _by(data))

    @precondition(lambda self: self.world.timers)
    @rule(data=st.data(), readable=st.booleans())
    def a_timer_fires(self, data: st.DataObject, *, readable: bool) -> None:
        attempt, name = data.draw(st.sampled_from(sorted(self.world.timers)))
        self.world.fire(attempt, name, readable=readable)

    @rule()
    def a_process_dies(self) -> None:
        self.world.end_process(self.world.process)

    @rule()
    def another_process_takes_over_while_the_first_stands_still(self) -> None:
        self.world.start_process()

    @precondition(lambda self: self.world.revision < 4)
    @rule()
    def somebody_else_changes_the_same(self) -> None:
        self.world.somebody_else()

    @rule()
    def the_grant_ends(self) -> None:
        self.world.stop = "the grant expired"

    @rule(retry=st.booleans(), accept=st.booleans(), data=st.data())
    def a_person_settles(self, *, retry: bool, accept: bool, data: st.DataObject) -> None:
        attempt = data.draw(st.integers(1, len(self.world.calls)))
        self.world.settle(attempt, retry=retry, accept_double=accept)

    @precondition(lambda self: self.world.may_attempt_again() and len(self.world.calls) < 4)
    @rule()
    def the_step_is_attempted_again(self) -> None:
        self.world.attempt()

    @invariant()
    def what_must_hold_holds(self) -> None:
        if hasattr(self, "world"):
            check(self.world)

    @override
    def teardown(self) -> None:
        if hasattr(self, "world"):
            bring_to_an_end(self.world)


TestCalls = pytest.mark.timeout(300)(Calls.TestCase)
TestCalls.settings = settings(max_examples=150, stateful_step_count=40)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_every_random_life_is_honest_and_comes_to_its_end(kind: Kind) -> None:
    """Longer lives than shrinking allows."""
    dice = random.Random(7)
    for _ in range(LIVES):
        world = CallWorld(kind)
        world.attempt()
        for _ in range(dice.randrange(60)):
            _live(world, dice)
            check(world)
        bring_to_an_end(world)


def _live(world: CallWorld, dice: random.Random) -> None:
    luck = dice.random()
    if luck < 0.3 and world.sendings:
        meet(world, dice.choice, dice.choice(FATES))
    elif luck < 0.5 and any(s.answer for s in world.sendings):
        answer(world, dice.choice, lost=dice.random() < 0.4)
    elif luck < 0.55 and world.ghosts:
        haunt(world, dice.choice)
    elif luck < 0.75 and world.timers:
        world.fire(*dice.choice(sorted(world.timers)), readable=dice.random() < 0.8)
    elif luck < 0.8:
        world.end_process(dice.choice(world.processes))
    elif luck < 0.83:
        world.start_process()
    elif luck < 0.84:
        world.somebody_else()
    elif luck < 0.85:
        world.stop = "the grant expired"
    elif luck < 0.93:
        attempt = dice.randint(1, len(world.calls))
        world.settle(attempt, retry=dice.random() < 0.7, accept_double=dice.random() < 0.05)
    elif world.may_attempt_again() and len(world.calls) < 4:
        world.attempt()


def meet(world: CallWorld, choose: Choose, fate: str) -> None:
    """A request that has not arrived yet arrives, is lost, or never leaves."""
    waiting = [s for s in world.sendings if s.answer is None]
    if not waiting:
        return
    sending = choose(waiting)
    match fate:
        case "leave":
            world.leave(sending)
        case "land":
            world.land(sending)
        case "refuse" if not sending.left:
            world.refuse(sending)
        case _:
            world.give_up(sending)


def haunt(world: CallWorld, choose: Choose) -> None:
    """A request arrives that nobody waits for any more."""
    ghost = choose(world.ghosts)
    world.ghosts.remove(ghost)
    world.land(ghost)


def answer(world: CallWorld, choose: Choose, *, lost: bool) -> None:
    """An answer reaches its sender, or is lost on the way."""
    sending = choose([s for s in world.sendings if s.answer is not None])
    if lost and sending.landed:
        world.give_up(sending)
    world.hear(sending)


def check(world: CallWorld) -> None:
    """At most one effect; what is said is so; something or somebody will bring it to its end."""
    assert world.effects <= 1 or world.accepted, f"took effect {world.effects} times"
    for number, call in enumerate(world.calls, start=1):
        settled = call.settled
        if call.ended == "succeeded" or (settled is not None and settled.applied):
            assert world.effects, "called applied, and nothing has happened"
        if call.ended is None:
            goes_on = any(attempt == number for attempt, _ in world.timers)
            person = call.uncertain is not None and call.uncertain.next == "human"
            assert goes_on or person, f"nothing will ever happen again: {call}"
    if world.kind.idempotence.value == "opaque" and not world.accepted:
        assert all(call.sends <= 1 for call in world.calls)


def bring_to_an_end(world: CallWorld) -> None:
    """From wherever a call is, it can be brought to its end; at most with a person's help."""
    for _ in range(200):
        check(world)
        open_calls = [n for n, call in enumerate(world.calls, start=1) if call.ended is None]
        if not open_calls:
            _is_what_is_said(world)
            return
        timers = sorted(t for t in world.timers if t[0] in open_calls)
        if timers:
            world.fire(*timers[0], readable=True)
        else:
            world.settle(open_calls[0], retry=False, accept_double=False)
    pytest.fail(f"does not come to an end: {world.said[-8:]}")


def _is_what_is_said(world: CallWorld) -> None:
    """Nobody who looked said no: so what the gateway itself calls not applied has not happened."""
    by_itself = [
        call.ended == "failed" or (call.settled is not None and call.settled.by == "probe")
        for call in world.calls
    ]
    for sending in [*world.ghosts, *(s for s in world.sendings if s.answer is None)]:
        if sending.incarnation not in world.dead:
            world.land(sending)  # Whoever still lives sends now, and what is on its way arrives.
    assert world.effects <= 1 or world.accepted, f"took effect {world.effects} times, at last"
    applied = any(
        call.ended == "succeeded" or (call.settled is not None and call.settled.applied)
        for call in world.calls
    )
    if all(by_itself) and not applied:
        assert not world.effects, "called not applied, and it has happened"
