"""Deciding on one stream: exactly once, on the newest state, neighbours unharmed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast
from uuid import uuid5

import pytest
from smartops.contracts.events import TaskHalted, TaskResumed
from smartops.contracts.subjects import Subjects
from smartops.contracts.wire import EventData
from smartops.eventstore.errors import StoreUnavailable
from smartops.eventstore.results import Already, Conflict
from smartops.eventstore.store import EventStore
from smartops.eventstore.units import Trigger
from smartops.runtime.decision import NOTHING, Decision, Elsewhere, SetTimer
from smartops.runtime.reactor import MAX_CROWD, Decide, Reaction, Reactor, decode
from smartops.runtime.recording import Cause, Recorder
from support.memory_log import MemoryLog
from support.plans import TASK

GATE = f"acme/gate-{TASK}"
OTHER = "acme/gate-other"

State = tuple[str, ...]
"""The reasons of all halts, in order."""


def evolve(state: State, event: EventData) -> State:
    return (*state, event.reason) if isinstance(event, TaskHalted) else state


def halted(reason: str) -> TaskHalted:
    return TaskHalted(principal="op", reason=reason)


def because(number: int) -> Cause:
    return Cause(Trigger("policy.controls", uuid5(TASK, str(number))), TASK)


class Bench:
    """A reactor on a log in memory, and what its deciders saw."""

    def __init__(self) -> None:
        self.log = MemoryLog()
        self.seen: list[tuple[int, State, bool]] = []
        self.observed: list[EventData] = []
        self.reactor = self.another()

    def another(self) -> Reactor[State]:
        """Another process on the same log."""
        return Reactor(
            cast("EventStore", self.log),
            Recorder("policy", Subjects()),
            initial=(),
            evolve=evolve,
            observe=self.observed.append,
        )

    def halts(
        self, number: int, *, stream: str = GATE, once: bool = False, new: bool = False
    ) -> asyncio.Task[Reaction]:
        """Halt for reason `number`; with `once` only where nobody has."""

        async def decide(state: State, fresh: bool) -> Decision:  # noqa: FBT001
            self.seen.append((number, state, fresh))
            return NOTHING if once and state else Decision([halted(str(number))])

        return asyncio.create_task(self.reactor.react(stream, because(number), decide, new=new))

    def raises(self, number: int) -> asyncio.Task[Reaction]:
        """Decide with an error."""

        async def decide(state: State, fresh: bool) -> Decision:  # noqa: FBT001
            self.seen.append((number, state, fresh))
            raise LookupError(number)

        return asyncio.create_task(self.reactor.react(GATE, because(number), decide))

    def does(self, number: int, decision: Decision) -> asyncio.Task[Reaction]:
        """Decide this, whatever the state."""

        async def decide(_state: State, _fresh: bool) -> Decision:  # noqa: FBT001
            return decision

        return asyncio.create_task(self.reactor.react(GATE, because(number), decide))

    async def crowd(self, *start: Callable[[], asyncio.Task[Reaction]]) -> list[object]:
        """Let triggers gather while an append is under way, then let all go on."""
        self.log.hold = asyncio.Event()
        first = self.halts(0)
        await self.log.asked_for()
        tasks = [begin() for begin in start]
        await asyncio.sleep(0)
        self.log.hold.set()
        await first
        self.log.hold = None
        return list(await asyncio.gather(*tasks, return_exceptions=True))

    @property
    def reasons(self) -> list[str]:
        """What the stream tells."""
        return self.stored()

    def stored(self, stream: str = GATE) -> list[str]:
        found: State = ()
        for row in self.log.stream(stream):
            found = evolve(found, decode(row))
        return list(found)


async def test_a_trigger_is_decided_on_the_folded_state_and_stored() -> None:
    bench = Bench()
    assert await bench.halts(1) is Reaction.DONE
    assert await bench.halts(2) is Reaction.DONE
    assert bench.reasons == ["1", "2"]
    assert bench.seen == [(1, (), False), (2, ("1",), False)]
    assert [event.reason for event in bench.observed if isinstance(event, TaskHalted)] == ["1", "2"]


async def test_what_was_stored_is_remembered_and_not_read_again() -> None:
    bench = Bench()
    await bench.halts(1)
    reads = bench.log.reads
    await bench.halts(2)
    await bench.halts(3)
    assert bench.log.reads == reads


async def test_a_crowd_is_folded_into_one_unit_each_on_what_the_one_before_left() -> None:
    bench = Bench()
    outcomes = await bench.crowd(*(lambda n=n: bench.halts(n) for n in (1, 2, 3)))
    assert outcomes == [Reaction.DONE] * 3
    assert len(bench.log.units) == 2
    assert [trigger.cause for trigger in bench.log.units[1].triggers] == [
        because(n).trigger.cause for n in (1, 2, 3)
    ]
    assert bench.seen[1:] == [
        (1, ("0",), False),
        (2, ("0", "1"), False),
        (3, ("0", "1", "2"), False),
    ]
    assert bench.reasons == ["0", "1", "2", "3"]


async def test_a_crowd_has_an_end() -> None:
    bench = Bench()
    await bench.crowd(*(lambda n=n: bench.halts(n) for n in range(1, MAX_CROWD + 3)))
    assert [len(unit.triggers) for unit in bench.log.units] == [1, MAX_CROWD, 2]
    assert len(bench.reasons) == MAX_CROWD + 3


async def test_streams_do_not_wait_for_each_other() -> None:
    bench = Bench()
    bench.log.hold = asyncio.Event()
    here, there = bench.halts(1), bench.halts(2, stream=OTHER)
    await bench.log.asked_for(2)
    bench.log.hold.set()
    assert (await here, await there) == (Reaction.DONE, Reaction.DONE)


async def test_one_that_raises_harms_no_neighbour() -> None:
    bench = Bench()
    before, wrong, after = await bench.crowd(
        lambda: bench.halts(1), lambda: bench.raises(2), lambda: bench.halts(3)
    )
    assert (before, after) == (Reaction.DONE, Reaction.DONE)
    assert isinstance(wrong, LookupError)
    assert bench.reasons == ["0", "1", "3"]
    assert because(2).trigger.cause not in {cause for _, cause in bench.log.inbox}


async def test_one_that_says_what_is_not_its_to_say_harms_no_neighbour() -> None:
    bench = Bench()
    foreign = TaskResumed(task=TASK, run=TASK, principal="op")
    wrong, after = await bench.crowd(
        lambda: bench.does(1, Decision([halted("half a decision"), foreign])),
        lambda: bench.halts(2),
    )
    assert isinstance(wrong, ValueError)
    assert after is Reaction.DONE
    assert bench.reasons == ["0", "2"], "nothing of what was not decided is stored"


async def test_where_all_raise_nothing_is_stored() -> None:
    bench = Bench()
    with pytest.raises(LookupError):
        await bench.raises(1)
    assert bench.log.units == []


async def test_a_conflict_is_decided_again_on_fresh_facts() -> None:
    bench = Bench()
    await bench.halts(1)
    other = bench.another()

    async def decide(_state: State, _fresh: bool) -> Decision:  # noqa: FBT001
        return Decision([halted("meanwhile")])

    await other.react(GATE, because(2), decide)
    assert await bench.halts(3) is Reaction.DONE
    assert bench.seen[1:] == [(3, ("1",), False), (3, ("1", "meanwhile"), True)]
    assert bench.reasons == ["1", "meanwhile", "3"]


async def test_a_stale_memory_cannot_swallow_work_that_nothing_seems_to_follow_from() -> None:
    bench = Bench()
    await bench.halts(1)
    bench.log.answers = [Conflict(GATE, 1, 2)]
    assert await bench.halts(2, once=True) is Reaction.DONE
    assert [(number, fresh) for number, _, fresh in bench.seen] == [
        (1, False),
        (2, False),
        (2, True),
    ]


async def test_a_stream_thought_new_is_not_read_first_but_decided_again_if_it_exists() -> None:
    bench = Bench()
    await bench.another().react(GATE, because(1), _halting("1"))
    assert await bench.halts(2, once=True, new=True) is Reaction.DONE
    assert bench.seen == [(2, (), False), (2, ("1",), True)]
    assert bench.reasons == ["1"]


async def test_a_repeat_is_already_done_and_changes_nothing() -> None:
    bench = Bench()
    await bench.halts(1)
    assert await bench.halts(1) is Reaction.ALREADY
    assert bench.reasons == ["1"]


async def test_what_is_already_done_drops_out_and_the_others_are_decided_again() -> None:
    bench = Bench()
    await bench.halts(1)
    again, new = await bench.crowd(lambda: bench.halts(1), lambda: bench.halts(2))
    assert (again, new) == (Reaction.ALREADY, Reaction.DONE)
    assert bench.reasons == ["1", "0", "2"]


async def test_a_commit_whose_answer_was_lost_is_settled_by_its_triggers() -> None:
    bench = Bench()
    cause = because(1).trigger.cause
    bench.log.answers = [Already([cause])]
    assert await bench.halts(1) is Reaction.ALREADY


async def test_an_outage_is_told_to_those_who_wait_and_to_nobody_after_it() -> None:
    bench = Bench()
    bench.log.answers = [StoreUnavailable("the database is away")]
    with pytest.raises(StoreUnavailable):
        await bench.halts(1)
    assert await bench.halts(1) is Reaction.DONE
    assert bench.reasons == ["1"]


async def test_who_stops_waiting_does_not_undo_the_decision() -> None:
    bench = Bench()
    bench.log.hold = asyncio.Event()
    task = bench.halts(1)
    await bench.log.asked_for()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    bench.log.hold.set()
    assert await bench.halts(2) is Reaction.DONE
    assert bench.reasons == ["1", "2"]


async def test_one_trigger_that_comes_twice_at_once_is_decided_once() -> None:
    bench = Bench()
    first, second, neighbour = await bench.crowd(
        lambda: bench.halts(1, once=True),
        lambda: bench.halts(1, once=True),
        lambda: bench.halts(2),
    )
    assert neighbour is Reaction.DONE
    assert {first, second} <= {Reaction.DONE, Reaction.ALREADY}


async def test_two_of_a_crowd_may_set_one_timer() -> None:
    bench = Bench()
    timer = SetTimer("look", bench.log.db_now(), "policy.expiry")
    outcomes = await bench.crowd(
        lambda: bench.does(1, Decision(timers=[timer])),
        lambda: bench.does(2, Decision(timers=[timer])),
    )
    assert outcomes == [Reaction.DONE, Reaction.DONE]


async def test_two_of_a_crowd_may_write_one_other_stream() -> None:
    bench = Bench()

    def there(number: int) -> Callable[[], asyncio.Task[Reaction]]:
        async def decide(_state: State, fresh: bool) -> Decision:  # noqa: FBT001
            version = len(bench.log.stream(OTHER)) if fresh or number == 1 else 0
            return Decision(elsewhere=[Elsewhere(OTHER, version, [halted(str(number))])])

        return lambda: asyncio.create_task(bench.reactor.react(GATE, because(number), decide))

    outcomes = await bench.crowd(there(1), there(2))
    assert outcomes[0] is Reaction.DONE
    assert bench.stored(OTHER)[0] == "1"


def _halting(reason: str) -> Decide[State]:
    async def decide(_state: State, _fresh: bool) -> Decision:  # noqa: FBT001
        return Decision([halted(reason)])

    return decide
