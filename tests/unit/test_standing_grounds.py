"""A grant by a standing word holds at the gateway only if that word's own stream tells of it."""

from __future__ import annotations

from typing import cast
from uuid import UUID, uuid5

from smartops.contracts.events import StandingGiven
from smartops.contracts.folds import GateView
from smartops.contracts.streams import stream
from smartops.contracts.subjects import Subjects
from smartops.contracts.wire import EventData
from smartops.eventstore.store import EventStore
from smartops.eventstore.units import Trigger
from smartops.policy import domain
from smartops.policy.gate.state import Gate
from smartops.policy.gate.state import evolve as evolve_gate_of_policy
from smartops.policy.mandates.offers import Standing
from smartops.runtime.decision import Decision
from smartops.runtime.reactor import Reaction, Reactor
from smartops.runtime.recording import Cause, Recorder
from smartops.runtime.views import Views
from smartops.tool_gateway.grounds import borne_out
from support import approvals
from support.approvals import NOW, TERMS, Person, given_word, offer_of
from support.memory_log import MemoryLog
from support.plans import TASK, TENANT, plan

PLAN = plan()
WORD = given_word(Person("sue", ("senior-approver",)))
GATE = stream(TENANT, "gate", TASK)
STANDING = stream(TENANT, "standing", WORD.standing)


class Bench:
    """Policy's part of a log in memory, and the gateway's view of it."""

    def __init__(self) -> None:
        self.log = MemoryLog()
        self.views = Views(cast("EventStore", self.log))
        self._reactor = Reactor(
            cast("EventStore", self.log),
            Recorder("policy", Subjects()),
            initial=Gate(),
            evolve=evolve_gate_of_policy,
        )
        self._said = 0

    async def say(self, name: str, decision: Decision) -> None:
        """Write what was decided."""

        async def decide(_gate: Gate, _fresh: bool) -> Decision:  # noqa: FBT001
            return decision

        self._said += 1
        cause = Cause(Trigger("policy.plans", uuid5(TASK, str(self._said))), TASK)
        assert await self._reactor.react(name, cause, decide) is Reaction.DONE

    async def gate(self, task: UUID = TASK) -> GateView:
        """As the gateway takes it."""
        seen = (await self.views.gate.load(GATE, fresh=True)).state
        return await borne_out(self.views, TENANT, task, seen)


def by_word(word: StandingGiven = WORD) -> Decision:
    """A plan granted by a standing word."""
    offer, told = offer_of(Standing(given=word), 1), approvals.planned(PLAN)
    decision = domain.weigh(
        Gate(), TASK, told, PLAN, approvals.weighed(reads=()), TERMS, NOW, offer
    )
    return Decision(decision.events, elsewhere=decision.elsewhere)


def just(*events: EventData) -> Decision:
    return Decision(events)


async def test_a_grant_by_a_standing_word_holds_once_its_use_is_told() -> None:
    bench = Bench()
    await bench.say(STANDING, just(WORD))
    assert not (await bench.gate()).unfounded, "nothing was granted"
    await bench.views.standing.load(STANDING)  # Remembered from before the use.

    await bench.say(GATE, by_word())

    seen = await bench.gate()
    assert seen.grant is not None
    assert not seen.unfounded


async def test_a_grant_that_the_standing_word_does_not_tell_of_holds_nothing() -> None:
    bench = Bench()
    await bench.say(STANDING, just(WORD))
    await bench.say(GATE, just(*by_word().events))  # The gate alone says so.
    assert (await bench.gate()).unfounded


async def test_a_grant_by_a_standing_word_that_nobody_gave_holds_nothing() -> None:
    bench = Bench()
    await bench.say(GATE, just(*by_word().events))
    assert (await bench.gate()).unfounded


async def test_a_use_for_one_task_bears_out_no_other() -> None:
    bench = Bench()
    await bench.say(STANDING, just(WORD))
    await bench.say(GATE, by_word())
    assert (await bench.gate(UUID(int=1))).unfounded
